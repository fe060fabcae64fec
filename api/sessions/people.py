"""Who is to sign, for whom, and with which keys: as the directory has it, and the rights of the system that asks.

1. A key that the directory gives to a person is that person's alone.
2. One that it gives to an organisation is a seal: for that organisation's clerks (văn thư).
3. One that nobody owns is the appliance's: for whom the asking system may use it. A person's key that nobody owns must
   have a certificate of the name that the session asks.
4. Whatever the key: the directory must not know its certificate as somebody else's.

The system's rights (`api.rights`) count for each signature, as it is the caller of them all. It also has the session's
token: so a key that the keeper asks nobody about signs only where the system's own patterns name it, and who is a clerk
or an owner gives the system no key but those for which the person answers with a passkey.
"""

from __future__ import annotations

import glob
import hashlib
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from api.directory import rows
from api.directory.model import Refusal
from api.errors import NotPermitted, RequestInvalid
from api.refusals import KeyWithoutCertificate
from api.services import Services
from api.sessions.errors import CertificateOfAnotherPerson
from api.sessions.model import Session
from api.settings import Key as KeySettings
from api.settings.keys import Holder
from api.store import callers
from api.store.callers import Caller
from api.workflows import persons
from hsm.errors import HsmError, KeyNotFound
from hsm.keys import KeyInfo
from signer.procedure_errors import WrongRole

CLERK = "clerk"
DOCUMENT_SHAPES = frozenset({"signed-attributes", "signed-info"})


@dataclass(frozen=True)
class Asked:
    """Whom a session asks: ids of the directory, None where it does not know them."""

    person: str | None
    organisation: str | None


@dataclass(frozen=True)
class Choice:
    """A key that the official may choose. `code` says why it cannot be used."""

    key: KeyInfo
    holder: Holder
    code: str | None


def settle(
    services: Services, caller: Caller, *, person: str, organisation: str | None, on_behalf: str | None
) -> Asked:
    """Who is meant; to a system of an organisation, whoever holds nothing there is somebody the directory does not know.
    Raises RequestInvalid for an organisation that is not known or not the caller's, WrongRole."""
    who = person_id(services, person)
    if who is not None and not services.scopes.sees_person(caller, who):
        who = None
    where = None
    if organisation is not None:
        where = services.directory.tree().find(organisation)
        if where is None:
            raise RequestInvalid("the directory knows no such organisation", field="organisation")
    elif who is not None:
        posts = services.directory.posts(who)
        where = posts[0].organisation if posts else None
    if caller.organisation is not None and not services.scopes.reaches(caller, where):
        raise RequestInvalid("the organisation is not within the caller's reach", field="organisation")
    require_authority(services, Asked(who, where), on_behalf)
    return Asked(who, where)


def person_id(services: Services, person: str) -> str | None:
    """The directory's id of somebody named by id or code."""
    if services.directory.person(person) is not None:
        return person
    now = int(services.clock().timestamp())
    found = services.database.read(rows.in_force, "person", now, code=person)
    return rows.person(found[0]).id if found else None


def require_authority(services: Services, asked: Asked, on_behalf: str | None) -> None:
    """Raises WrongRole unless the person may sign so for the organisation."""
    if on_behalf is None:
        return
    if asked.person is None or asked.organisation is None:
        raise WrongRole(reason="person-not-known", on_behalf=on_behalf)
    found = services.directory.may_sign_for(asked.person, asked.organisation, on_behalf)  # type: ignore[arg-type]
    if isinstance(found, Refusal):
        raise WrongRole(reason=found.code, on_behalf=on_behalf)


def role_of(services: Services, asked: Asked, role: str | None) -> str:
    """In which role a procedure sees the person: `clerk` where the directory says so. Raises WrongRole."""
    if role in (None, "official"):
        return "official"
    roles = services.directory.roles(asked.person) if asked.person else ()
    if role == CLERK and not any(one.role == CLERK and one.organisation == asked.organisation for one in roles):
        raise WrongRole(reason="not-a-clerk")
    return role or ""


def names(services: Services, session: Session) -> tuple[str, str | None]:
    """What people call the person and the organisation."""
    person = services.directory.person(session.person) if session.person else None
    organisation = services.directory.organisation(session.organisation) if session.organisation else None
    called = person.name if person is not None and person.name else session.request["person"]
    return called, organisation.name if organisation is not None else None


def signer(services: Services, session: Session, *, on_behalf: str | None = None) -> Caller:
    """The caller of the session's signatures: the system that asked, in the name of the person, also with those keys which
    the directory gives the person and the keeper asks the person about. Raises NotPermitted when the system was revoked
    meanwhile."""
    client = services.database.read(callers.named, session.caller)
    if client is None:
        raise NotPermitted("the system that asked was revoked")
    own = tuple(glob.escape(ref) for ref in _own(services, session))
    said = {"session": session.id, "on_behalf": on_behalf}
    told = tuple((name, value) for name, value in said.items() if value is not None)
    return replace(client, keys=(*client.keys, *own), person=session.person or client.person, told=told)


