"""Why a signature was not made, each with a stable code and the one who must act.

Nothing is half-written when one of these is raised: the output is only released by `complete`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Actor = Literal["caller", "official", "operator", "developer"]


class SignerError(Exception):
    """The signature was not made."""

    code: ClassVar[str] = "signer-error"
    actor: ClassVar[Actor] = "caller"

    def __init__(self, detail: str = "", **facts: str | int) -> None:
        super().__init__(detail or (type(self).__doc__ or "").split("\n", 1)[0])
        self.facts = facts


class OrderInvalid(SignerError):
    """The order contradicts itself or asks for what does not exist."""

    code = "order-invalid"


class FieldNotFound(SignerError):
    """The document has no signature field of this name, and no place was given for a new one."""

    code = "field-not-found"


class FieldAlreadySigned(SignerError):
    """The signature field holds a signature already."""

    code = "field-already-signed"


class PlaceOutsidePage(SignerError):
    """The place of the signature is not on the page, or the page does not exist."""

    code = "place-outside-page"


class SigningForbidden(SignerError):
    """A former signer certified the document so that no further signature is allowed."""

    code = "signing-forbidden"


class TextNotShowable(SignerError):
    """The stamp's text has characters that the font does not have or that cannot be shown."""

    code = "text-not-showable"


class TimestampUnavailable(SignerError):
    """No timestamp authority gave a usable answer."""

    code = "timestamp-unavailable"
    actor = "operator"


class NoTimestampAuthority(SignerError):
    """The level needs a timestamp and no authority is configured."""

    code = "no-timestamp-authority"


class ValueRefused(SignerError):
    """The signature value does not verify with the certificate's key over the prepared bytes."""

    code = "value-refused"


class PreparedMismatch(SignerError):
    """The document is not the one that was prepared."""

    code = "prepared-mismatch"


class SelfCheckFailed(SignerError):
    """The finished file does not hold what was signed; it is not released."""

    code = "self-check-failed"
    actor = "developer"
