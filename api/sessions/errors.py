"""What signing sessions refuse: each class has a stable code; its words stand in `api/locale`, its status in
`api.problems`."""

from __future__ import annotations

from api.errors import ApiError


class SessionNotFound(ApiError):
    """There is no such session, or it is not the caller's."""

    code = "session-not-found"
    actor = "caller"


class SessionExpired(ApiError):
    """The time for signing is over."""

    code = "session-expired"
    actor = "official"


class SessionWithdrawn(ApiError):
    """Whoever asked for the signatures took the session back, or replaced it."""

    code = "session-withdrawn"
    actor = "official"


class SessionTokenInvalid(ApiError):
    """The token is not one of this session."""

    code = "session-token-invalid"
    actor = "official"


class SessionConsented(ApiError):
    """Somebody agreed to sign in this session already: perhaps in another window."""

    code = "session-consented"
    actor = "official"


class SessionState(ApiError):
    """The session is not in a state in which this can be done."""

    code = "session-state"
    actor = "official"


class DocumentChanged(ApiError):
    """The document is not the one that was shown."""

    code = "document-changed"
    actor = "official"


class CertificateOfAnotherPerson(ApiError):
    """The certificate is not of the person, or of the organisation, that the session asks."""

    code = "certificate-of-another-person"
    actor = "official"


class PlaceFixed(ApiError):
    """Where the signature goes is laid down and cannot be chosen."""

    code = "place-fixed"
    actor = "official"


class PlaceTooSmall(ApiError):
    """Nobody could read a signature so small."""

    code = "place-too-small"
    actor = "official"


class CallbackRefused(ApiError):
    """Outcomes may not be sent there: the host is not configured, or the caller has no secret to sign them with."""

    code = "callback-refused"
    actor = "caller"


class TooManyStreams(ApiError):
    """As many streams of events as allowed are open: ask for the state instead."""

    code = "too-many-streams"
    actor = "official"
