"""The only place that knows HTTP statuses: an error of any package becomes a problem document (RFC 9457).

Not here: words (`api/locale`) and the errors themselves. A code of a known error class must stand in `STATUS` (a test
walks all classes); an error that nobody expected tells the outside its request id and nothing else.

>>> from hsm.errors import KeyNotFound
>>> found = problem(KeyNotFound(key="seal"), language="en", request_id="r1")
>>> found.status, found.body["code"], found.body["actor"]
(404, 'key-not-found', 'caller')
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import locale
from api.errors import ApiError, StorageFull
from api.refusals import InternalError
from hsm.errors import HsmError
from signer.errors import SignerError
from verify.errors import VerifyError

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[str, int] = {
    # the document: it was understood as a request, and refused for what it is
    "document-empty": 422,
    "document-not-recognised": 422,
    "document-broken": 422,
    "document-too-large": 413,
    "document-doctype-refused": 422,
    "document-too-complex": 422,
    "document-too-costly": 422,
    "document-crashed-worker": 422,
    "document-encrypted": 422,
    "document-permission-denied": 422,
    "document-signed": 422,
    "document-state-secret": 422,
    "document-xfa": 422,
    "document-mac": 422,
    "document-format-not-supported": 422,
    "cms-unreadable": 422,
    "timestamp-invalid": 422,
    "timestamp-unreadable": 422,
    "page-not-found": 422,
    "verify-error": 422,
    "evidence-unusable": 422,
    "evidence-too-large": 422,
    "stale-document": 409,
    "upload-too-large": 413,
    "name-invalid": 422,
    # the order
    "signer-error": 422,
    "order-invalid": 422,
    "order-not-for-format": 422,
    "field-not-found": 422,
    "field-already-signed": 409,
    "place-outside-page": 422,
    "signing-forbidden": 422,
    "text-not-showable": 422,
    "place-over-field": 422,
    "procedure-error": 422,
    "procedure-invalid": 500,
    "step-unknown": 422,
    "out-of-order": 409,
    "step-done": 409,
    "field-missing": 422,
    "number-missing": 422,
    "fill-not-of-step": 422,
    "number-taken": 409,
    "template-unknown": 422,
    "template-not-made": 500,
    "profile-unknown": 422,
    "profile-invalid": 500,
    "picture-missing": 422,
    "picture-unreadable": 422,
    "picture-too-large": 422,
    "picture-opaque": 422,
    "picture-colour": 422,
    "picture-resolution": 422,
    "seal-size": 422,
    "anchor-not-found": 422,
    "anchor-ambiguous": 422,
    "form-field-not-found": 422,
    "form-value-invalid": 422,
    "no-timestamp-authority": 422,
    "mechanism-not-supported": 422,
    "algorithm-refused": 422,
    "value-refused": 422,
    "prepared-mismatch": 409,
    # keys and certificates: the request is sound, the key cannot serve it
    "key-not-found": 404,
    "key-without-certificate": 422,
    "certificate-expired": 422,
    "certificate-not-yet-valid": 422,
    "certificate-revoked": 422,
    "certificate-untrusted": 422,
    "evidence-against": 422,
    "nothing-to-extend": 422,
    "level-not-higher": 422,
    "signature-broken": 422,
    "encoding-not-supported": 422,
    "signature-form-not-extendable": 422,
    "signature-not-found": 422,
    "signature-covered": 422,
    "would-break-signature": 422,
    "no-place-for-signature": 422,
    "element-not-found": 422,
    "content-missing": 422,
    "certificate-mismatch": 422,
    "certificate-unreadable": 422,
    "subject-invalid": 422,
    "key-exists": 409,
    "directory-import-refused": 422,
    "directory-import-empty": 422,
    "directory-changed": 409,
    "person-in-office": 409,
    "trust-unusable": 422,
    "policy-unusable": 422,
    "certificate-status-unknown": 503,
    # a person's key, and limits of keys
    "activation-required": 403,
    "activation-refused": 422,
    "activation-unknown": 409,
    "activation-mismatch": 409,
    "activation-locked": 429,
    "no-credential": 409,
    "credential-not-found": 404,
    "enrolment-refused": 422,
    "key-limit-reached": 429,
    # signing sessions
    "session-not-found": 404,
    "session-expired": 410,
    "session-withdrawn": 410,
    "session-token-invalid": 401,
    "session-consented": 409,
    "session-state": 409,
    "document-changed": 409,
    "certificate-of-another-person": 403,
    "wrong-role": 403,
    "place-fixed": 409,
    "place-too-small": 422,
    "procedure-unknown": 422,
    "callback-refused": 422,
    "too-many-streams": 429,
    # files in pieces; 460 is of tus
    "upload-not-found": 404,
    "upload-offset-wrong": 409,
    "upload-unfinished": 409,
    "upload-checksum-wrong": 460,
    "upload-protocol-unknown": 412,
    "uploads-too-many": 429,
    # the caller
    "not-authenticated": 401,
    "api-key-expired": 401,
    "token-refused": 401,
    "token-expired": 401,
    "token-not-yet-valid": 401,
    "token-audience": 401,
    "token-signature": 401,
    "token-issuer-unknown": 401,
    "token-replayed": 401,
    "token-not-bound": 401,
    "client-certificate-stale": 401,
    "client-certificate-required": 401,
    "csrf-refused": 403,
    "identity-not-mapped": 403,
    "login-refused": 400,
    "login-not-offered": 404,
    "not-permitted": 403,
    "not-found": 404,
    "not-allowed-method": 405,
    "not-acceptable": 406,
    "media-type-not-supported": 415,
    "request-invalid": 400,
    "request-too-large": 413,
    "host-not-served": 421,
    "document-not-ready": 409,
    "document-erased": 410,
    "not-prepared": 409,
    "another-value-given": 409,
    "preparation-expired": 410,
    "idempotency-key-reused": 409,
    "request-in-progress": 409,
    "too-many-requests": 429,
    # rules on the use of keys
    "right-refused": 403,
    "right-procedure": 403,
    "right-level": 403,
    "right-format": 403,
    "right-packaging": 403,
    "right-mechanism": 403,
    "right-bare-digest": 403,
    "right-size": 403,
    "right-period": 403,
    "right-hours": 403,
    "right-certificate": 403,
    "right-rate": 429,
    "right-count": 403,
    # operation
    "key-error": 503,
    "token-locked": 503,
    "token-not-available": 503,
    "keeper-not-available": 503,
    "signing-interrupted": 503,
    "signature-in-doubt": 503,
    "token-signature-wrong": 503,
    "token-exists": 503,
    "pin-unreadable": 503,
    "use-log-broken": 503,
    "key-canary-failed": 503,
    "key-disabled": 503,
    "changes-by-two": 503,
    "change-needs-another": 409,
    "change-decided": 409,
    "change-superseded": 409,
    "change-under-way": 409,
    "change-not-possible": 422,
    "appliance-unprovisioned": 503,
    "appliance-locked": 503,
    "setup-answers-unusable": 503,
    "setup-keepers-unreadable": 503,
    "setup-file-edited": 503,
    "ceremony-unusable": 503,
    "authority-unusable": 503,
    "font-missing": 503,
    "timestamp-unavailable": 503,
    "timestamp-not-trusted": 503,
    "evidence-unavailable": 503,
    "fetch-failed": 503,
    "fetch-refused": 503,
    "sandbox-not-available": 503,
    "issuer-unavailable": 503,
    "issuer-metadata-wrong": 503,
    "database-unavailable": 503,
    "database-version-unknown": 503,
    "downgrade-refused": 503,
    "backup-unusable": 422,
    "backup-tool-missing": 503,
    "backup-not-consistent": 503,
    "recipient-unusable": 422,
    "home-not-empty": 409,
    "ledger-unavailable": 503,
    "ledger-broken": 503,
    "claim-lost": 409,
    "busy": 503,
    "service-ending": 503,
    "api-error": 503,
    # mistakes of ours or of the set-up: nothing the caller could change
    "permit-refused": 500,
    "shape-refused": 500,
    "self-check-failed": 500,
    "keeper-request-malformed": 500,
    "settings-unusable": 500,
    "checkpoint-not-kept": 503,
    "checkpoint-key-unusable": 503,
    "blob-missing": 500,
    "storage-full": 503,
    "seal-broken": 500,
    "storage-damaged": 500,
    "storage-key-missing": 503,
    "storage-key-unknown": 503,
    "no-room-to-work": 507,
    "report-not-made": 500,
    "internal-error": 500,
}

BY_ACTOR: Mapping[str, int] = {"caller": 422, "official": 409, "operator": 503, "developer": 500}
"""For a code that came from another process and is not in the table (an older or newer worker)."""

RETRY_AFTER: Mapping[str, int] = {
    "request-in-progress": 2,
    "change-under-way": 2,
    "document-not-ready": 5,
    "claim-lost": 1,
    "keeper-not-available": 2,
    "sandbox-not-available": 2,
    "signing-interrupted": 5,
    "busy": 2,
    "service-ending": 5,
    "too-many-requests": 20,
    "database-unavailable": 5,
    "ledger-unavailable": 5,
    "storage-full": 60,
    "timestamp-unavailable": 30,
    "evidence-unavailable": 60,
    "certificate-status-unknown": 60,
    "token-not-available": 10,
    "issuer-unavailable": 5,
}
"""Seconds after which the same call may well succeed."""

EXTENSIONS = ("signature",)
"""Facts that are lifted to members of the problem of their own (RFC 9457 §3.2), because programs act on them."""

KNOWN_BASES = (ApiError, HsmError, SignerError, VerifyError)


@dataclass(frozen=True)
class Problem:
    """One problem document and the headers that go with it."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    def response(self) -> Response:
        return Response(msgspec.json.encode(self.body), self.status, self.headers, MEDIA_TYPE)


