"""What comes in over HTTP, as pydantic models: strict, bounded, and with the examples that OpenAPI shows.

Only here and in `api.settings` is pydantic used. What goes out is built from frozen values by hand (`api.render`), so
that an answer costs no validation of what we made ourselves; the models of answers exist for OpenAPI alone.

>>> order = parse_order(b'{"key": "seal", "level": "B-T"}')
>>> order.key, order.level, order.format
('seal', 'B-T', None)
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from api.errors import RequestInvalid
from api.refusals import NameInvalid
from api.schema_base import Control, Coordinate, Hex256, Input, Line, Password, no_controls
from api.schema_looks import ImagesOrder, LookOrder, Profile
from api.schema_xml import XmlOrder
from hsm.keys import Mechanism
from signer.model import Anchor, FieldPlan, Format, Level, Place, Stamp


class PlaceOrder(Input):
    """Where a new signature field goes."""

    page: int = Field(ge=1, le=1_000_000)
    """Page, counted from 1."""
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]
    """Left, bottom, right, top in points (1/72 inch), from the lower left corner of the page."""


class AnchorOrder(Input):
    """Where a new field goes, by words on the page: they must stand there once."""

    text: Line
    """The words, exactly as the page shows them."""
    size: tuple[Coordinate, Coordinate]
    """Width and height of the field in points."""
    offset: tuple[Coordinate, Coordinate] = (0.0, 0.0)
    """From the words' lower left corner to the field's, in points as the page is seen: right and up are positive."""
    page: int | None = Field(default=None, ge=1, le=1_000_000)
    """Page, counted from 1; none looks on all pages."""

    def plan(self) -> Anchor:
        return Anchor(self.text, self.size, self.offset, self.page)


class FieldOrder(Input):
    """An empty field for somebody later, which the first signature creates."""

    name: Line
    kind: Literal["signature", "text", "date"] = "signature"
    """A signature, a text, or a day that is shown as dd/mm/yyyy."""
    place: PlaceOrder | None = None
    anchor: AnchorOrder | None = None
    """Either this or `place`."""
    label: Line | None = None
    """What a reader's program calls the field."""
    max_length: int | None = Field(default=None, ge=1, le=4000)
    """Letters that a text may have."""
    lock: tuple[Line, ...] = Field(default=(), max_length=200)
    """Fields that a signature in this one closes: nobody may fill them afterwards."""

    def plan(self) -> FieldPlan:
        place = None if self.place is None else Place(self.place.page, self.place.box)
        anchor = None if self.anchor is None else self.anchor.plan()
        return FieldPlan(self.name, self.kind, place, anchor, self.label, self.max_length, self.lock)


class StampOrder(Input):
    """What a reader sees in the field."""

    lines: tuple[Annotated[str, Field(max_length=200)], ...] = Field(default=(), max_length=20)
    """Lines of text; none takes name, organisation and signing time from the certificate."""
    border: bool = True
    """Whether a thin frame is drawn round the stamp."""
    language: Literal["vi", "en"] = "vi"
    """Language of the lines that are taken from the certificate."""


