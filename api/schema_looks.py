"""How an order says what its signature looks like: `profile`, `images` and `look` of `POST /v1/signatures`.

>>> LookOrder(number="15-CV/ĐU").values()
(('number', '15-CV/ĐU'),)
"""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated

from pydantic import Field, field_validator

from api.schema_base import Input, Line

Profile = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}/[a-z0-9-]{1,40}$")]
"""A profile and one of its looks, as `dang/nguoi-ky`."""
LARGEST_IMAGE = 512 * 1024
"""Bytes of a picture: the signer's own bound, `signer.stamp.images.MOST_BYTES`."""
_VALUES = ("number", "date", "title", "note")


class ImagesOrder(Input):
    """Pictures for this signature alone, instead of those that are stored for its key: PNG in base64."""

    signature: bytes | None = Field(default=None, repr=False)
    """The person's signature by hand: blue, transparent ground, 150 dpi or more."""
    seal: bytes | None = Field(default=None, repr=False)
    """The organisation's seal: red, transparent ground, 150 dpi or more."""

    @field_validator("signature", "seal", mode="before")
    @classmethod
    def _base64(cls, text: object) -> bytes | None:
        if text is None:
            return None
        try:
            octets = base64.b64decode(text if isinstance(text, str) else "*", validate=True)
        except ValueError:
            raise ValueError("not base64") from None
        if not 0 < len(octets) <= LARGEST_IMAGE:
            raise ValueError(f"a picture has at most {LARGEST_IMAGE} bytes")
        return octets

    def digests(self) -> dict[str, str]:
        """What stands for the pictures where orders are kept and compared."""
        pictures = {"signature": self.signature, "seal": self.seal}
        return {name: hashlib.sha256(png).hexdigest() for name, png in pictures.items() if png is not None}


class LookOrder(Input):
    """What a look shows beside its picture."""

    number: Line | None = None
    """Number of the document."""
    date: Line | None = None
    """Date as it is to be read."""
    title: Line | None = None
    """Office of the signer."""
    note: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """Words of a comment."""
    seal_mm: float | None = Field(default=None, ge=10, le=60)
    """True width of the seal; none takes what the picture states, else the profile's."""
    over: Line | None = None
    """Field of the person's signature over which the seal stands; none takes the only one that is seen."""
    link: Annotated[str, Field(pattern=r"^https?://[\x21-\x7e]{1,190}$")] | None = None
    """Address that is shown as a QR code, such as the page that verifies documents."""

    def values(self) -> tuple[tuple[str, str], ...]:
        """(placeholder, text) as the signer takes them."""
        return tuple((name, text) for name in _VALUES if (text := getattr(self, name)) is not None)
