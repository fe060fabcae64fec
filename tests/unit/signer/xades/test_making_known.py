"""What the process that prepared a signature knows of it, and what any other process finds out by reading."""

from __future__ import annotations

from dataclasses import replace

import pytest

from signer import pipeline
from signer.errors import SelfCheckFailed, ValueRefused
from signer.model import Prepared
from signer.xades import checking, making
from signer.xades.plan import ProductionPlace, XmlLayout, XmlPlan
from signer.xades.wording import Wording
from tests.unit.signer.xades.making_support import PLAIN, XmlHand, file_of, found, hand

pytestmark = pytest.mark.xades

DATA = b"<a><b>words</b></a>"


@pytest.fixture
def writer() -> XmlHand:
    return hand("p256", "ecdsa_sha256")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the self-check parsed, by what it stood in."""
    seen: list[str] = []
    alone, named = checking._alone, checking._named

    def counting_alone(markup: bytes, layout: XmlLayout):
        seen.append("signature")
        return alone(markup, layout)

    def counting_named(document, name):
        seen.append("document")
        return named(document, name)

    monkeypatch.setattr(checking, "_alone", counting_alone)
    monkeypatch.setattr(checking, "_named", counting_named)
    return seen


def test_the_process_that_prepared_need_not_parse_again(writer: XmlHand, parsed: list[str]):
    """Another one parses the signature; both let go of the same file."""
    prepared, out = writer.prepare(DATA)
    value = writer.value(prepared)
    laid = file_of(out.read())
    pipeline.complete(prepared, value, out=out, fetcher=writer.fetcher)
    assert [] == parsed
    writer.prepare(b"<another/>")
    pipeline.complete(prepared, value, out=laid, fetcher=writer.fetcher)
    assert ["signature"] == parsed
    out.seek(0)
    laid.seek(0)
    made = out.read()
    assert made == laid.read()
    assert None is found(made)[0].integrity.failure


def test_what_was_restored_elsewhere_is_parsed(writer: XmlHand, parsed: list[str]):
    """After a restart nothing is known."""
    prepared, _ = writer.prepare(DATA)
    making._last.clear()
    out = file_of()
    pipeline.restore(file_of(DATA), prepared, out=out)
    pipeline.complete(prepared, writer.value(prepared), out=out, fetcher=writer.fetcher)
    assert ["signature"] == parsed


@pytest.mark.parametrize(
    ("data", "plan", "how"),
    [
        (DATA, XmlPlan(roles=("đ & <x>",)), []),  # not in SignedInfo
        ("\ufeff<a>đ</a>".encode("utf-16-le"), PLAIN, ["signature"]),
        (DATA, XmlPlan(canonicalization="inclusive"), ["document"]),
        (b'<a><b Id="b"/></a>', XmlPlan(elements=("b",)), ["document"]),
        (DATA, XmlPlan(packaging="enveloping"), ["document"]),
        (DATA, XmlPlan(packaging="detached", name="a & b"), ["document"]),
    ],
    ids=["roles", "utf-16", "inclusive", "element", "enveloping", "detached"],
)
def test_what_is_not_plain_is_read_in_any_case(
    writer: XmlHand, parsed: list[str], data: bytes, plan: XmlPlan, how: list[str]
):
    """Where the signed text does not stand in the file octet for octet, or more was signed than the document."""
    prepared, out = writer.prepare(data, plan)
    pipeline.complete(prepared, writer.value(prepared), out=out, fetcher=writer.fetcher)
    assert how == parsed
    out.seek(0)
    made = out.read()
    assert None is found(made, detached={"a & b": data} if plan.name else {})[0].integrity.failure


ODD = """<a xmlns="urn:a" xmlns:ds="urn:ours-elsewhere" xmlns:xades="urn:x" xml:lang="vi" xml:space="preserve"><b Id="b"/></a>"""
SAYING = XmlPlan(
    roles=("đ & <x>",), commitment="approval", mime="text/xml; charset=utf-8", leaves_out="itself",
    production_place=ProductionPlace(city="Huế"),
)  # fmt: skip


@pytest.mark.parametrize("data", [ODD.encode(), ODD.encode("utf-16")], ids=["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "plan",
    [
        PLAIN,
        SAYING,
        XmlPlan(elements=("b",)),
        XmlPlan(packaging="enveloping"),
        XmlPlan(packaging="detached", elements=("b",)),
        XmlPlan(packaging="detached", name="a & b"),
    ],
    ids=["plain", "saying", "element", "enveloping", "beside", "detached"],
)
def test_what_is_worded_once_is_what_the_document_says(
    writer: XmlHand, monkeypatch: pytest.MonkeyPatch, data: bytes, plan: XmlPlan
):
    """SignedInfo, and by its digest SignedProperties, are the same when canonicalised where they stand."""
    monkeypatch.setattr(writer, "nonce", 1)
    worded, _ = writer.prepare(data, plan)
    monkeypatch.setattr(Wording, "canonical_forms", lambda *_, **__: None)
    monkeypatch.setattr(writer, "nonce", 1)
    read, _ = writer.prepare(data, plan)
    assert worded.tbs == read.tbs


def _without_value(prepared: Prepared) -> Prepared:
    """The value would go somewhere else."""
    return replace(prepared, gap_start=prepared.gap_start - 1, gap_end=prepared.gap_end - 1)


def test_only_what_was_prepared_here_is_known(writer: XmlHand, parsed: list[str]):
    """A preparation that differs in anything is another one, and is read."""
    prepared, out = writer.prepare(DATA)
    for changed in (
        _without_value(prepared),
        replace(prepared, appended=prepared.appended.replace(b"<ds:Object>", b"<ds:Other!>")),
        replace(prepared, order=replace(prepared.order, certificate=writer.signer.chain[0])),
    ):
        with pytest.raises(
            (SelfCheckFailed, ValueRefused)
        ):  # another certificate is refused before anything is written
            pipeline.complete(changed, writer.value(prepared), out=out, fetcher=writer.fetcher)
    assert ["signature"] * 2 == parsed


def test_what_is_known_must_stand_in_the_file(writer: XmlHand, parsed: list[str]):
    """Were a preparation known that does not hold together, its text would not be found, and reading ends it."""
    prepared, out = writer.prepare(DATA)
    for changed in (
        _without_value(prepared),
        replace(prepared, appended=prepared.appended.replace(b"exc-c14n#", b"exc-c14n%", 1)),
        replace(prepared, appended=prepared.appended.replace(b"<ds:X509Certificate>MI", b"<ds:X509Certificate>MJ", 1)),
    ):
        making._last.clear()
        making._last.append(changed)
        parsed.clear()
        with pytest.raises(SelfCheckFailed):
            pipeline.complete(changed, writer.value(prepared), out=out, fetcher=writer.fetcher)
        assert ["signature"] == parsed