class OrderRequest(Input):
    """The part `order` of `POST /v1/signatures`."""

    key: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(no_controls)] | None = None
    """Name of the key, as in `GET /v1/keys`. Either this or `certificate`."""
    certificate: Annotated[str, Field(min_length=1, max_length=32_768)] | None = None
    """The signer's certificate (PEM, or DER in base64), where the key is on a token elsewhere: the document is prepared,
    and the value comes with `PUT /v1/signatures/{id}/value`."""
    chain: tuple[Annotated[str, Field(min_length=1, max_length=32_768)], ...] = Field(default=(), max_length=10)
    """Certificates between that one and its root, likewise."""
    format: Format | None = None
    """None goes by the document: PAdES for PDF, XAdES for XML."""
    level: Level = "B-B"
    """B-B: the bare signature; B-T: with a timestamp; B-LT: with what proves it later; B-LTA: and a timestamp over that."""
    allow_degraded: bool = False
    """True takes a lower level when a timestamp authority or responder is away; the answer says so, and a job goes on."""
    mechanism: Mechanism | None = None
    """Signature algorithm; None takes the key's default."""
    field: Line | None = None
    """Name of the signature field: an empty one, or a new one; None takes the only empty field, else a new one."""
    place: PlaceOrder | None = None
    """Where a new field goes; None makes it invisible."""
    anchor: AnchorOrder | None = None
    """Where a new field goes, by words on the page instead of `place`."""
    certify: Literal[1, 2, 3] | None = None
    """Certify as the first signer: 1 no further change, 2 filling and signing, 3 comments as well."""
    fields: tuple[FieldOrder, ...] = Field(default=(), max_length=200)
    """Empty fields for later signers, created by this signature."""
    fill: dict[Line, bool | int | Annotated[str, Field(max_length=4000)]] = Field(default={}, max_length=500)
    """Form values by field name, written with their appearance by the same revision: number, date, check box."""
    stamp: StampOrder | None = None
    """What the field shows; a field with a place and no stamp gets the plain one."""
    profile: Profile | None = None
    """How the signature looks by a profile, as `nha-nuoc/nguoi-ky` or `dang/dau`, instead of the plain `stamp`."""
    images: ImagesOrder | None = Field(default=None, repr=False)
    """Pictures that the look shows; none takes those stored for the key."""
    look: LookOrder | None = None
    """What the look shows beside them; belongs to `profile`, as `images` does."""
    name: Line | None = None
    """Name of the signer as the signature dictionary states it; None takes the certificate's."""
    reason: Line | None = None
    location: Line | None = None
    contact: Line | None = None
    head: Hex256 | None = None
    """Expected SHA-256 of the document; another document is refused as stale."""
    password: Password | None = Field(default=None, repr=False)
    """Opens an encrypted document; none tries without."""
    repair: bool = False
    """True mends a damaged document that nobody has signed yet; the answer then warns REPAIRED."""
    fork: bool = False
    """True goes on from a document of ours on which another signature was built already: a copy with a way of its own."""
    xml: XmlOrder | None = None
    """How a XAdES signature is made; from `field` to `password` all values but `head` are a PDF's alone."""

    @model_validator(mode="after")
    def _one_signer(self) -> Self:
        if (self.key is None) == (self.certificate is None):
            raise ValueError("either `key` or `certificate`")
        if self.chain and self.certificate is None:
            raise ValueError("`chain` belongs to `certificate`")
        if self.profile is None and (self.images is not None or self.look is not None):
            raise ValueError("`images` and `look` belong to `profile`")
        return self

    def canonical(self) -> bytes:
        """One fixed form of the order, which is stored, and to which an Idempotency-Key is bound: without the password; a picture's
        digest stands for it."""
        told = self.model_dump(mode="json", exclude_none=True, exclude={"password", "images"})
        if self.images is not None:
            told["images"] = self.images.digests()
        return json.dumps(told, sort_keys=True, ensure_ascii=False).encode()

    def signer_place(self) -> Place | None:
        return None if self.place is None else Place(self.place.page, self.place.box)

    def signer_stamp(self) -> Stamp | None:
        """A field that is seen is never empty: with a place and no stamp it gets the plain one."""
        if self.stamp is not None:
            return Stamp(self.stamp.lines, self.stamp.border, self.stamp.language)
        return None if self.place is None and self.anchor is None else Stamp()

    def signer_anchor(self) -> Anchor | None:
        return None if self.anchor is None else self.anchor.plan()

    def signer_fields(self) -> tuple[FieldPlan, ...]:
        return tuple(field.plan() for field in self.fields)

    def signer_fill(self) -> tuple[tuple[str, str], ...]:
        """Values as text: a check box takes `true` and `false`."""
        texts = {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in self.fill.items()
        }
        return tuple(texts.items())


class ValueRequest(Input):
    """The body of `PUT /v1/signatures/{id}/value`."""

    value: Annotated[bytes, Field(min_length=1, max_length=8192)]
    """The signature value in base64, as CMS carries it (ECDSA in DER)."""
    algorithm: Mechanism
    """The mechanism that made it: the one that was prepared for."""

    @field_validator("value", mode="before")
    @classmethod
    def _base64(cls, text: object) -> bytes:
        try:
            return base64.b64decode(text if isinstance(text, str) else "*", validate=True)
        except ValueError:
            raise ValueError("not base64") from None


class VerifyOptions(Input):
    """The part `options` of `POST /v1/verifications`."""

    at: Annotated[str, Field(max_length=40)] | None = None
    """Time to judge at (ISO 8601 with offset); None is now."""
    policy: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")] | None = None
    """Name of the validation policy (`GET /v1/policies`); None takes the appliance's."""
    offline: bool = False
    """True asks nobody: only revocation data in the document and in the trust folder is used."""
    password: Password | None = Field(default=None, repr=False)
    """Opens an encrypted document; none tries without."""


class ExtendOptions(Input):
    """The fields beside the document of `POST /v1/extensions`."""

    level: Literal["B-T", "B-LT", "B-LTA"]
    """The level to reach; a document at B-LTA already gets further evidence and a further timestamp."""
    allow_degraded: bool = False
    """True takes a lower level when a timestamp authority or responder is away; the answer says so."""
    password: Password | None = Field(default=None, repr=False)
    """Opens an encrypted document."""


