"""Which profile a XAdES signature follows, before any timestamp or evidence counts.

EN 319 132-1 §6.3 (baseline B), EN 319 132-2 (XAdES-E-BES, -EPES); the names are those of EU DSS, which people compare
with. Only the form is looked at; whether the signature is any good is for `verify.engine`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from verify.found import Binding
from verify.xml import names
from verify.xml.canonical import METHODS
from verify.xml.properties import DataObjectFormat, Properties
from verify.xml.timestamps import Datum

BASELINE = "XAdES-BASELINE-B"
EPES = "XAdES-EPES"
BES = "XAdES-BES"
NONE = "XML-NOT-ETSI"

_DS = f"{{{names.DS}}}"


@dataclass(frozen=True)
class Profile:
    """`level` without timestamps; `missing` is what keeps the signature from the rules of any profile, `short` what
    keeps it from the baseline."""

    level: str
    missing: tuple[str, ...]
    short: tuple[str, ...]


def of(
    signature: etree._Element,
    properties: Properties,
    *,
    data: Sequence[Datum],
    manifest_ids: Collection[str],
    binding: Binding,
    signer_in_key_info: bool,
) -> Profile:
    """The profile of one ds:Signature. `manifest_ids`: Ids of the ds:Reference elements in signed manifests."""
    missing = tuple(dict.fromkeys((*properties.faults, *_repeated(properties))))
    if not properties.present and not properties.faults:
        return Profile(NONE, (), ())
    known = {datum.id for datum in data if datum.id} | set(manifest_ids)
    wrong = tuple(dict.fromkeys(_wrong_formats(signature, properties, data=data, known=known)))
    if missing or wrong or binding == "absent":
        return Profile(NONE, missing, wrong)
    short = tuple(
        dict.fromkeys(
            _short_of_baseline(
                signature, properties, data=data, manifest_ids=manifest_ids, signer_in_key_info=signer_in_key_info
            )
        )
    )
    if not short:
        return Profile(BASELINE, (), ())
    return Profile(EPES if _is_epes(properties) else BES, (), short)


def _repeated(properties: Properties) -> Iterator[str]:
    """What may stand there once (EN 319 132-1 §5.2): said twice, it is not known what was said."""
    for kinds in (
        ("SigningTime",),
        ("SigningCertificate", "SigningCertificateV2"),
        ("SignaturePolicyIdentifier",),
        ("SignatureProductionPlace", "SignatureProductionPlaceV2"),
        ("SignerRole", "SignerRoleV2"),
    ):
        if properties.count(*kinds) > 1:
            yield "properties-once"


def _wrong_formats(
    signature: etree._Element, properties: Properties, *, data: Sequence[Datum], known: Collection[str]
) -> Iterator[str]:
    """§5.2.4: a DataObjectFormat says something, of a signed object, and nothing else than its ds:Object says."""
    referred: dict[str, list[str]] = {}
    for datum in data:
        if datum.id and datum.target:
            referred.setdefault(datum.target, []).append(datum.id)
    objects: dict[str, list[etree._Element]] = {}
    for holder in signature.iterchildren(f"{_DS}Object"):
        for reference in referred.get(holder.get("Id", ""), ()):
            objects.setdefault(reference, []).append(holder)
    for one in properties.formats:
        if not one.described:
            yield "data-object-format-empty"
        if one.reference is None or one.reference not in known:
            yield "data-object-format-reference"
        elif any(_contradicts(holder, one) for holder in objects.get(one.reference, ())):
            yield "data-object-format-differs"


def _contradicts(holder: etree._Element, stated: DataObjectFormat) -> bool:
    said = ((stated.mime_type, holder.get("MimeType")), (stated.encoding, holder.get("Encoding")))
    return any(one is not None and other and one != other for one, other in said)


def _short_of_baseline(
    signature: etree._Element,
    properties: Properties,
    *,
    data: Sequence[Datum],
    manifest_ids: Collection[str],
    signer_in_key_info: bool,
) -> Iterator[str]:
    """§6.3, table 2, with the letters of its requirements where they have one."""
    if len(signature.findall(f"{_DS}KeyInfo")) != 1 or not signer_in_key_info:
        yield "key-info"  # (a)
    if len(data) < 2:
        yield "references"
    method = signature.find(f"{_DS}SignedInfo/{_DS}CanonicalizationMethod")
    if method is None or method.get("Algorithm") not in METHODS:
        yield "canonicalization"  # (d)
    if properties.count("SigningTime") != 1 or properties.signing_time is None:
        yield "signing-time"
    if properties.count("SigningCertificate", "SigningCertificateV2") != 1:
        yield "signing-certificate"
    if any(one.version == 2 and one.has_uri for one in properties.certificates):
        yield "signing-certificate-uri"  # (i)
    if any(one.mime_type is None for one in properties.formats):
        yield "mime-type"
    described = {one.reference for one in properties.formats}
    objects = {datum.id for datum in data if datum.kind == "data" and datum.id} | set(manifest_ids)
    if not objects <= described:
        yield "data-object-format"  # (k)
    if len(properties.unsigned_named("SignaturePolicyStore")) > 1:
        yield "signature-policy-store"


def _is_epes(properties: Properties) -> bool:
    """EN 319 132-2 §6: one policy is named; a store of its document needs the digest by which to know the document."""
    if properties.count("SignaturePolicyIdentifier") != 1:
        return False
    stores = len(properties.unsigned_named("SignaturePolicyStore"))
    has_digest = properties.policy is not None and properties.policy.digest_algorithm is not None
    return stores == 0 or (stores == 1 and has_digest)
