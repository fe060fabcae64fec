"""What an order for an XML signature is refused for, and what the self-check does not let out."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import pytest

from signer import pipeline
from signer.errors import NoTimestampAuthority, OrderInvalid, PreparedMismatch, SelfCheckFailed, ValueRefused
from signer.model import Anchor, FieldPlan, Place, SignatureValue, Stamp
from signer.xades import checking
from signer.xades.admitting import OrderNotForFormat
from signer.xades.contents import ContentMissing, ElementNotFound
from signer.xades.earlier import WouldBreakSignature
from signer.xades.plan import DetachedContent, ProductionPlace, XmlPlan
from tests.unit.signer.xades.making_support import PLAIN, file_of, found, hand
from verify.errors import DocumentTooLarge, EmptyDocument
from verify.found import SignaturePolicy

pytestmark = pytest.mark.xades

DATA = b'<a xmlns="urn:x"><b Id="one">1</b><c Id="two"/><d Id="two"/></a>'


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("field", "F"),
        ("place", Place(1, (0, 0, 1, 1))),
        ("stamp", Stamp()),
        ("name", "N"),
        ("reason", "R"),
        ("location", "L"),
        ("contact", "C"),
        ("anchor", Anchor("x", (1, 1))),
        ("certify", 1),
        ("fields", (FieldPlan("F"),)),
        ("fill", (("a", "b"),)),
        ("password", "p"),
        ("repair", True),
    ],
)
def test_what_only_a_pdf_has_is_refused(value: str, given: object):
    """Nothing that was ordered is passed over in silence."""
    with pytest.raises(OrderNotForFormat) as refused:
        hand("p256", "ecdsa_sha256").prepare(DATA, **{value: given})
    assert value == refused.value.facts["value"]


def test_what_only_xml_has_is_refused_for_a_pdf():
    """And the other way round."""
    with pytest.raises(OrderNotForFormat):
        hand("p256", "ecdsa_sha256").prepare(b"%PDF-1.4\n", PLAIN, format="PAdES")
    with pytest.raises(OrderNotForFormat):
        hand("p256", "ecdsa_sha256").prepare(b"%PDF-1.4\n", None, format="PAdES", detached={"a": b""})


_DIGEST = hashlib.sha256(b"").digest()


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (XmlPlan(packaging="detached"), "name"),
        (XmlPlan(packaging="detached", name=" a"), "detached-name"),
        (XmlPlan(packaging="detached", name="a", detached=(DetachedContent("a"),)), "references"),
        (XmlPlan(elements=("one", "one")), "references"),
        (XmlPlan(elements=("a b",)), "element-id"),
        (XmlPlan(elements=("one')|//*[('",)), "element-id"),
        (XmlPlan(elements=tuple(f"x{number}" for number in range(101))), "references"),
        (XmlPlan(roles=("",)), "roles"),
        (XmlPlan(roles=("a\0b",)), "characters"),
        (XmlPlan(roles=("a\ud800b",)), "characters"),
        (XmlPlan(production_place=ProductionPlace()), "production-place"),
        (XmlPlan(commitment="whatever"), "commitment"),
        (XmlPlan(mime="xml"), "mime"),
        (XmlPlan(mime='text/xml"'), "mime"),
        (XmlPlan(policy=SignaturePolicy("1.2.3", None, b"")), "policy-digest"),
        (XmlPlan(policy=SignaturePolicy("1.2.3", "sha256", b"short")), "policy-digest"),
        (XmlPlan(policy=SignaturePolicy("no uri", "sha256", _DIGEST)), "policy-identifier"),
        (XmlPlan(policy=SignaturePolicy("1.2.3", "sha256", _DIGEST, "no uri")), "policy-uri"),
        (XmlPlan(countersign="x", elements=("one",)), "countersign"),
    ],
)
def test_orders_that_make_no_sense_say_why(plan: XmlPlan, reason: str):
    """Each has its reason."""
    data = DATA if not plan.countersign else hand("p256", "ecdsa_sha256").sign(DATA)
    if plan.countersign:
        plan = replace(plan, countersign=found(data)[0].id)
    files = {one.name: b"x" for one in plan.detached}
    with pytest.raises(OrderInvalid) as refused:
        hand("p256", "ecdsa_sha256").prepare(data, plan, detached=files)
    assert reason == refused.value.facts["reason"]


@pytest.mark.parametrize("element", ["none", "two"])
def test_an_element_that_is_not_there_once_is_refused(element: str):
    """A signature never names what two elements are called, or none."""
    with pytest.raises(ElementNotFound):
        hand("p256", "ecdsa_sha256").prepare(DATA, XmlPlan(elements=(element,)))


def test_files_and_order_must_agree():
    """A file that is named must be there, and one that is there must be named."""
    writer = hand("p256", "ecdsa_sha256")
    with pytest.raises(ContentMissing):
        writer.prepare(DATA, XmlPlan(detached=(DetachedContent("a"),)))
    with pytest.raises(OrderInvalid):
        writer.prepare(DATA, PLAIN, detached={"a": b""})


def test_other_refusals():
    """Nothing to sign, nothing to sign in, nobody to ask."""
    writer = hand("p256", "ecdsa_sha256")
    with pytest.raises(EmptyDocument):
        writer.prepare(b"")
    with pytest.raises(OrderInvalid):
        writer.prepare(b"plain text")
    with pytest.raises(NoTimestampAuthority):
        writer.prepare(DATA, level="B-T")
    with pytest.raises(OrderInvalid):
        writer.prepare(DATA, mechanism="rsassa_pkcs1v15_sha256")


def test_a_large_document_is_refused_before_it_is_read():
    """Its size is enough: what is refused here is not even XML."""
    file = file_of(b"<a>")
    file.truncate(65 << 20)
    writer, out = hand("p256", "ecdsa_sha256"), file_of()
    with pytest.raises(DocumentTooLarge):
        pipeline.prepare(file, writer.order(), out=out, original_sha256="", nonce=1)
    assert 0 == out.seek(0, 2)


def test_a_signature_that_covers_everything_forbids_another():
    """A second signature would break it, so it is refused; a counter-signature, or one beside, is not."""
    writer = hand("p256", "ecdsa_sha256")
    made = writer.sign(DATA, XmlPlan(leaves_out="itself"))
    with pytest.raises(WouldBreakSignature) as refused:
        writer.prepare(made)
    assert found(made)[0].id == refused.value.facts["signature"]
    with pytest.raises(WouldBreakSignature):
        writer.prepare(made, XmlPlan(packaging="enveloping"))
    writer.sign(made, XmlPlan(packaging="detached", name="made.xml"))


def test_a_signature_that_is_broken_already_is_no_obstacle():
    """It is not ours to judge what others made."""
    writer = hand("p256", "ecdsa_sha256")
    made = writer.sign(DATA, XmlPlan(leaves_out="itself")).replace(b">1<", b">2<")
    again = writer.sign(made)
    assert ["HASH_FAILURE", None] == [one.integrity.failure for one in found(again)]


def test_the_document_must_be_the_one_that_was_announced():
    """Another digest than the caller's, or another document at restoring, ends it."""
    writer = hand("p256", "ecdsa_sha256")
    with pytest.raises(PreparedMismatch):
        pipeline.prepare(file_of(DATA), writer.order(), out=file_of(), original_sha256="0" * 64, nonce=1)
    for plan in (PLAIN, XmlPlan(packaging="enveloping"), XmlPlan(packaging="detached", name="a")):
        prepared, _ = writer.prepare(DATA, plan)
        for other in (DATA + b"\n", DATA.replace(b">1<", b">2<")):
            with pytest.raises(PreparedMismatch):
                pipeline.restore(file_of(other), prepared, out=file_of())


