"""Pictures of hands and seals: what is taken, and what is refused with what was found and what is wanted."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from signer import errors
from signer.stamp import images
from tests.looks_support import BLUE, RED, hand, saved, seal

pytestmark = pytest.mark.web


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunk(png: bytes, name: bytes, body: bytes, *, behind: int = 33) -> bytes:
    """`png` with one more chunk, behind the header."""
    return png[:behind] + chunk(name, body) + png[behind:]


def header(width: int, height: int, *, depth: int = 8, colour: int = 6, interlace: int = 0) -> bytes:
    """A file that says to be so large, and holds next to nothing."""
    body = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def plain(colour: tuple[int, int, int], *, ground: int = 0, shape: float = 0.5, side: int = 200) -> bytes:
    """A bar of one colour that takes this share of the picture's height, framed by lines so that nothing is cut off."""
    image = Image.new("RGBA", (side, side), (255, 255, 255, ground))
    image.paste((*colour, 255), (0, 0, side, round(side * shape)))
    image.paste((*colour, 255), (0, side - 1, side, side))
    return saved(image)


def test_a_hand_and_a_seal_are_taken():
    """Cut to their ink; the seal knows its true width."""
    drawn = images.admit(hand(), kind="signature")
    assert drawn.image.width < 420
    assert drawn.stated_mm is None
    assert 36.0 == pytest.approx(images.admit(seal(), kind="seal").stated_mm, abs=0.1)


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (200, 200), RED).save(out, "JPEG")
    return out.getvalue()


def interlaced() -> bytes:
    return header(100, 100, interlace=1)


REFUSED = {
    "jpeg": (jpeg(), errors.PictureUnreadable, "other format"),
    "empty": (b"", errors.PictureUnreadable, "other format"),
    "cut off": (seal()[:-40], errors.PictureUnreadable, "broken"),
    "checksum": (seal()[:60] + bytes([seal()[60] ^ 1]) + seal()[61:], errors.PictureUnreadable, "broken"),
    "too few pixels": (header(200, 200), errors.PictureUnreadable, "broken"),
    "interlaced": (interlaced(), errors.PictureUnreadable, "interlaced"),
    "animated": (with_chunk(seal(), b"acTL", bytes(8)), errors.PictureUnreadable, "animated"),
    "16 bit": (header(100, 100, depth=16), errors.PictureUnreadable, "16 bit"),
    "nothing on it": (saved(Image.new("RGBA", (100, 100))), errors.PictureUnreadable, "empty"),
    "100 megapixels": (header(10_000, 10_000), errors.PictureTooLarge, "10000 × 10000 px"),
    "long and thin": (header(4_001, 1), errors.PictureTooLarge, "4001 × 1 px"),
    "no pixel": (header(0, 9), errors.PictureTooLarge, "0 × 9 px"),
    "many bytes": (seal() + bytes(600_000), errors.PictureTooLarge, f"{len(seal()) + 600_000} B"),
    "no alpha": (saved(Image.new("RGB", (200, 200), RED)), errors.PictureOpaque, "0 %"),
    "white ground": (plain(RED, ground=255), errors.PictureOpaque, "0 %"),
    "hardly see-through": (plain(RED, shape=0.9), errors.PictureOpaque, "9 %"),
    "blue seal": (seal(colour=BLUE), errors.PictureColour, "0 %"),
    "black seal": (seal(colour=(0, 0, 0)), errors.PictureColour, "0 %"),
    "brown seal": (seal(colour=(60, 45, 40)), errors.PictureColour, "0 %"),
    "tiny": (saved(Image.new("RGBA", (8, 8), (*RED, 255))), errors.PictureResolution, "8 × 8 px"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_seal_is_refused(name):
    """With a code of its own, what was found, and what is wanted."""
    png, expected, found = REFUSED[name]
    with pytest.raises(expected) as refused:
        images.admit(png, kind="seal")
    assert found == refused.value.facts["found"]
    assert "seal" == refused.value.facts["picture"]
    assert refused.value.facts["wanted"]


def test_a_bomb_is_refused_by_its_header(monkeypatch):
    """Nothing of it is unpacked."""
    monkeypatch.setattr(images.PngImagePlugin, "PngImageFile", None)
    with pytest.raises(errors.PictureTooLarge):
        images.admit(header(10_000, 10_000), kind="signature")


@pytest.mark.parametrize("colour", [BLUE, (0, 0, 139), (0, 84, 200), (70, 90, 160)])
def test_blue_inks_are_blue(colour):
    """From navy to royal; not for a seal."""
    images.admit(plain(colour), kind="signature")
    with pytest.raises(errors.PictureColour):
        images.admit(plain(colour), kind="seal")


@pytest.mark.parametrize("colour", [RED, (160, 0, 0), (237, 50, 55), (200, 60, 90)])
def test_red_inks_are_red(colour):
    """From a worn pad to a fresh one; not for a hand."""
    images.admit(plain(colour), kind="seal")
    with pytest.raises(errors.PictureColour):
        images.admit(plain(colour), kind="signature")


def test_a_palette_with_transparency_is_taken():
    """What many programs write to save space."""
    picture = Image.open(io.BytesIO(seal())).quantize(64)
    images.admit(saved(picture), kind="seal")


def test_what_does_not_draw_goes_nowhere():
    """Profile, gamma, texts and what stands behind the end: the pixels alone are taken."""
    loaded = with_chunk(with_chunk(seal(), b"tEXt", b"Comment\0secret"), b"iCCP", b"x\0\0" + zlib.compress(bytes(9999)))
    taken = images.admit(loaded + b"PK\3\4 and more", kind="seal").image
    assert images.admit(seal(), kind="seal").image.tobytes() == taken.tobytes()
    assert {} == {name: value for name, value in taken.info.items() if name not in ("gamma",)}


def test_too_coarse_for_its_size_is_refused_and_too_fine_is_scaled_down():
    """150 dpi at least at the size shown; above 400 dpi what nobody sees is left out."""
    picture = images.admit(seal(side=200), kind="seal")
    with pytest.raises(errors.PictureResolution) as refused:
        images.fitted(picture, width=102)
    assert ("141 dpi", ">= 150 dpi (212 px)") == (refused.value.facts["found"], refused.value.facts["wanted"])
    assert picture is images.fitted(picture, width=95)
    fine = images.fitted(images.admit(seal(side=1200), kind="seal"), width=102)
    assert 425 == pytest.approx(fine.image.width, abs=2)
