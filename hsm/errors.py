"""What can go wrong with a key, each with a stable code and the one who must act.

Words for people stand in `api/locale`; the docstring here is the developer's. `facts` fill the words' placeholders and
never hold a PIN or key bytes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Actor = Literal["caller", "official", "operator", "developer"]


class HsmError(Exception):
    """A key could not be used."""

    code: ClassVar[str] = "key-error"
    actor: ClassVar[Actor] = "operator"

    def __init__(self, detail: str = "", **facts: str | int) -> None:
        super().__init__(detail or (type(self).__doc__ or "").split("\n", 1)[0])
        self.facts = facts


class KeyNotFound(HsmError):
    """No key of this name is on the token."""

    code = "key-not-found"
    actor = "caller"


class MechanismNotSupported(HsmError):
    """The token cannot sign with this key and mechanism."""

    code = "mechanism-not-supported"
    actor = "caller"


class PermitRefused(HsmError):
    """The permit is not authentic, has expired, was used before or is about something else."""

    code = "permit-refused"
    actor = "developer"


class ShapeRefused(HsmError):
    """The bytes are not signed attributes, a SignedInfo or a TSTInfo's signed attributes."""

    code = "shape-refused"
    actor = "developer"


class TokenLocked(HsmError):
    """The token refused its PIN, or too few tries are left to risk one."""

    code = "token-locked"


class TokenNotAvailable(HsmError):
    """The token is not there, or its module failed."""

    code = "token-not-available"


class KeeperNotAvailable(HsmError):
    """The keeper does not answer; it is being started anew."""

    code = "keeper-not-available"


class SigningInterrupted(HsmError):
    """The keeper went away while the key was in use: whether it signed is not known."""

    code = "signing-interrupted"


class SignatureCheckFailed(HsmError):
    """The token returned a signature that its own public key does not verify."""

    code = "token-signature-wrong"


class CertificateMismatch(HsmError):
    """The certificate is about another public key than the one on the token."""

    code = "certificate-mismatch"
    actor = "caller"


class CertificateUnreadable(HsmError):
    """The file is not an X.509 certificate in DER or PEM."""

    code = "certificate-unreadable"
    actor = "caller"


class KeyExists(HsmError):
    """A key of this name is on the token already."""

    code = "key-exists"
    actor = "caller"


class SubjectInvalid(HsmError):
    """The subject is not a distinguished name (RFC 4514)."""

    code = "subject-invalid"
    actor = "caller"


class TokenExists(HsmError):
    """A token of this name exists already, or no slot is free for a new one."""

    code = "token-exists"


class PinUnreadable(HsmError):
    """The PIN cannot be read from where the configuration says, or others can read it too."""

    code = "pin-unreadable"


class UseLogBroken(HsmError):
    """The log of uses was changed, or cannot be written; no key is used until that is explained."""

    code = "use-log-broken"


class KeyLimitReached(HsmError):
    """The key was used as often as its settings allow."""

    code = "key-limit-reached"


class ActivationRequired(HsmError):
    """The key is a person's: it signs only what that person has activated it for."""

    code = "activation-required"
    actor = "caller"


class ActivationRefused(HsmError):
    """What came as the person's activation is none: the keeper could not believe it."""

    code = "activation-refused"
    actor = "caller"


class ActivationUnknown(HsmError):
    """There is no such activation (any more): it has expired, or the keeper was started anew."""

    code = "activation-unknown"
    actor = "caller"


class ActivationMismatch(HsmError):
    """The activation is for another key or other documents, or this document was signed under it before."""

    code = "activation-mismatch"
    actor = "caller"


class ActivationLocked(HsmError):
    """Too many activations of this key failed."""

    code = "activation-locked"


class NoCredential(HsmError):
    """Nobody has enrolled a passkey or security key for this person's key yet."""

    code = "no-credential"


class CredentialNotFound(HsmError):
    """The key has no such credential."""

    code = "credential-not-found"
    actor = "caller"


class EnrolmentRefused(HsmError):
    """The enrolment code is wrong or too old, or what came as a new credential is none."""

    code = "enrolment-refused"
    actor = "caller"


class RequestMalformed(HsmError):
    """The keeper does not understand the request."""

    code = "keeper-request-malformed"
    actor = "developer"