def parse_extension(fields: Mapping[str, bytes]) -> ExtendOptions:
    """The options of an extension from its form fields, or RequestInvalid."""
    known = ExtendOptions.model_fields
    try:
        return ExtendOptions.model_validate_strings(
            {name: value.decode("utf-8", "replace") for name, value in fields.items() if name in known}
        )
    except ValidationError as error:
        where, what, _ = _first(error)
        raise RequestInvalid(f"{where}: {what}" if where else what, field=where) from None


def parse_order(raw: bytes) -> OrderRequest:
    """The order, or RequestInvalid with the part of it that is wrong; NameInvalid for control characters in it."""
    try:
        return OrderRequest.model_validate_json(raw)
    except ValidationError as error:
        where, what, control = _first(error)
        if control:
            raise NameInvalid(f"{where} has control characters", name=where) from None
        raise RequestInvalid(f"{where}: {what}" if where else what, field=where) from None


def parse_value(raw: bytes) -> ValueRequest:
    """The value, or RequestInvalid."""
    try:
        return ValueRequest.model_validate_json(raw)
    except ValidationError as error:
        where, what, _ = _first(error)
        raise RequestInvalid(f"{where}: {what}" if where else what, field=where) from None


def parse_options(raw: bytes | None) -> VerifyOptions:
    """The options of a verification, or RequestInvalid."""
    try:
        return VerifyOptions() if raw is None else VerifyOptions.model_validate_json(raw)
    except ValidationError as error:
        where, what, _ = _first(error)
        raise RequestInvalid(f"{where}: {what}" if where else what, field=where) from None


def _first(error: ValidationError) -> tuple[str, str, bool]:
    """Where the first fault stands, what it is, and whether it is a control character; never the value itself."""
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    control = isinstance(fault.get("ctx", {}).get("error"), Control)
    what = "not known, or not supported by this version" if fault["type"] == "extra_forbidden" else fault["msg"]
    return where, what, control


# --- answers, for OpenAPI ---------------------------------------------------------------------------------------------


class SignatureAnswer(BaseModel):
    """A signature and how far it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "sig_6f1c…",
                    "status": "signed",
                    "sha256": "9f86d081…",
                    "level": "B-T",
                    "field": "ChuKy1",
                    "signed_at": "2026-11-22T09:00:00+07:00",
                    "timestamp": "2026-11-22T09:00:01+07:00",
                    "document": "/v1/signatures/sig_6f1c…/document",
                    "warnings": [],
                }
            ]
        }
    )

    id: str
    status: Literal["prepared", "signing", "completing", "signed", "refused", "in-doubt"]
    sha256: str | None = None
    level: str | None = None
    field: str | None = None
    """Name of the signature field; of XML the Id of the signature."""
    signed_at: str | None = None
    timestamp: str | None = None
    document: str | None = None
    tbs: str | None = None
    """What is to be signed, in base64: the DER of the signed attributes; of XML the canonical ds:SignedInfo."""
    algorithm: str | None = None
    """How: the mechanism that hashes and signs `tbs`."""
    envelope: dict[str, Any] | None = None
    """What the signer's component shows and checks: JSON of origin, expiry and documents as a JWS payload."""
    activation: dict[str, Any] | None = None
    """Of a person's key: the challenge that the person is to answer, as `POST …/activation` gives it anew."""
    expires_at: str | None = None
    code: str | None = None
    warnings: list[str] = []


class BatchDocumentAnswer(BaseModel):
    """One document of a batch."""

    number: int
    name: str
    sha256: str
    size: int
    status: Literal["waiting", "signing", "signed", "failed", "in-doubt", "stopped"]
    signature: str | None = None
    document: str | None = None
    signed_sha256: str | None = None
    level: str | None = None
    code: str | None = None
    """Why it was not signed."""


class BatchAnswer(BaseModel):
    """A batch and how far it is."""

    id: str
    status: Literal["working", "done", "partly", "failed"]
    """done: all are signed; failed: none."""
    counts: dict[str, int]
    """Documents in all (`total`), and by status."""
    documents: list[BatchDocumentAnswer]


class ProblemAnswer(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    actor: Literal["caller", "official", "operator", "developer"]
    instance: str
    facts: dict[str, Any]


class KeyAnswer(BaseModel):
    """A key as its caller sees it."""

    ref: str
    label: str
    algorithm: str
    key_size: int
    mechanisms: list[str]
    subject: str | None
    issuer: str | None
    not_after: str | None
