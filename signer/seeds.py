"""What the author of a signature field asks of who signs it: seed values and the field's lock (ISO 32000-1 §12.7.4.5).

What the author requires (its bit in /Ff is set) and the order does not meet is refused; what is merely preferred is
followed where the order leaves it open. Not followed are addresses: a document does not choose whom the appliance calls.

    wishes = read(field, order, digest="sha256", restrictions=restrictions)
    wishes.reason, wishes.certify, wishes.lock
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtensionOID, NameOID
from pyhanko.pdf_utils import generic
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm

from signer.errors import OrderInvalid, SigningForbidden
from signer.model import SignOrder
from signer.permissions import Restrictions
from verify.pdf import UNEXPECTED, get

_FILTER, _SUB_FILTER, _VERSION, _REASONS, _ATTESTATION, _REVOCATION, _DIGEST, _LOCK, _APPEARANCE = (
    1 << bit for bit in range(9)
)
_SUBJECT, _ISSUER, _POLICY, _SUBJECT_DN, _RESERVED, _KEY_USAGE, _URL = (1 << bit for bit in range(7))
_NEWEST = 3
"""Version of seed values that is understood: ISO 32000-2."""

_NAMES = {
    "CN": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "C": NameOID.COUNTRY_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "E": NameOID.EMAIL_ADDRESS,
    "EMAIL": NameOID.EMAIL_ADDRESS,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "T": NameOID.TITLE,
    "TITLE": NameOID.TITLE,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
}
_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Wishes:
    """How the field is to be signed, the order and its author taken together."""

    reason: str | None
    certify: MDPPerm | None
    lock: FieldMDPSpec | None
    level: MDPPerm | None
    """/P to write beside the lock."""


def read(field: generic.DictionaryObject, order: SignOrder, *, digest: str, restrictions: Restrictions) -> Wishes:
    """Raises SigningForbidden for what the author requires and the order does not meet; OrderInvalid if unreadable."""
    try:
        lock, level = _lock(field)
        seeds = get(field, "/SV")
        if not isinstance(seeds, generic.DictionaryObject):
            if "/SV" in field:
                raise OrderInvalid("the field's seed values cannot be read", reason="seed-values")
            return Wishes(order.reason, _perm(order.certify), lock, level)
        required = _flags(seeds)
        _require_technique(seeds, required, digest=digest, level=order.level)
        _require_signer(get(seeds, "/Cert"), order)
        reason = _reason(seeds, order.reason, is_required=bool(required & _REASONS))
        certify = _certification(seeds, order, restrictions)
        if required & _ATTESTATION and certify is not None:
            raise _forbidden("seed-legal-attestation")
        locks = _document_lock(seeds)
        if locks is True and certify not in (None, MDPPerm.NO_CHANGES):
            if required & _LOCK:
                raise _forbidden("seed-lock-document", wanted="lock")
        elif locks is True and certify is None:
            lock, level = lock or FieldMDPSpec(FieldMDPAction.ALL), MDPPerm.NO_CHANGES
        if locks is False and required & _LOCK and MDPPerm.NO_CHANGES in (certify, level):
            raise _forbidden("seed-lock-document", wanted="no lock")
    except UNEXPECTED as error:
        raise OrderInvalid("the field's seed values cannot be read", reason="seed-values") from error
    return Wishes(reason, certify, lock, level)


def _lock(field: generic.DictionaryObject) -> tuple[FieldMDPSpec | None, MDPPerm | None]:
    """The field's own /Lock becomes a FieldMDP reference of its signature."""
    if "/Lock" not in field:
        return None, None
    values = get(field, "/Lock")
    try:
        spec = FieldMDPSpec.from_pdf_object(values)
        spec.is_locked("")
        return spec, MDPPerm(values["/P"]) if "/P" in values else None
    except UNEXPECTED as error:
        raise OrderInvalid("the field's lock cannot be read", reason="field-lock") from error


def _require_technique(seeds: generic.DictionaryObject, required: int, *, digest: str, level: str) -> None:
    if required & _FILTER and get(seeds, "/Filter") not in (None, "/Adobe.PPKLite"):
        raise _forbidden("seed-filter", wanted=str(get(seeds, "/Filter")))
    if required & _SUB_FILTER and "/SubFilter" in seeds and "/ETSI.CAdES.detached" not in _list(seeds, "/SubFilter"):
        raise _forbidden("seed-sub-filter", wanted=_told(_list(seeds, "/SubFilter")))
    if required & _VERSION and "/V" in seeds and float(get(seeds, "/V")) > _NEWEST:
        raise _forbidden("seed-version", wanted=str(get(seeds, "/V")))
    if required & _REVOCATION and _is_true(get(seeds, "/AddRevInfo")):
        # It asks for Adobe's attribute, which PAdES does not allow beside a DSS (EN 319 142-1 §5.4).
        raise _forbidden("seed-revocation-info")
    if required & _DIGEST and "/DigestMethod" in seeds:
        allowed = [str(name).replace("-", "").lower() for name in _list(seeds, "/DigestMethod")]
        if digest not in allowed:
            raise _forbidden("seed-digest", wanted=_told(_list(seeds, "/DigestMethod")), found=digest)
    if required & _APPEARANCE and "/AppearanceFilter" in seeds:
        raise _forbidden("seed-appearance", wanted=str(get(seeds, "/AppearanceFilter")))
    stamp = get(seeds, "/TimeStamp")
    if isinstance(stamp, generic.DictionaryObject) and get(stamp, "/Ff") == 1 and level == "B-B":
        raise _forbidden("seed-timestamp", wanted="B-T")


