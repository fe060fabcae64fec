"""RFC 3161 client: ask authorities in turn for a timestamp, and believe none of them.

It opens no connection: a `Fetcher` carries the request, and whoever runs it decides on hosts, sizes and time limits.
Each authority is asked once; equal arguments make equal requests, so that a step that was interrupted can be repeated
with the answers that are known already.

    token = obtain(
        imprint=hashlib.sha256(value).digest(), digest="sha256", authorities=("http://tsa.example/",),
        nonce=prepared.nonce, policy=None, fetcher=fetcher,
    )
    token.der, token.time
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import ClassVar

from asn1crypto import core, tsp, x509

from signer import der
from signer.errors import NoTimestampAuthority, OrderInvalid, TimestampUnavailable
from signer.model import Prepared
from verify.asn1 import raw
from verify.errors import VerifyError
from verify.fetcher import Fetcher, FetchFailed, FetchRequest
from verify.timestamp import MAX_SIZE, TimestampToken, check, purpose_findings, read

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far an authority's time may lie outside the caller's bounds: our own clock may be the one that is wrong."""

_WEAK = ("sha1", "sha224")


class _Response(core.Sequence):  # type: ignore[misc]  # asn1crypto is untyped
    """TimeStampResp; asn1crypto's own insists on a token, which a refusal has not. The token's bytes stay as they are."""

    _fields: ClassVar[list[tuple[object, ...]]] = [
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", core.Any, {"optional": True}),
    ]


class _AnswerRefused(Exception):
    """An authority's answer fails a check; the argument is a stable word, then what was found."""

    def __init__(self, reason: str, found: str = "") -> None:
        super().__init__(f"{reason} ({found})" if found else reason)


def request(*, imprint: bytes, digest: str, nonce: int, policy: str | None) -> bytes:
    """DER of a TimeStampReq (RFC 3161 §2.4.1) that asks for the authority's certificate."""
    if digest not in der.DIGEST_OIDS or len(imprint) != der.DIGEST_SIZES[digest]:
        raise OrderInvalid("the imprint is not one of a supported digest", digest=digest)
    # NULL parameters as OpenSSL writes them: RFC 5754 prefers none, and old authorities refuse that
    algorithm = der.sequence(der.oid(der.DIGEST_OIDS[digest]), der.NULL)
    return der.sequence(
        der.integer(1),
        der.sequence(algorithm, der.octet_string(imprint)),
        b"" if policy is None else der.oid(policy),
        der.integer(nonce),
        der.boolean(True),
    )


def obtain(
    *,
    imprint: bytes,
    digest: str,
    authorities: tuple[str, ...],
    nonce: int,
    policy: str | None,
    fetcher: Fetcher,
    earliest: datetime | None = None,
    latest: datetime | None = None,
) -> TimestampToken:
    """A checked token over `imprint` from the first of `authorities` (URLs) that gives one.

    The token's time must lie between `earliest` and `latest`, where given, with CLOCK_TOLERANCE. Raises
    NoTimestampAuthority for an empty list, TimestampUnavailable when all fail; its fact `failures` says which failed
    how. Trust in the authority's chain is not judged here.
    """
    if not authorities:
        raise NoTimestampAuthority
    body = request(imprint=imprint, digest=digest, nonce=nonce, policy=policy)
    failures: list[str] = []
    for url in authorities:
        try:
            answer = fetcher.fetch(FetchRequest("timestamp", url, body))
            token = _token_in(answer)
            _check_answer(token, imprint=imprint, digest=digest, nonce=nonce, policy=policy)
            _check_time(token, earliest=earliest, latest=latest)
        except FetchFailed as error:
            failures.append(f"{url}: {error.facts.get('reason', error)}")
        except (_AnswerRefused, VerifyError) as error:
            failures.append(f"{url}: {error}")
        else:
            return token
    raise TimestampUnavailable(tried=len(authorities), failures="; ".join(failures))


def over_value(octets: bytes, prepared: Prepared, *, fetcher: Fetcher) -> TimestampToken | None:
    """The timestamp over a signature value, as its format writes it, that the order asks for; None when there is none to
    be had and the order allows that. Raises what `obtain` does."""
    order, digest = prepared.order, prepared.digest_algorithm
    try:
        return obtain(
            imprint=hashlib.new(digest, octets).digest(),
            digest=digest,
            authorities=order.timestamp_authorities,
            nonce=prepared.nonce,
            policy=order.timestamp_policy,
            fetcher=fetcher,
            earliest=order.signing_time,
        )
    except TimestampUnavailable:
        if not order.allow_degraded:
            raise
        return None


def _token_in(answer: bytes) -> TimestampToken:
    """The token in a TimeStampResp whose status says that it was granted (RFC 3161 §2.4.2)."""
    if len(answer) > MAX_SIZE:
        raise _AnswerRefused("too-large", f"{len(answer)} bytes")
    try:
        response = _Response.load(answer, strict=True)
        status = response["status"]["status"].native
        text = " ".join(response["status"]["status_string"].native or ())
        fail_info = ", ".join(sorted(response["status"]["fail_info"].native or ()))
        token = raw(response["time_stamp_token"])
    except Exception as error:
        # asn1crypto raises ValueError, TypeError, KeyError, OverflowError and more on what is not DER
        raise _AnswerRefused("unreadable", type(error).__name__) from error
    if status not in ("granted", "granted_with_mods"):
        shown = "".join(character for character in text if character.isprintable())[:200]
        raise _AnswerRefused(str(status), ", ".join(filter(None, (fail_info, shown))))
    if not token:
        raise _AnswerRefused("no-token")
    return read(token)


def _check_answer(token: TimestampToken, *, imprint: bytes, digest: str, nonce: int, policy: str | None) -> None:
    """RFC 3161 §2.4.2: the token is intact, by a timestamp certificate, and answers this very request."""
    check(token)
    if token.imprint_algorithm != digest or not hmac.compare_digest(token.imprint, imprint):
        raise _AnswerRefused("imprint", "the token is about other data")
    if token.nonce != nonce:
        raise _AnswerRefused("nonce", "the token answers another request")
    if policy is not None and token.policy != policy:
        raise _AnswerRefused("policy", token.policy)
    if findings := purpose_findings(token):
        raise _AnswerRefused("certificate", ", ".join(findings))
    if token.digest_algorithm in _WEAK:
        raise _AnswerRefused("algorithm", token.digest_algorithm)


def _check_time(token: TimestampToken, *, earliest: datetime | None, latest: datetime | None) -> None:
    """The time is within the authority's certificate and near the time at which we asked."""
    assert token.tsa is not None  # `check` has seen it
    validity = x509.Certificate.load(token.tsa)
    if not validity.not_valid_before <= token.time <= validity.not_valid_after:
        raise _AnswerRefused("time", f"{token.time.isoformat()} is outside the authority's certificate")
    too_early = earliest is not None and token.time < earliest - CLOCK_TOLERANCE
    too_late = latest is not None and token.time > latest + CLOCK_TOLERANCE
    if too_early or too_late:
        raise _AnswerRefused("time", token.time.isoformat())