def test_a_value_of_another_key_is_refused():
    """So is one by another mechanism; the right one may follow."""
    writer, other = hand("p256", "ecdsa_sha256"), hand("p384", "ecdsa_sha384")
    prepared, out = writer.prepare(DATA)
    for value in (
        SignatureValue(other.signer.sign(prepared.tbs, "ecdsa_sha384"), "ecdsa_sha256"),
        SignatureValue(other.signer.sign(prepared.tbs, "ecdsa_sha384"), "ecdsa_sha384"),
    ):
        with pytest.raises(ValueRefused):
            pipeline.complete(prepared, value, out=out, fetcher=writer.fetcher)
    writer.complete(prepared, out)


@pytest.mark.parametrize("packaging", ["enveloped", "enveloping", "detached"])
@pytest.mark.parametrize("full", [0, 1 << 20])
def test_no_byte_may_differ(monkeypatch: pytest.MonkeyPatch, packaging: str, full: int):
    """Whatever happens to the file between preparing and completing, the self-check finds it; small file or large."""
    monkeypatch.setattr(checking, "FULL_BELOW", full)
    writer = hand("p256", "ecdsa_sha256")
    data = b"<a><b>words</b></a>" if packaging == "enveloped" else b"<a>words</a>"
    prepared, out = writer.prepare(data, XmlPlan(packaging=packaging, name="a"))
    out.seek(0)
    laid_out = out.read()
    made, _ = writer.complete(prepared, out)
    at = laid_out.find(b"words")
    if at >= 0:
        out.seek(at)
        out.write(b"WORDS")
        out.flush()
        with pytest.raises(SelfCheckFailed):
            writer.complete(prepared, out)
    longer = file_of(laid_out + b"<!-- -->")
    if packaging == "enveloped":
        with pytest.raises(SelfCheckFailed):
            writer.complete(prepared, longer)
    else:  # nothing stands behind the signature: what does is from a completion that was interrupted
        assert len(made) == len(writer.complete(prepared, longer)[0])


