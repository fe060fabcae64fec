"""What systems and pages send about signing sessions, as strict models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from api.schema_base import Coordinate, Hex256, Input, Line, no_controls

MOST = 500
"""Documents of one session: as many as one activation may be over."""
OnBehalf = Literal["TM", "KT", "TL", "TUQ"]
Fill = dict[Line, bool | int | Annotated[str, Field(max_length=4000)]]
Reason = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(no_controls)]
DocumentId = Annotated[str, Field(pattern=r"^d[1-9][0-9]{0,3}$")]


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or not text.isascii():
        raise ValueError("an http or https address")
    return text


Address = Annotated[str, Field(min_length=8, max_length=2048), AfterValidator(_address)]


class DocumentRequest(Input):
    """One document that somebody is asked to sign."""

    document: Annotated[str, Field(min_length=1, max_length=255)]
    """File name of one of the parts `document`, `signature:ID` for what a signature of this appliance led to, or
    `upload:ID` for what was sent before (`/v1/uploads`)."""
    title: Line | None = None
    """What people call it; none takes the file's name."""
    procedure: Line | None = None
    """Name of the procedure that the signature is a step of."""
    step: Line | None = None
    bodies: dict[Line, Line] = Field(default={}, max_length=100)
    """Which organisation is which body of the procedure, by id or code, where the system knows; the same in all sessions
    of a document."""
    fill: Fill = Field(default={}, max_length=100)
    """Values of form fields that the signature's revision writes."""
    order: dict[str, Any] = Field(default={}, max_length=40)
    """How it is signed, as in `POST /v1/signatures`, without the key: level, field, place, anchor, stamp, …"""


class SessionRequest(Input):
    """The part `session` of `POST /v1/sessions`."""

    documents: tuple[DocumentRequest, ...] = Field(min_length=1, max_length=MOST)
    person: Line
    """Who is to sign: id or code in the directory; a name where it does not know them."""
    role: Line | None = None
    """In which role: `official`, `clerk` (văn thư)."""
    organisation: Line | None = None
    """For which organisation: id or code; none takes that of the person's highest post."""
    keys: tuple[Annotated[str, Field(min_length=1, max_length=128), AfterValidator(no_controls)], ...] = Field(
        default=(), max_length=20
    )
    """Keys that may be chosen from; none takes the person's own, and for a clerk the organisation's seals."""
    on_behalf: OnBehalf | None = None
    """KT., TM., T.L. or T.U.Q.: the directory must say that the person may."""
    expires_at: datetime | None = None
    callback: Address | None = None
    """Where outcomes are sent, signed by Standard Webhooks: a host of `[sessions] callbacks`."""
    return_url: Address | None = None
    """Where the page leads when all is done."""
    language: Literal["vi", "en"] | None = None
    supersedes: Annotated[str, Field(max_length=64)] | None = None
    """A session of the same system that this one replaces."""

    @model_validator(mode="after")
    def _settled(self) -> SessionRequest:
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ValueError("expires_at has no offset")
        names = [one.document for one in self.documents]
        if len(set(names)) != len(names):
            raise ValueError("a document is there twice")
        return self


class PlaceRequest(Input):
    """Where the official puts the signature."""

    page: int = Field(ge=1, le=1_000_000)
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]
    """Left, bottom, right, top in points, from the lower left corner of the page as it is shown."""


class PreviewRequest(Input):
    """With which key a page is drawn as it will be, and what the official decided so far."""

    key: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(no_controls)]
    place: PlaceRequest | None = None
    fill: Fill = Field(default={}, max_length=100)


class ReturnRequest(Input):
    """Why a document is sent back."""

    reason: Reason


class ReassignRequest(Input):
    """Who should sign instead, and why."""

    person: Line
    reason: Reason


class ConsentDocument(Input):
    """A document that is agreed to: by its digest, as it was shown."""

    id: DocumentId
    sha256: Hex256
    place: PlaceRequest | None = None
    fill: Fill = Field(default={}, max_length=100)


class ConsentRequest(Input):
    """The one consent of a session."""

    key: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(no_controls)]
    documents: tuple[ConsentDocument, ...] = Field(min_length=1, max_length=MOST)
    on_behalf: OnBehalf | None = None

    @model_validator(mode="after")
    def _each_once(self) -> ConsentRequest:
        if len({one.id for one in self.documents}) != len(self.documents):
            raise ValueError("a document is there twice")
        return self
