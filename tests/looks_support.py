"""Pictures of a hand and a seal, plainly demo ones, and pages that carry a look; for the tests of what is seen.

made = sign(tmp_path, look="nguoi-ky", pictures={"signature": hand()})
pixels(made)                             # the first page as poppler shows it, or PDFium
"""

from __future__ import annotations

import hashlib
import io
import math
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pikepdf
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageStat

from signer import pipeline
from signer.font import DEFAULT_FONTS
from signer.model import FieldPlan, LookPlan, Place, SignatureValue, SignOrder, Stamp
from tests.pki import Authority
from verify.pdfium import opened

AT = datetime(2026, 11, 22, 2, 0, 0, tzinfo=UTC)
BLUE, RED = (24, 48, 176), (214, 20, 30)
SEAL_MM = 36.0


def saved(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


@cache
def hand(*, width: int = 420, colour: tuple[int, int, int] = BLUE) -> bytes:
    """A scrawl, about 2.2 times as wide as high, as a scanner and an eraser would leave it."""
    scale, height = 3, width * 9 // 20
    mask = Image.new("L", (width * scale, height * scale), 0)
    points = [
        (
            (0.06 + 0.86 * t + 0.05 * math.sin(19 * t)) * width * scale,
            (0.5 + 0.34 * math.sin(23 * t) * (1 - 0.6 * t) + 0.1 * math.cos(7 * t)) * height * scale,
        )
        for t in (step / 400 for step in range(401))
    ]
    ImageDraw.Draw(mask).line(points, fill=255, width=round(width * scale / 60), joint="curve")
    image = Image.new("RGBA", (width, height), (*colour, 0))
    image.putalpha(mask.resize((width, height), Image.Resampling.LANCZOS))
    return saved(image)


@cache
def seal(*, side: int = 360, colour: tuple[int, int, int] = RED, mm: float | None = SEAL_MM) -> bytes:
    """Two rings, a star and the word MẪU; `mm` is the width that the file states of itself."""
    scale = 3
    full = side * scale
    mask = Image.new("L", (full, full), 0)
    draw = ImageDraw.Draw(mask)
    draw.ellipse((0, 0, full - 1, full - 1), outline=255, width=full // 36)
    draw.ellipse((full * 0.2, full * 0.2, full * 0.8, full * 0.8), outline=255, width=full // 70)
    star = []
    for corner in range(10):
        reach, angle = (0.2 if corner % 2 == 0 else 0.08) * full, math.pi * (corner / 5 - 0.5)
        star.append((full / 2 + reach * math.cos(angle), full / 2 + reach * math.sin(angle)))
    draw.polygon(star, fill=255)
    font = ImageFont.truetype(str(next(path for path in DEFAULT_FONTS if path.exists())), full // 9)
    draw.text((full / 2, full * 0.12), "DẤU MẪU", fill=255, font=font, anchor="mm")
    image = Image.new("RGBA", (side, side), (*colour, 0))
    image.putalpha(mask.resize((side, side), Image.Resampling.LANCZOS))
    return saved(image) if mm is None else saved(image, dpi=(side / mm * 25.4,) * 2)


def page(path: Path, **changes: object) -> Path:
    """One page, A4 unless `changes` say otherwise; these are entries of the page, by name without the slash.

    The part that is seen is grey, but for a white edge."""
    document = pikepdf.new()
    entries = {"MediaBox": [0, 0, 595, 842], **changes}
    made = document.add_blank_page(page_size=(595, 842))
    for key, value in entries.items():
        made.obj[f"/{key}"] = pikepdf.Array(value) if isinstance(value, list) else value
    left, bottom, right, top = seen(made)
    inset = 4 / float(made.obj.get("/UserUnit", 1))
    content = f"0.93 g {left + inset} {bottom + inset} {right - left - 2 * inset} {top - bottom - 2 * inset} re f 0 g".encode()
    made.obj["/Contents"] = document.make_stream(content)
    document.save(path, static_id=True)
    return path


def seen(made: pikepdf.Page) -> tuple[float, ...]:
    """The part of a page that is shown, in its own coordinates."""
    media, crop = (
        [*map(min, box[:2], box[2:]), *map(max, box[:2], box[2:])]
        for name in ("/MediaBox", "/CropBox")
        for box in [[float(side) for side in made.obj.get(name, made.obj["/MediaBox"])]]
    )
    return (*map(max, media[:2], crop[:2]), *map(min, media[2:], crop[2:]))


@cache
def signer(name: str = "Nguyễn Văn Mẫu"):
    return Authority.root().signer(name, key="p256")


def sign(
    source: Path,
    out: Path,
    look: LookPlan | None,
    *,
    field: str | None = None,
    place: Place | None = None,
    fields: tuple[FieldPlan, ...] = (),
    stamp: Stamp | None = None,
    name: str = "Nguyễn Văn Mẫu",
    **further: object,
) -> Path:
    """`source` with a signature of this look, as `out`."""
    one = signer(name)
    order = SignOrder(
        certificate=one.der,
        chain=(),
        mechanism="ecdsa_sha256",
        signing_time=AT,
        field=field,
        place=place,
        fields=fields,
        stamp=stamp,
        look=look,
        **further,
    )
    with source.open("rb") as document, out.open("w+b") as file:
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        prepared = pipeline.prepare(document, order, out=file, original_sha256=digest, nonce=1)
        value = SignatureValue(one.sign(prepared.tbs, "ecdsa_sha256"), "ecdsa_sha256")
        pipeline.complete(prepared, value, out=file, fetcher=None)  # type: ignore[arg-type]  # B-B asks nobody
    return out


def pdfium(path: Path, *, dpi: int = 60, number: int = 0) -> Image.Image:
    with path.open("rb") as file, opened(file) as document:
        return document[number].render(scale=dpi / 72, may_draw_forms=True).to_pil().convert("RGB")


def poppler(path: Path, *, dpi: int = 60, number: int = 0) -> Image.Image:
    page_ = str(number + 1)
    run = subprocess.run(
        ["pdftoppm", "-cropbox", "-r", str(dpi), "-f", page_, "-l", page_, "-png", path],
        capture_output=True,
        check=True,
    )
    return Image.open(io.BytesIO(run.stdout)).convert("RGB")


def difference(one: Image.Image, other: Image.Image) -> tuple[float, int]:
    """How unlike two pictures are, a little blurred, as renderers smooth edges each in its own way: the mean over all
    channels of all pixels, and the largest, of 255. (255, 255) where they differ in size."""
    if one.size != other.size:
        return 255.0, 255
    blurred = [image.convert("RGB").filter(ImageFilter.GaussianBlur(2)) for image in (one, other)]
    apart = ImageChops.difference(*blurred)
    return sum(ImageStat.Stat(apart).mean) / 3, max(high for _, high in apart.getextrema())