def is_full(error: Exception) -> bool:
    """Whether the disk, or this user's part of it, has no room: the operator's to mend, and no defect of ours."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def status_of(code: str, *, actor: str) -> int:
    return STATUS.get(code) or BY_ACTOR.get(actor, 500)


def problem(error: Exception, *, language: locale.Language, request_id: str) -> Problem:
    """The problem document of an error; anything that is not an error of the four packages is `internal-error`."""
    if not isinstance(error, KNOWN_BASES):
        error = StorageFull() if is_full(error) else InternalError()
    code, actor = error.code, error.actor
    status = status_of(code, actor=actor)
    facts: dict[str, Any] = dict(error.facts)
    words = locale.problem(code, language=language, facts={**facts, "request_id": request_id})
    body: dict[str, Any] = {
        "type": f"urn:kyso:problem:{code}",
        "title": words.title,
        "status": status,
        "detail": words.detail,
        "code": code,
        "actor": actor,
        "instance": f"urn:kyso:request:{request_id}",
    }
    for name in EXTENSIONS:
        if name in facts:
            body[name] = facts.pop(name)
    if actor == "caller" and (reason := _reason(error)):
        facts.setdefault("reason", reason)
    # What only a developer can mend is in the log, under the request id, and not in the answer.
    body["facts"] = {} if actor == "developer" else facts
    headers = _headers(code, status, after=facts.get("retry_after"))
    if status == 405 and "allow" in facts:
        headers["Allow"] = str(facts["allow"])
    return Problem(status, body, headers)


def _reason(error: Exception) -> str | None:
    """The developer's sentence where it says more than its class does: which key of the order, which page."""
    text = str(error)
    return None if text == (type(error).__doc__ or "").split("\n", 1)[0] else text[:500]


def _headers(code: str, status: int, *, after: str | int | None) -> dict[str, str]:
    """`after` is when to ask again, where the error itself knows."""
    headers = {"Cache-Control": "no-store"}
    if status == 401 or code == "not-permitted":
        headers["WWW-Authenticate"] = 'Bearer realm="kyso"' + _challenge(code)
    if after is not None or code in RETRY_AFTER:
        headers["Retry-After"] = str(after or RETRY_AFTER[code])
    return headers


def _challenge(code: str) -> str:
    """What is wrong with what was shown (RFC 6750 §3.1); nothing of it where nothing was shown."""
    if code == "not-permitted":
        return ', error="insufficient_scope"'
    return f', error="invalid_token", error_description="{code}"' if code.startswith("token-") else ""


def respond(request: Request, error: Exception) -> Response:
    """The answer to a request that failed, in the caller's language."""
    found = problem(
        error,
        language=request.scope.get("kyso.language")
        or locale.choose(request.headers.get("accept-language"), default=request.app.state.language),
        request_id=request.scope.get("kyso.request_id", "-"),
    )
    request.scope["kyso.code"] = found.body["code"]
    page: Callable[[Problem], Response] | None = request.scope.get("kyso.problem_page")
    return page(found) if page is not None else found.response()
