"""A look of a profile, drawn: the picture of a hand or a seal, lines of text, a link, in one box.

Everything that needs no page is checked at once (`contents`): the profile, the pictures, the values. Then the place is
settled (`places`), and the box drawn. What stands where:

| shows | text | |
|---|---|---|
| signature | none | the picture in the middle, as large as the box allows |
| signature | lines | the picture above, the text below |
| seal | none | the seal in the middle, in true size |
| seal | lines | the seal left, in true size, the text right of it |
| none | lines | the text alone |

A link stands right of all this.

    held = contents(order)
    width, height = natural_size(held)               # where the place is the look's own
    form = draw(writer, held, width=width, height=height, archive=None)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.writer import BasePdfFileWriter

from signer.archives import Archive
from signer.errors import OrderInvalid, PictureMissing, SealSize, TextNotShowable
from signer.fields import Box
from signer.font import Font, Glyph, load
from signer.model import LookPlan, SignOrder
from signer.stamp import images, plain, profiles, qr
from signer.stamp import rows as typesetting
from signer.stamp.images import Picture
from signer.stamp.profiles import Colour, Look
from signer.stamp.rows import Row
from signer.stamp.views import POINTS

PICTURE_KEY = pdf_name("/KysoPicture")
"""Private entry (ISO 32000-1 Annex E) of an appearance: where in its box the picture stands."""

LEAST_SEAL, MOST_SEAL = 10.0, 60.0
"""Millimetres that a seal can measure."""
GAP = 2 * POINTS
LINK_SIDE, LEAST_LINK = 20 * POINTS, 15 * POINTS
_SLACK = 0.5
"""Points by which a seal may be larger than its box: coordinates are often rounded."""
_COLOURS: dict[Colour, tuple[float, float, float]] = {"black": (0, 0, 0), "blue": (0, 0, 0.6), "red": (0.8, 0, 0)}


@dataclass(frozen=True)
class Held:
    """What a look holds. `seal` is the true width of its seal in points, `rows` the lines before they are wrapped."""

    look: Look
    picture: Picture | None
    seal: float
    rows: tuple[Row, ...]
    link: str | None

    @property
    def seal_height(self) -> float:
        return self.seal / self.picture.ratio if self.picture is not None and self.seal else 0.0


@dataclass(frozen=True)
class _Block:
    """Text that was fitted: its size, its rows, and how high they are."""

    size: float
    rows: list[Row]

    @property
    def height(self) -> float:
        return ((len(self.rows) - 1) * typesetting.leading(self.rows) + typesetting.reach(self.rows)) * self.size


def preload() -> None:
    """Read all that is needed later, where no file can be opened."""
    plain.preload()
    profiles.preload()


def contents(order: SignOrder) -> Held:
    """What the order's look holds. Raises ProfileUnknown, ProfileInvalid, PictureMissing, what `images.admit` refuses,
    SealSize, TextNotShowable and OrderInvalid."""
    plan = order.look
    assert plan is not None
    look = profiles.find(plan.profile, plan.look)
    picture = _picture(plan, look)
    if plan.link is not None:
        if look.place == "over-signature":
            raise OrderInvalid("a seal over a signature shows nothing else", reason="link")
        qr.require(plan.link)
    seal = _true_width(plan, look, picture) if picture is not None and look.shows == "seal" else 0.0
    lines = order.stamp.lines if order.stamp is not None and order.stamp.lines else look.text(_values(order, look))
    if look.place == "over-signature":
        lines = ()
    if sum(len(line) + 1 for line in lines) > plain.LONGEST:
        raise TextNotShowable("the text is too long for a stamp", reason="too-long", longest=plain.LONGEST)
    font = load()
    return Held(look, picture, seal, tuple(font.glyphs_of(line) for line in lines), plan.link)


def natural_size(held: Held) -> tuple[float, float]:
    """Width and height in points, where the look has a place of its own: what it holds, at most as wide as the profile
    says; a seal alone has its true size."""
    if held.look.place == "over-signature":
        return held.seal, held.seal_height
    most, width = held.look.width_mm * POINTS, held.seal
    heights = [held.seal_height, LINK_SIDE if held.link else 0.0]
    if held.rows:
        beside = (held.seal + GAP if held.seal else 0) + 2 * _pad(held)
        size = held.look.font_size
        _, rows = typesetting.fit(
            list(held.rows), load(), width=most - beside, height=1000, largest=size, smallest=size
        )
        heights.append(_Block(size, rows).height + 2 * _pad(held) + 0.1)
        width = beside + max(map(typesetting.width_of, rows)) * size + 0.1
    return width + (LINK_SIDE + GAP if held.link else 0.0), max(heights)


def draw(
    writer: BasePdfFileWriter, held: Held, *, width: float, height: float, archive: Archive | None
) -> generic.StreamObject:
    """A form XObject of `width` by `height` points. `archive`: what PDF/A the document is.

    Raises TextNotShowable, SealSize, PictureResolution and OrderInvalid for what the box does not hold."""
    content, font = [b"q"], load()
    resources = generic.DictionaryObject()
    left, right = 0.0, width
    if held.link is not None:
        side = min(LINK_SIDE, height, width / 2 if held.rows or held.picture else width)
        if side < LEAST_LINK:
            raise OrderInvalid("the box is too small for a QR code", reason="link-does-not-fit")
        content.append(qr.draw(held.link, left=right - side, bottom=(height - side) / 2, side=side))
        right -= side + GAP
    stroke, fill = _colour(held.look.colour, archive=archive, resources=resources)
    pad = _pad(held)
    block: _Block | None = None
    bottom, shown = 0.0, None
    if held.rows and held.picture is not None and not held.seal:
        block = _fit(held, font, width=right - 2 * pad, height=height / 2)
        bottom = block.height + GAP
    if held.picture is not None:
        shown = _place(held, (left, bottom, right, height), alone=not held.rows)
        content.append(_image(writer, held.picture, shown, archive=archive, resources=resources))
        if held.seal:
            left = shown[2] + GAP
    if held.rows:
        top = bottom - GAP if bottom else height
        block = block or _fit(held, font, width=right - left - 2 * pad, height=height - 2 * pad)
        content += [fill, _text(held, block, (left + pad, 0, right - pad, top))]
        numbers = frozenset(glyph.number for row in block.rows for glyph in row)
        if numbers:
            fonts = generic.DictionaryObject({pdf_name("/F1"): font.embed(writer, numbers)})
            resources[pdf_name("/Font")] = fonts
    if held.look.border == "thin":
        content += [stroke, f"0.5 w 0.25 0.25 {width - 0.5:.2f} {height - 0.5:.2f} re S".encode()]
    content.append(b"Q")
    entries = {
        pdf_name("/Type"): pdf_name("/XObject"),
        pdf_name("/Subtype"): pdf_name("/Form"),
        pdf_name("/BBox"): _numbers((0, 0, width, height)),
        pdf_name("/Resources"): resources,
    }
    if shown is not None:
        entries[PICTURE_KEY] = _numbers(shown)
    return generic.StreamObject(entries, stream_data=b"\n".join(content))


# --- what is shown ----------------------------------------------------------------------------------------------------


def _values(order: SignOrder, look: Look) -> dict[str, str]:
    """Every placeholder's value; those of the order alone for what the order is asked for."""
    assert order.look is not None
    given = dict(order.look.values)
    if odd := sorted(set(given) - set(profiles.ASKED)):
        raise OrderInvalid("a look takes no such value", reason="look-value", value=odd[0])
    if missing := [name for name in look.requires if not given.get(name, "").strip()]:
        raise OrderInvalid("the look needs a value", reason="look-value", value=missing[0])
    signer, organisation = plain.names_of(order.certificate)
    return given | {
        "signer": signer,
        "organisation": organisation or "",
        "reason": order.reason or "",
        "time_vi": plain.time_of(order.signing_time),
        "time_iso": _iso(order.signing_time),
    }


