"""What only the HTTP face and the use cases refuse: the rest of `api.errors`, kept beside it.

Every class has a stable code; its words stand in `api/locale`, its HTTP status in `api.problems`.
"""

from __future__ import annotations

from api.errors import ApiError


class NameInvalid(ApiError):
    """A name has control characters or is too long."""

    code = "name-invalid"
    actor = "caller"


class OrderNotForFormat(ApiError):
    """The order has a value that signatures of this format do not have, or the document is not one of this format."""

    code = "order-not-for-format"
    actor = "caller"


class AlgorithmRefused(ApiError):
    """The validation policy of the appliance would refuse the signature: its algorithm or the size of its key."""

    code = "algorithm-refused"
    actor = "caller"


class HostNotServed(ApiError):
    """The Host header names something that this service is not called."""

    code = "host-not-served"
    actor = "operator"


class RequestTooLarge(ApiError):
    """The body of a call that takes no document is larger than it may be."""

    code = "request-too-large"
    actor = "caller"


class MediaTypeNotSupported(ApiError):
    """The body is not of the type that this call takes."""

    code = "media-type-not-supported"
    actor = "caller"


class NotAcceptable(ApiError):
    """The answer is not offered in a type that Accept names."""

    code = "not-acceptable"
    actor = "caller"


class MethodNotAllowed(ApiError):
    """The address does not take this method."""

    code = "not-allowed-method"
    actor = "caller"


class DocumentErased(ApiError):
    """The signed document was deleted when the time for which it was kept was over."""

    code = "document-erased"
    actor = "caller"


class DocumentNotReady(ApiError):
    """The signature has no signed document (yet)."""

    code = "document-not-ready"
    actor = "caller"


class NotPrepared(ApiError):
    """The signature does not wait for a value: it is made with a key of the appliance, or it is over."""

    code = "not-prepared"
    actor = "caller"


class PreparationExpired(ApiError):
    """The value did not come in time; what was prepared is gone."""

    code = "preparation-expired"
    actor = "caller"


class AnotherValueGiven(ApiError):
    """The signature has its value already, and this is another one."""

    code = "another-value-given"
    actor = "caller"


class KeyWithoutCertificate(ApiError):
    """The key has no certificate on its token, so that there is nobody it could sign for."""

    code = "key-without-certificate"


class CertificateStatusUnknown(ApiError):
    """No revocation answer could be had, and the settings refuse to sign without one."""

    code = "certificate-status-unknown"


class SignatureInDoubt(ApiError):
    """Whether the key was used is not known; nothing is signed again by itself."""

    code = "signature-in-doubt"


class Busy(ApiError):
    """As many requests as allowed are being worked on."""

    code = "busy"


class InternalError(ApiError):
    """Something unexpected happened; the outside learns the request id and nothing else."""

    code = "internal-error"
    actor = "developer"


class EvidenceUnusable(ApiError):
    """The ZIP of evidence is not whole, was changed, or is no evidence."""

    code = "evidence-unusable"
    actor = "caller"


class EvidenceTooLarge(ApiError):
    """What the judgement rested on is too large for a ZIP of evidence."""

    code = "evidence-too-large"
    actor = "caller"