@pytest.mark.parametrize("change", ["tbs", "digest", "appended", "layout"])
def test_what_does_not_fit_together_is_not_released(change: str):
    """A preparation that was tampered with makes no document."""
    writer = hand("p256", "ecdsa_sha256")
    prepared, out = writer.prepare(DATA)
    assert prepared.xml is not None
    changed = {
        "tbs": replace(prepared, tbs=prepared.tbs.replace(b"exc-c14n#", b"exc-c14n%")),
        "digest": replace(prepared, document_digest=bytes(32)),
        "appended": replace(prepared, appended=prepared.appended.replace(b"text/xml", b"text/xsl")),
        "layout": replace(prepared, xml=replace(prepared.xml, outside_sha256="0" * 64)),
    }[change]
    with pytest.raises(SelfCheckFailed):
        writer.complete(changed, out)


def test_a_large_file_is_checked_by_its_signature_alone(monkeypatch: pytest.MonkeyPatch):
    """Above the limit the parts are parsed that were inserted, for each packaging and encoding."""
    monkeypatch.setattr(checking, "FULL_BELOW", 0)
    writer = hand("p256", "ecdsa_sha256")
    for data in (DATA, "\ufeff<a>đ</a>".encode("utf-16-le"), b"<a/>"):
        for plan in (PLAIN, XmlPlan(packaging="enveloping"), XmlPlan(packaging="detached", name="a")):
            made = writer.sign(data, plan)
            (one,) = found(made, detached={"a": data} if plan.name else {})
            assert one.integrity.failure is None


def test_content_is_read_from_open_files():
    """Detached files are any binary files, read from their beginning."""
    writer = hand("p256", "ecdsa_sha256")
    file = io.BytesIO(b"beside")
    file.seek(3)
    out = file_of()
    plan = XmlPlan(detached=(DetachedContent("a.bin"),))
    prepared = pipeline.prepare(
        file_of(DATA),
        writer.order(plan),
        out=out,
        original_sha256=hashlib.sha256(DATA).hexdigest(),
        nonce=9,
        detached={"a.bin": file},
    )
    made, _ = writer.complete(prepared, out)
    assert None is found(made, detached={"a.bin": b"beside"})[0].integrity.failure