def _iso(time: datetime) -> str:
    return time.astimezone(plain.VIETNAM).isoformat(timespec="seconds")


def _picture(plan: LookPlan, look: Look) -> Picture | None:
    if look.shows == "none":
        return None
    png = plan.signature if look.shows == "signature" else plan.seal
    if png is None:
        raise PictureMissing(picture=look.shows)
    return images.admit(png, kind=look.shows)


def _true_width(plan: LookPlan, look: Look, picture: Picture) -> float:
    """In points: what the order says, else the picture, else the profile."""
    for wide in (plan.seal_mm, picture.stated_mm, look.seal_mm):
        if wide is not None:
            if not LEAST_SEAL <= wide <= MOST_SEAL:
                raise SealSize(found=f"{wide:.1f} mm", wanted=f"{LEAST_SEAL:.0f}–{MOST_SEAL:.0f} mm")
            return wide * POINTS
    raise SealSize(found="–", wanted=f"{LEAST_SEAL:.0f}–{MOST_SEAL:.0f} mm")


def _place(held: Held, room: Box, *, alone: bool) -> Box:
    """Where in the box the picture stands."""
    left, bottom, right, top = room
    wide, high = right - left, top - bottom
    assert held.picture is not None
    if held.seal:
        if held.seal > wide + _SLACK or held.seal_height > high + _SLACK:
            raise SealSize(found=_mm(wide, high), wanted=f">= {_mm(held.seal, held.seal_height)}")
        width, height = held.seal, held.seal_height
        x = left + (wide - width) / 2 if alone else left
    else:
        width = min(wide, high * held.picture.ratio)
        if width <= 0:
            raise OrderInvalid("the box is too small for the picture", reason="picture-does-not-fit")
        height = width / held.picture.ratio
        x = left + (wide - width) / 2
    y = bottom + (high - height) / 2
    return x, y, x + width, y + height


