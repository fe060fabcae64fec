"""The octets that a XAdES timestamp is over, for judging one and for making one.

EN 319 132-1 §5.2.8 (content), §5.3 (signature), annex A.1.5 (validation references), §5.5.2 (archive), and the forms of
TS 101 903 before it. Nothing is digested here: octets go into a sink, in the order of the clauses.

    subject = Subject(signature, data=data, unsigned=properties.unsigned)
    signature_timestamp(subject, method=method, sink=sink)
    archive_timestamp(subject, method=method, sink=sink)      # one that would now be added at the end
    imprint(subject, element, sink=sink)                      # one that is there, as it says itself
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lxml import etree

from verify.xml import canonical, names
from verify.xml.canonical import METHODS, Method, Sink
from verify.xml.nodes import NodeSet

Form = Literal["1.1.1", "1.2.2", "1.3.2", "1.4.1"]

FORMS: Final[dict[str, Form]] = {
    names.XADES_111: "1.1.1",
    names.XADES_122: "1.2.2",
    names.XADES_132: "1.3.2",
    names.XADES_141: "1.4.1",
}
"""The namespaces of XAdES; an element of the last may stand among those of the last but one."""

REFERENCES = {
    1: frozenset({
        "CompleteCertificateRefs", "CompleteRevocationRefs", "AttributeCertificateRefs", "AttributeRevocationRefs"
    }),
    2: frozenset({
        "CompleteCertificateRefsV2", "CompleteRevocationRefs", "AttributeCertificateRefsV2", "AttributeRevocationRefs"
    }),
}  # fmt: skip
"""What timestamps over references are over, by their generation."""


MAX_INCLUDED: Final = 2_000
"""Elements that one timestamp names; a signature has no more references and properties."""


class NotComputable(ValueError):
    """What the timestamp says it is over cannot be told, or is not what such a timestamp may be over."""


Kind = Literal["data", "signed-properties", "key-info", "manifest", "counter-signed", "signature-properties"]


@dataclass(frozen=True)
class Datum:
    """What one ds:Reference of ds:SignedInfo refers to, after its transforms.

    `write` hands octets over as they are and canonicalises a node-set by the method; `id` is that of the ds:Reference,
    `target` the Id that its URI names, `kind` what it refers to: whatever is nothing of the signature's own is data.
    `nodes` are those whose content was digested, None where only their text was, or a file beside the document.
    """

    write: Callable[[Sink, Method], object]
    id: str | None = None
    target: str | None = None
    kind: Kind = "data"
    nodes: NodeSet | None = None


def _plainly(element: etree._Element, sink: Sink, method: Method) -> None:
    canonical.write(element, sink, method=method)


@dataclass(frozen=True)
class Subject:
    """A ds:Signature as its timestamps see it: `data` in the order of ds:SignedInfo, `unsigned` the children of its
    UnsignedSignatureProperties. `write` canonicalises an element; whoever judges counts what that costs."""

    signature: etree._Element
    data: Sequence[Datum] = ()
    unsigned: Sequence[etree._Element] = ()
    write: Callable[[etree._Element, Sink, Method], object] = _plainly

    def before(self, stamp: etree._Element | None) -> Iterator[etree._Element]:
        """The unsigned properties before this one; all of them when it is still to be made."""
        for one in self.unsigned:
            if one is stamp:
                return
            yield one


def method_of(stamp: etree._Element) -> Method:
    """How the timestamp's data is canonicalised: as it says, else by inclusive C14N 1.0 (EN 319 132-1 §4.5). Raises
    NotComputable for a method that is not known."""
    stated = stamp.find(f"{{{names.DS}}}CanonicalizationMethod")
    uri = stated.get("Algorithm", "") if stated is not None else ""
    if not uri.strip():
        return METHODS[names.C14N_10]
    method = METHODS.get(uri)
    if method is None:
        raise NotComputable(f"canonicalisation {uri}")
    return method


def signature_timestamp(subject: Subject, *, method: Method, sink: Sink) -> None:
    """§5.3: ds:SignatureValue."""
    subject.write(_single(subject.signature, "SignatureValue"), sink, method)


def all_data_objects(subject: Subject, *, method: Method, sink: Sink) -> None:
    """§5.2.8.1: whatever is signed, but for the SignedProperties, in which the timestamp stands."""
    for datum in subject.data:
        if datum.kind != "signed-properties":
            datum.write(sink, method)


def individual_data_objects(subject: Subject, ids: Sequence[str], *, method: Method, sink: Sink) -> None:
    """§5.2.8.2: what the named ds:Reference elements refer to, in the order of the names."""
    if not ids:
        raise NotComputable("no data object is named")
    for one in ids:
        found = [datum for datum in subject.data if datum.id == one and datum.kind != "signed-properties"]
        if len(found) != 1:
            raise NotComputable(f"no ds:Reference {one}")
        found[0].write(sink, method)


def references_timestamp(
    subject: Subject,
    *,
    method: Method,
    sink: Sink,
    with_signature: bool,
    generation: Literal[1, 2] = 2,
    before: etree._Element | None = None,
) -> None:
    """Annex A.1.5: SigAndRefsTimeStampV2 (with the signature), RefsOnlyTimeStampV2; the first generation as TS 101 903
    §7.5 has it, over references of the first generation."""
    if with_signature:
        signature_timestamp(subject, method=method, sink=sink)
    wanted = REFERENCES[generation]
    for one in subject.before(before):
        name = etree.QName(one).localname
        if name in wanted or (with_signature and name == "SignatureTimeStamp"):
            subject.write(one, sink, method)


def archive_timestamp(
    subject: Subject,
    *,
    method: Method,
    sink: Sink,
    before: etree._Element | None = None,
    form: Form = "1.4.1",
    included: Sequence[etree._Element] | None = None,
) -> None:
    """§5.5.2: everything. `included` names the unsigned properties where they are distributed (§5.5.2.3).

    1. Whatever is signed, the SignedProperties too.
    2. ds:SignedInfo, ds:SignatureValue and, where there is one, ds:KeyInfo.
    3. The unsigned properties before this one.
    4. Every ds:Object but that of the QualifyingProperties; before 1.4.1 (TS 101 903 V1.3.2 §7.7.1) only those to which
       no ds:Reference refers.
    """
    # 1
    for datum in subject.data:
        datum.write(sink, method)
    # 2
    for name in ("SignedInfo", "SignatureValue"):
        subject.write(_single(subject.signature, name), sink, method)
    for key_info in subject.signature.findall(f"{{{names.DS}}}KeyInfo"):
        subject.write(key_info, sink, method)
    # 3
    for one in subject.before(before) if included is None else included:
        subject.write(one, sink, method)
    # 4
    signed = {datum.target for datum in subject.data if datum.target} if form != "1.4.1" else frozenset()
    for one in _further_objects(subject.signature, but=signed):
        subject.write(one, sink, method)


def imprint(subject: Subject, stamp: etree._Element, *, sink: Sink) -> None:
    """The same for a timestamp that is there, of whichever kind. Raises NotComputable."""
    named = etree.QName(stamp)
    method = _stated_method(stamp)
    match named.localname:
        case "SignatureTimeStamp":
            signature_timestamp(subject, method=method, sink=sink)
        case "AllDataObjectsTimeStamp":
            all_data_objects(subject, method=method, sink=sink)
        case "IndividualDataObjectsTimeStamp":
            individual_data_objects(subject, _named_ids(stamp, data=True), method=method, sink=sink)
        case "SigAndRefsTimeStamp" | "RefsOnlyTimeStamp" | "SigAndRefsTimeStampV2" | "RefsOnlyTimeStampV2":
            references_timestamp(
                subject,
                method=method,
                sink=sink,
                with_signature=named.localname.startswith("Sig"),
                generation=2 if named.localname.endswith("V2") else 1,
                before=stamp,
            )
        case "ArchiveTimeStamp":
            form = FORMS.get(named.namespace or "")
            if form is None:
                raise NotComputable("an archive timestamp of no known form")
            archive_timestamp(
                subject, method=method, sink=sink, before=stamp, form=form, included=included(subject, stamp)
            )
        case other:
            raise NotComputable(f"{other} is no timestamp")


def included(subject: Subject, stamp: etree._Element) -> tuple[etree._Element, ...] | None:
    """The unsigned properties that the Include elements of an archive timestamp name (§5.5.2.3), None where it has none.

    What else they name is passed over: earlier forms list everything, also what is taken anyway. Raises NotComputable.
    """
    ids = _named_ids(stamp)
    if not ids:
        return None
    earlier = {one.get("Id"): one for one in subject.before(stamp) if one.get("Id")}
    chosen = tuple(earlier[one] for one in ids if one in earlier)
    return chosen if chosen else None


def _named_ids(stamp: etree._Element, *, data: bool = False) -> list[str]:
    """Ids in Include (from 1.2.2 on) and HashDataInfo (1.1.1), in their order. Where they stand for the data of
    ds:Reference elements, Include must say so (§5.2.8.2), or it would mean these elements themselves."""
    found: list[str] = []
    for one in stamp.iterchildren("{*}Include", "{*}HashDataInfo"):
        if len(found) == MAX_INCLUDED:
            raise NotComputable("a timestamp names too much")
        uri = one.get("URI") or one.get("uri") or ""
        if not uri.startswith("#") or len(uri) < 2:
            raise NotComputable("a timestamp names something outside")
        if data and etree.QName(one).localname == "Include" and one.get("referencedData") not in {"true", "1"}:
            raise NotComputable("a timestamp is over references instead of data")
        found.append(uri[1:])
    return found


def _stated_method(stamp: etree._Element) -> Method:
    """1.1.1 states the method among the transforms of its HashDataInfo."""
    stated = {
        transform.get("Algorithm", "")
        for one in stamp.iterchildren("{*}HashDataInfo")
        for transform in one.iter(f"{{{names.DS}}}Transform")
    }
    if not stated:
        return method_of(stamp)
    method = METHODS.get(stated.pop())
    if stated or method is None:
        raise NotComputable("transforms of a timestamp")
    return method


def _further_objects(signature: etree._Element, *, but: Collection[str]) -> Iterator[etree._Element]:
    for one in signature.findall(f"{{{names.DS}}}Object"):
        if one.get("Id") in but or any(
            etree.QName(child).localname == "QualifyingProperties" for child in one.iterchildren("{*}*")
        ):
            continue
        yield one


def _single(signature: etree._Element, name: str) -> etree._Element:
    found = signature.findall(f"{{{names.DS}}}{name}")
    if len(found) != 1:
        raise NotComputable(f"not exactly one ds:{name}")
    return found[0]
