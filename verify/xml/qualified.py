"""A signature with everything that its qualifying properties add to it: what the reader of ds:Signature calls.

properties = read(element, digested=elements_that_references_digested)
base = proofs.places(all_signatures)[element]
store = stored.read(element, properties, base=base)
signer = …                                                 # of signers.candidates, the first whose key verifies
found = complete(FoundSignature(…), element, properties, store, data=data, base=base)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from lxml import etree

from verify import levels
from verify.found import FoundSignature
from verify.report import Facts, Warning_
from verify.xml import names, profile, proofs, signers
from verify.xml.canonical import Method, Sink
from verify.xml.properties import Properties, read
from verify.xml.stored import Stored
from verify.xml.timestamps import Datum, Subject

__all__ = ["complete", "read", "warnings"]

Writer = Callable[[etree._Element, Sink, Method], object]

MAX_CLAIMS = 20
"""Roles, commitments or types of one signature that the report carries."""

_CERTIFICATE_REFERENCES = ("CompleteCertificateRefs", "CompleteCertificateRefsV2")
_FORBIDDEN_FROM_LT = (
    *_CERTIFICATE_REFERENCES,
    "CompleteRevocationRefs",
    "SigAndRefsTimeStamp",
    "SigAndRefsTimeStampV2",
    "RefsOnlyTimeStamp",
    "RefsOnlyTimeStampV2",
)
_ONCE_FROM_LT = ("CertificateValues", "RevocationValues", "AttrAuthoritiesCertValues", "AttributeRevocationValues")


def complete(
    found: FoundSignature,
    signature: etree._Element,
    properties: Properties,
    store: Stored,
    *,
    data: Sequence[Datum],
    base: int,
    manifest_ids: Collection[str] = (),
    key_info_signed: bool = False,
    write: Writer | None = None,
) -> FoundSignature:
    """The signature as it was found (`signer` and `value` among it), with binding, profile, evidence, timestamps and
    what it says of itself. `data` in the order of ds:SignedInfo; `base` is its place, `manifest_ids` the Ids of
    ds:Reference elements in manifests that it signs, `write` canonicalises for the timestamps. Raises
    DocumentTooComplex."""
    single = len(signature.findall(f"{{{names.DS}}}KeyInfo")) == 1  # of two, only one may be what is signed
    bound = signers.binding(
        properties, found.signer, key_info_signed=key_info_signed and single and found.signer in store.key_info
    )
    form = profile.of(
        signature,
        properties,
        data=data,
        manifest_ids=manifest_ids,
        binding=bound,
        signer_in_key_info=found.signer in store.key_info,
    )
    subject = Subject(signature, data=data, unsigned=properties.unsigned)
    stamps = proofs.find(
        found.id,
        subject if write is None else replace(subject, write=write),
        properties,
        store,
        base=base,
        value=found.value,
        signer=found.signer if bound == "matched" and found.integrity.intact else None,  # else anybody named it
    )
    whole = replace(
        found,
        format="XAdES" if properties.present or properties.faults else "XMLDSIG",
        binding=bound,
        covers=base,
        profile=form.level,
        claimed_time=properties.signing_time,
        evidence=found.evidence.with_(store.evidence),
        carried=store.evidence,
        archived_at=store.archived_at(found.signer),
        kept_at=store.kept_at(found.signer),
        timestamps=stamps,
        constraints=tuple(dict.fromkeys((*found.constraints, *form.missing))),
        signature_policy=properties.policy,
        complete_references=bool(
            len(properties.unsigned_named(*_CERTIFICATE_REFERENCES)) == 1
            and len(properties.unsigned_named("CompleteRevocationRefs")) == 1
        ),
        baseline_longterm=not properties.unsigned_named(*_FORBIDDEN_FROM_LT)
        and all(len(properties.unsigned_named(name)) < 2 for name in _ONCE_FROM_LT),
    )
    return replace(whole, facts={**found.facts, **_facts(properties, form), "form": levels.form(whole)})


def warnings(name: str, properties: Properties) -> Iterator[Warning_]:
    """What a person should know and no check says."""
    if properties.unsigned_named("SealingEvidenceRecords"):
        yield Warning_("EVIDENCE_RECORD_NOT_JUDGED", {"signature": name})


def _facts(properties: Properties, form: profile.Profile) -> Facts:
    """What the signature says of itself, as far as it says anything; claims, and no more."""
    policy = properties.policy
    mime_types = dict.fromkeys(one.mime_type for one in properties.formats if one.mime_type)
    said: Facts = {
        "xades": properties.version,
        "not_baseline": ", ".join(form.short) or None,
        "roles": _joined(properties.claimed_roles, by="; "),
        "certified_roles": properties.certified_roles or None,
        "signed_assertions": properties.signed_assertions or None,
        "place": _joined(text for _, text in properties.place if text),
        "commitments": _joined(one.identifier for one in properties.commitments),
        "mime_types": _joined(mime_types),
        "policy": policy.identifier if policy else "implied" if properties.policy_implied else None,
        "policy_uri": policy.uri if policy else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _joined(claims: Iterable[str], *, by: str = ", ") -> str | None:
    """The first of them; a report is no place for thousands."""
    chosen = list(islice(claims, MAX_CLAIMS + 1))
    return by.join([*chosen[:MAX_CLAIMS], *("…" for _ in chosen[MAX_CLAIMS:])]) or None