def _image(
    writer: BasePdfFileWriter,
    picture: Picture,
    box: Box,
    *,
    archive: Archive | None,
    resources: generic.DictionaryObject,
) -> bytes:
    left, bottom, right, top = box
    fitted = images.fitted(picture, width=right - left)
    soft = archive is None or archive.has_transparency
    reference = images.embed(writer, fitted, paint="soft" if soft else "hard", calibrated=archive is not None)
    resources[pdf_name("/XObject")] = generic.DictionaryObject({pdf_name("/I1"): reference})
    return f"q {right - left:.3f} 0 0 {top - bottom:.3f} {left:.3f} {bottom:.3f} cm /I1 Do Q".encode()


def _fit(held: Held, font: Font, *, width: float, height: float) -> _Block:
    look = held.look
    size, rows = typesetting.fit(
        list(held.rows), font, width=width, height=height, largest=look.font_size, smallest=look.smallest
    )
    return _Block(size, rows)


def _text(held: Held, block: _Block, room: Box) -> bytes:
    """The block stands in the middle of the room's height; each row by itself, as they begin at different places."""
    left, bottom, right, top = room
    line = typesetting.leading(block.rows) * block.size
    y = (bottom + top + block.height) / 2 - typesetting.top(block.rows) * block.size
    parts = ["BT", f"/F1 {block.size:g} Tf"]
    for row in block.rows:
        spare = right - left - typesetting.width_of(row) * block.size
        x = left + {"left": 0.0, "centre": spare / 2, "right": spare}[held.look.align]
        parts.append(f"1 0 0 1 {x:.3f} {y:.3f} Tm <{_codes(row)}> Tj")
        y -= line
    return "\n".join((*parts, "ET")).encode()


def _codes(row: tuple[Glyph, ...]) -> str:
    return "".join(f"{glyph.number:04X}" for glyph in row)


def _colour(colour: Colour, *, archive: Archive | None, resources: generic.DictionaryObject) -> tuple[bytes, bytes]:
    """Operators for lines and for areas. An archive is told what red is (ISO 19005-2 §6.2.4.3); black is black."""
    if colour == "black":
        return b"0 G", b"0 g"
    parts = " ".join(f"{part:g}" for part in _COLOURS[colour])
    if archive is None:
        return f"{parts} RG".encode(), f"{parts} rg".encode()
    resources[pdf_name("/ColorSpace")] = generic.DictionaryObject({pdf_name("/C1"): images.srgb()})
    return f"/C1 CS {parts} SC".encode(), f"/C1 cs {parts} sc".encode()


def _pad(held: Held) -> float:
    return 3.0 if held.look.border == "thin" else 0.0


def _mm(width: float, height: float) -> str:
    return f"{width / POINTS:.1f} × {height / POINTS:.1f} mm"


def _numbers(box: Box) -> generic.ArrayObject:
    return generic.ArrayObject(generic.FloatObject(round(side, 3)) for side in box)