def choices(services: Services, session: Session) -> tuple[Choice, ...]:
    """What the official may choose from; of others only those that the system named, which say why they cannot be."""
    named = session.request.get("keys") or ()
    caller = signer(services, session)
    found = []
    for key in services.keys.all():
        if key.ref in named or (not named and _is_offered(services, session, caller, key)):
            choice = _choice(services, session, caller, key)
            if choice.code != KeyNotFound.code:
                found.append(choice)
    return tuple(found)


def require(services: Services, session: Session, ref: str) -> KeyInfo:
    """The key, if this session may be signed with it. Raises KeyNotFound, CertificateOfAnotherPerson, WrongRole,
    KeyWithoutCertificate."""
    named = session.request.get("keys") or ()
    if named and ref not in named:
        raise KeyNotFound(key=ref)
    key = services.keys.find(ref)
    _require(services, session, signer(services, session), key)
    return key


# --- one key ----------------------------------------------------------------------------------------------------------


def _own(services: Services, session: Session) -> set[str]:
    """Keys that the directory gives to the person, and that want the person's activation."""
    if session.person is None:
        return set()
    organisations = {session.organisation} if session.organisation else set()
    organisations |= {post.organisation for post in services.directory.posts(session.person)}
    organisations |= {role.organisation for role in services.directory.roles(session.person)}
    owners = [owner for one in organisations for owner in services.directory.keys_of(one)]
    return {
        owner.ref
        for owner in owners
        if owner.person == session.person and persons.is_persons(services.settings, owner.ref)
    }


def _is_clerk(services: Services, session: Session) -> bool:
    if session.person is None:
        return False
    roles = services.directory.roles(session.person)
    return any(one.role == CLERK and one.organisation == session.organisation for one in roles)


def _is_offered(services: Services, session: Session, caller: Caller, key: KeyInfo) -> bool:
    """Where the system named no keys: the person's own, and the appliance's that the system may use."""
    owner = services.directory.owner_of_key(key.ref)
    if owner is None:
        return services.scopes.may_use_key(caller, key.ref)
    if owner.person is not None:
        return owner.person == session.person
    return owner.organisation == session.organisation and _is_clerk(services, session)


def _choice(services: Services, session: Session, caller: Caller, key: KeyInfo) -> Choice:
    owner = services.directory.owner_of_key(key.ref)
    holder: Holder = services.settings.keys.get(key.ref, KeySettings()).holder
    if holder == "appliance" and owner is not None and owner.person is None:
        holder = "seal"
    try:
        _require(services, session, caller, key)
        code = _period(key, at=services.clock())
    except (HsmError, CertificateOfAnotherPerson, WrongRole, KeyWithoutCertificate) as error:
        code = error.code
    return Choice(key, holder, code)


def _require(services: Services, session: Session, caller: Caller, key: KeyInfo) -> None:
    chosen = services.settings.keys.get(key.ref, KeySettings())
    if not DOCUMENT_SHAPES & set(chosen.shapes):
        raise KeyNotFound(key=key.ref)
    if key.certificate is None:
        raise KeyWithoutCertificate(key=key.ref)
    owner = services.directory.owner_of_key(key.ref)
    if owner is not None and owner.person is not None:  # 1
        if owner.person != session.person:
            raise CertificateOfAnotherPerson(key=key.ref)
    elif owner is not None:  # 2
        if owner.organisation != session.organisation:
            raise CertificateOfAnotherPerson(key=key.ref)
        if not _is_clerk(services, session):
            raise WrongRole(reason="not-a-clerk", key=key.ref)
    elif chosen.holder == "person" and not _same_name(common_name(key.certificate), _called(services, session)):  # 3
        raise CertificateOfAnotherPerson(key=key.ref)
    if not services.scopes.may_use_key(caller, key.ref):
        raise KeyNotFound(key=key.ref)
    held = services.directory.person_of_certificate(  # 4
        hashlib.sha256(key.certificate).hexdigest(), certificate=key.certificate
    )
    if held is not None and held.person is not None and held.person != session.person:
        raise CertificateOfAnotherPerson(key=key.ref)


def _called(services: Services, session: Session) -> str:
    return names(services, session)[0]


def _period(key: KeyInfo, *, at: datetime) -> str | None:
    certificate = x509.load_der_x509_certificate(key.certificate or b"")
    if at < certificate.not_valid_before_utc:
        return "certificate-not-yet-valid"
    return "certificate-expired" if at > certificate.not_valid_after_utc else None


def common_name(certificate: bytes) -> str:
    found = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _same_name(one: str, other: str) -> bool:
    def plain(name: str) -> str:
        return " ".join(unicodedata.normalize("NFC", name).casefold().split())

    return bool(one) and plain(one) == plain(other)
