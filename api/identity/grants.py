"""What somebody gets, by the rules of the settings: claims or a certificate become a caller, or nobody.

A rule says all that its caller has; a claim gives an organisation, a person or names of keys only where a rule takes it
from there, and a role never. The id of such a caller is made of the issuer's subject, or of the rule that names a
certificate, so that it stays the same for the same person or machine and tells nobody's name.

>>> from api.settings.identity import ClaimGrant
>>> rule = {"when": [{"claim": "groups", "is": ["a"]}], "role": "auditor", "whole_appliance": True}
>>> by_claims((ClaimGrant.model_validate(rule),), {"sub": "1", "groups": ["a", "b"]}, issuer="tinh").role
'auditor'
>>> by_claims((ClaimGrant.model_validate(rule),), {"sub": "1", "groups": "ab"}, issuer="tinh") is None
True
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from api.errors import NotAuthenticated
from api.identity.errors import NobodyMapped
from api.settings.identity import CertificateGrant, Claim, ClaimGrant, Condition, Grant
from api.store import callers
from api.store.callers import Caller, CallerId
from api.store.database import Database

WORDS = frozenset({"scope", "scp"})
"""Claims that are words in one string (RFC 8693 §4.2)."""
LONGEST = 200
MOST_KEYS = 200
SANS: Mapping[str, type[x509.GeneralName]] = {
    "dns": x509.DNSName,
    "email": x509.RFC822Name,
    "uri": x509.UniformResourceIdentifier,
    "ip": x509.IPAddress,
}
_WILD = frozenset("*?[]")


@dataclass(frozen=True)
class Registered:
    """A caller of the database, by id: what is registered there counts, as long as it is not revoked."""

    id: str


Who = Caller | Registered


def by_claims(grants: Sequence[ClaimGrant], claims: Mapping[str, Any], *, issuer: str) -> Who | None:
    """What the first rule gives whose conditions all hold; `claims` are verified, `issuer` is its name here."""
    for grant in grants:
        if all(_holds(condition, claims) for condition in grant.when) and (who := _who(grant, claims, issuer)):
            return who
    return None


def by_certificate(grants: Sequence[CertificateGrant], certificate: x509.Certificate) -> Who | None:
    """What the first rule gives that names this certificate, which was verified."""
    shown = {
        "sha256": {certificate.fingerprint(SHA256()).hex()},
        "subject": _subject(certificate),
        "san": _sans(certificate),
    }
    for grant in grants:
        for kind, values in shown.items():
            if (mark := getattr(grant, kind)) in values:
                return _plain(grant, identity=f"cert-{_short(kind, mark)}", name=mark)
    return None


def settle(database: Database, who: Who | None) -> Caller:
    """The caller. Raises NobodyMapped for nobody, NotAuthenticated for one that was revoked."""
    if who is None:
        raise NobodyMapped
    if isinstance(who, Caller):
        return who
    found = database.read(callers.named, who.id)
    if found is None:
        raise NotAuthenticated(f"the caller {who.id} is revoked or unknown")
    return found


def identity_of(issuer: str, claims: Mapping[str, Any]) -> str:
    """The id of a caller known by an issuer: its name here, and a digest of the subject."""
    return f"{issuer}-{_short(str(claims.get('iss')), str(claims.get('sub')))}"


def _who(grant: ClaimGrant, claims: Mapping[str, Any], issuer: str) -> Who | None:
    """What the rule gives, None where a claim is missing that it takes something from."""
    organisation, person = grant.organisation, grant.person
    if grant.organisation_from is not None:
        organisation = _word(claims, grant.organisation_from)
        if organisation is None:
            return None
    if grant.person_from is not None:
        person = _word(claims, grant.person_from)
        if person is None:
            return None
    keys = grant.keys
    if grant.keys_from is not None:
        named = _values(claims, grant.keys_from)[:MOST_KEYS]
        keys = tuple(key for key in named if not _WILD & set(key) and any(fnmatchcase(key, one) for one in grant.keys))
    shown = claims.get("name") or claims.get("preferred_username") or claims.get("client_id") or claims["sub"]
    plain = _plain(grant, identity=identity_of(issuer, claims), name=str(shown)[:LONGEST])
    if isinstance(plain, Registered):
        return plain
    return Caller(plain.id, plain.name, plain.role, keys, organisation, person, grant.reach)


def _plain(grant: Grant, *, identity: str, name: str) -> Who:
    if grant.caller is not None:
        return Registered(grant.caller)
    assert grant.role is not None
    return Caller(CallerId(identity), name, grant.role, grant.keys, grant.organisation, grant.person, grant.reach)


def _holds(condition: Condition, claims: Mapping[str, Any]) -> bool:
    return any(value in condition.is_ for value in _values(claims, condition.claim))


def _values(claims: Mapping[str, Any], claim: Claim) -> list[str]:
    """The texts that a claim holds: itself, the members of its list, or the words of a scope."""
    found: Any = claims
    for step in (claim,) if isinstance(claim, str) else claim:
        found = found.get(step) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return found.split(" ") if claim in WORDS else [found]
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _word(claims: Mapping[str, Any], claim: Claim) -> str | None:
    """The one text that the claim holds."""
    found = _values(claims, claim)
    return found[0] if len(found) == 1 and 0 < len(found[0]) <= 100 else None


def _short(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _subject(certificate: x509.Certificate) -> set[str]:
    return {certificate.subject.rfc4514_string()}


def _sans(certificate: x509.Certificate) -> set[str]:
    """The subject alternative names as rules write them."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return set()
    return {f"{kind}:{name.value}" for name in names for kind, one in SANS.items() if isinstance(name, one)}
