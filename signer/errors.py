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
    """A former signer, or the author of the form, forbade what the order asks for."""

    code = "signing-forbidden"


class AnchorNotFound(SignerError):
    """The words that the field should stand next to are not on the page."""

    code = "anchor-not-found"


class AnchorAmbiguous(SignerError):
    """The words that the field should stand next to are there more than once."""

    code = "anchor-ambiguous"


class FormFieldNotFound(SignerError):
    """The form has no field of this name that takes a value."""

    code = "form-field-not-found"


class FormValueInvalid(SignerError):
    """The value is not one that the form's field takes."""

    code = "form-value-invalid"


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


class NothingToExtend(SignerError):
    """The document carries no signature that could be lifted."""

    code = "nothing-to-extend"


class LevelNotHigher(SignerError):
    """The signatures have this level or a higher one already."""

    code = "level-not-higher"


class SignatureBroken(SignerError):
    """A signature of the document does not hold, or the document was changed after it: there is nothing to keep."""

    code = "signature-broken"


class PlaceOverField(SignerError):
    """The signature would stand over another field."""

    code = "place-over-field"


class ProfileUnknown(SignerError):
    """There is no look of this name."""

    code = "profile-unknown"


class ProfileInvalid(SignerError):
    """The profile of looks cannot be used as it is written."""

    code = "profile-invalid"
    actor = "operator"


class PictureMissing(SignerError):
    """The look shows a picture of a hand or a seal, and none was given."""

    code = "picture-missing"


class PictureUnreadable(SignerError):
    """The picture is not a plain PNG."""

    code = "picture-unreadable"


class PictureTooLarge(SignerError):
    """The picture has more bytes or pixels than any signature needs."""

    code = "picture-too-large"


class PictureOpaque(SignerError):
    """The picture's ground is not see-through."""

    code = "picture-opaque"


class PictureColour(SignerError):
    """The picture's ink has not the colour that is prescribed."""

    code = "picture-colour"


class PictureResolution(SignerError):
    """The picture is too coarse for the size at which it is shown."""

    code = "picture-resolution"


class SealSize(SignerError):
    """The seal cannot be shown in its true size."""

    code = "seal-size"