def _reason(seeds: generic.DictionaryObject, ordered: str | None, *, is_required: bool) -> str | None:
    """A list of reasons; a single full stop or an empty list asks for none (Table 234)."""
    if "/Reasons" not in seeds:
        return ordered
    reasons = [str(one) for one in _list(seeds, "/Reasons")]
    wants_none = reasons in ([], ["."])
    if not is_required:
        return ordered if ordered is not None or wants_none or len(reasons) > 1 else reasons[0]
    if wants_none:
        if ordered is not None:
            raise _forbidden("seed-reason", wanted="-")
        return None
    if ordered is None and len(reasons) == 1:
        return reasons[0]
    if ordered not in reasons:
        raise _forbidden("seed-reason", wanted=_told(reasons))
    return ordered


def _certification(seeds: generic.DictionaryObject, order: SignOrder, restrictions: Restrictions) -> MDPPerm | None:
    """/MDP has no bit in /Ff: it is a rule. P 0 wants an approval, 1–3 the certification of that level."""
    level = get(get(seeds, "/MDP"), "/P")
    if level is None:
        return _perm(order.certify)
    if level == 0:
        if order.certify is not None:
            raise _forbidden("seed-certification", wanted="0")
        return None
    if order.certify not in (None, level):
        raise _forbidden("seed-certification", wanted=str(level))
    restrictions.require_first(int(level))
    return MDPPerm(level)


def _document_lock(seeds: generic.DictionaryObject) -> bool | None:
    """/LockDocument (ISO 32000-2 Table 237): a name, `auto` leaves it to the signer."""
    value = str(get(seeds, "/LockDocument")).lstrip("/").lower()
    return {"true": True, "false": False}.get(value)


def _require_signer(values: object, order: SignOrder) -> None:
    """Constraints on the certificate (Table 235)."""
    if not isinstance(values, generic.DictionaryObject):
        return
    required = _flags(values)
    if required & _RESERVED or required >> 7:
        raise _forbidden("seed-certificate", wanted=f"flags {required}")
    certificate = x509.load_der_x509_certificate(order.certificate)
    checks: tuple[tuple[int, str, Callable[[], bool]], ...] = (
        (_SUBJECT, "/Subject", lambda: order.certificate in map(_octets, _list(values, "/Subject"))),
        (_ISSUER, "/Issuer", lambda: any(_issued(order, _octets(one)) for one in _list(values, "/Issuer"))),
        (_POLICY, "/OID", lambda: not _policies(certificate).isdisjoint(map(str, _list(values, "/OID")))),
        (_SUBJECT_DN, "/SubjectDN", lambda: any(_named(certificate, one) for one in _list(values, "/SubjectDN"))),
        (_KEY_USAGE, "/KeyUsage", lambda: any(_used(certificate, str(one)) for one in _list(values, "/KeyUsage"))),
    )
    for bit, key, holds in checks:
        if required & bit and key in values and not holds():
            raise _forbidden("seed-certificate", wanted=key.lstrip("/"))


def _issued(order: SignOrder, issuer: bytes) -> bool:
    """Whether the issuer stands in the chain, or issued its top."""
    path = (order.certificate, *order.chain)
    if issuer in path[1:]:
        return True
    above = x509.load_der_x509_certificate(issuer)
    for one in path:
        try:
            x509.load_der_x509_certificate(one).verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False


def _policies(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.CERTIFICATE_POLICIES).value
    except x509.ExtensionNotFound:
        return set()
    assert isinstance(found, x509.CertificatePolicies)
    return {policy.policy_identifier.dotted_string for policy in found}


def _named(certificate: x509.Certificate, wanted: Any) -> bool:
    """Whether the subject has all attributes of one dictionary of /SubjectDN."""
    for key in wanted.get_object():
        name = str(key).lstrip("/")
        oid = _NAMES.get(name.upper()) or x509.ObjectIdentifier(name)
        values = {str(one.value) for one in certificate.subject.get_attributes_for_oid(oid)}
        if str(get(wanted.get_object(), key)) not in values:
            return False
    return True


def _used(certificate: x509.Certificate, wanted: str) -> bool:
    """A string of 1 (must be set), 0 (must not) and X, from digitalSignature on; what it leaves out is X."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return "1" not in wanted
    for bit, name in zip(wanted, _KEY_USAGES, strict=False):
        needs_agreement = name in ("encipher_only", "decipher_only")
        is_set = bool(getattr(usage, name)) if not needs_agreement or usage.key_agreement else False
        if (bit == "1" and not is_set) or (bit == "0" and is_set):
            return False
    return True


def _flags(values: generic.DictionaryObject) -> int:
    flags = get(values, "/Ff")
    return int(flags) if flags is not None else 0


def _perm(level: int | None) -> MDPPerm | None:
    return None if level is None else MDPPerm(level)


def _list(values: generic.DictionaryObject, key: str) -> list[Any]:
    """An array, or a single value that stands for one."""
    found = get(values, key)
    if isinstance(found, generic.ArrayObject):
        return [item.get_object() for item in found]
    return [] if found is None else [found]


def _octets(value: Any) -> bytes:
    return bytes(value.original_bytes)


def _is_true(value: Any) -> bool:
    return bool(getattr(value, "value", value))


def _told(values: Iterable[Any]) -> str:
    return ", ".join(str(one) for one in values)[:200]


def _forbidden(reason: str, **facts: str) -> SigningForbidden:
    return SigningForbidden("the field's author requires otherwise", reason=reason, **facts)
