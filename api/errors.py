"""What the service refuses or cannot do, each with a stable code and the one who must act.

Errors of documents, keys and orders belong to `verify`, `signer` and `hsm`; here are those of the service around them.
Words for people stand in `api/locale`, HTTP statuses in `api.problems`; the docstring here is the developer's. `facts`
fill the words' placeholders and hold no secret and no text of a document.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from verify.fetcher import FetchFailed

Actor = Literal["caller", "official", "operator", "developer"]


class ApiError(Exception):
    """The service could not do what it was asked."""

    code: ClassVar[str] = "api-error"
    actor: ClassVar[Actor] = "operator"

    def __init__(self, detail: str = "", **facts: str | int) -> None:
        super().__init__(detail or (type(self).__doc__ or "").split("\n", 1)[0])
        self.facts = facts


# --- who asks, and what for -------------------------------------------------------------------------------------------


class NotAuthenticated(ApiError):
    """The call carries no API key, or one that is not known or was revoked."""

    code = "not-authenticated"
    actor = "caller"


class ApiKeyExpired(NotAuthenticated):
    """The API key was right, and its time is over."""

    code = "api-key-expired"


class NotPermitted(ApiError):
    """The caller's role or key patterns do not allow this."""

    code = "not-permitted"
    actor = "caller"


class NotFound(ApiError):
    """There is nothing of this name that the caller may see."""

    code = "not-found"
    actor = "caller"


class RequestInvalid(ApiError):
    """The request is not of the form that the interface describes."""

    code = "request-invalid"
    actor = "caller"


class UploadTooLarge(ApiError):
    """The upload is larger than the limit; nothing of it was kept."""

    code = "upload-too-large"
    actor = "caller"


class StaleDocument(ApiError):
    """The document is not the one that the order expects: its SHA-256 differs from `head`."""

    code = "stale-document"
    actor = "caller"


class IdempotencyKeyReused(ApiError):
    """This caller used the idempotency key before, for another order or document."""

    code = "idempotency-key-reused"
    actor = "caller"


class RequestInProgress(ApiError):
    """The same request, with the same idempotency key, is being worked on; ask again in a moment."""

    code = "request-in-progress"
    actor = "caller"


# --- the signer's certificate, judged before a key is used ------------------------------------------------------------


class CertificateExpired(ApiError):
    """The certificate's period is over."""

    code = "certificate-expired"


class CertificateNotYetValid(ApiError):
    """The certificate's period has not begun."""

    code = "certificate-not-yet-valid"


class CertificateRevoked(ApiError):
    """The issuer revoked or suspended the certificate, or one above it."""

    code = "certificate-revoked"


class CertificateUntrusted(ApiError):
    """No path leads from the certificate to a configured trust anchor."""

    code = "certificate-untrusted"


class CertificateMismatch(ApiError):
    """The certificate's public key is not that of the key on the token."""

    code = "certificate-mismatch"


# --- durable state ----------------------------------------------------------------------------------------------------


class DatabaseUnavailable(ApiError):
    """The database cannot be read or written now: gone, full, locked or read-only."""

    code = "database-unavailable"


class DatabaseVersionUnknown(ApiError):
    """The database was written by a newer version of the program."""

    code = "database-version-unknown"


class LedgerUnavailable(DatabaseUnavailable):
    """The ledger cannot be written, so no key is used."""

    code = "ledger-unavailable"


class LedgerBroken(ApiError):
    """The ledger's lines do not add up to its head: a line was edited, removed, moved or added."""

    code = "ledger-broken"


class BlobMissing(ApiError):
    """A stored file is not there any more."""

    code = "blob-missing"


class StorageFull(ApiError):
    """There is no room on the disk; nothing of what was sent is kept."""

    code = "storage-full"


class ClaimLost(ApiError):
    """Another process took this work over, or finished it; what this one did since does not count."""

    code = "claim-lost"
    actor = "developer"


# --- the world outside ------------------------------------------------------------------------------------------------


class FetchRefused(FetchFailed):
    """The rules of outgoing fetches do not allow this address or this answer.

    Not an ApiError: the core waits for FetchFailed, and to it a refusal is one more way of not getting an answer.
    """

    code = "fetch-refused"
