"""What a page sends when a person has agreed: the assertion as browsers spell it (`PublicKeyCredential.toJSON()`)."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from api.errors import RequestInvalid
from api.schema_base import Input
from hsm.activation import Assertion


def _octets(text: object) -> bytes:
    """base64url, with or without padding."""
    try:
        given = text if isinstance(text, str) and text.isascii() else "*"
        return base64.b64decode(given.rstrip("=") + "=" * (-len(given.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise ValueError("not base64url") from None


Octets = Annotated[bytes, BeforeValidator(_octets, json_schema_input_type=str)]


class AssertionResponse(Input):
    """AuthenticatorAssertionResponseJSON (W3C WebAuthn Level 3 §5.1)."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    clientDataJSON: Annotated[Octets, Field(min_length=1, max_length=16384)]  # noqa: N815 - the standard's name
    authenticatorData: Annotated[Octets, Field(min_length=1, max_length=16384)]  # noqa: N815
    signature: Annotated[Octets, Field(min_length=1, max_length=4096)]


class AssertionRequest(Input):
    """The body of `PUT /v1/signatures/{id}/activation`: `PublicKeyCredential.toJSON()`. Other members are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    id: Annotated[Octets, Field(min_length=1, max_length=1023)]
    """Of the credential, in base64url, as are all octets here."""
    type: Literal["public-key"] = "public-key"
    response: AssertionResponse

    @property
    def assertion(self) -> Assertion:
        answer = self.response
        return Assertion(self.id, answer.clientDataJSON, answer.authenticatorData, answer.signature)


class ChallengeAnswer(BaseModel):
    """What a page needs for navigator.credentials.get()."""

    challenge: str
    """The SHA-256 of `text`, in base64url."""
    credential_ids: list[str]
    rp_id: str
    user_verification: Literal["required"]
    expires_at: str
    text: str
    """The canonical list: key, documents by mechanism and SHA-256 of what is signed, nonce, expiry, party."""


ACTIVATION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/AssertionRequest"},
                "example": {
                    "id": "6FcP…",
                    "type": "public-key",
                    "response": {
                        "clientDataJSON": "eyJ0eXBl…",
                        "authenticatorData": "SZYN5Y…",
                        "signature": "MEUCIQ…",
                    },
                },
            }
        },
    },
}


def parse_assertion(raw: bytes) -> Assertion:
    """The assertion, or RequestInvalid."""
    try:
        return AssertionRequest.model_validate_json(raw).assertion
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise RequestInvalid(f"{where}: {fault['msg']}" if where else fault["msg"], field=where) from None
