"""Large documents are digested as they go by, and judged exactly as they are when they are held whole."""

from __future__ import annotations

import io
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from signer.xades.plan import XmlPlan
from tests.unit.signer.xades.making_support import hand
from verify.document import Limits
from verify.errors import VerifyError
from verify.found import Findings, FoundTimestamp
from verify.xml import names, signatures, streamed
from verify.xml.document import XmlDocument
from verify.xml.references import References

pytestmark = pytest.mark.xades

LIMITS = Limits()
PIECES = (23, 1 << 18)
ITSELF, OTHERS = XmlPlan(leaves_out="itself"), XmlPlan()
INCLUSIVE = XmlPlan(canonicalization="inclusive", leaves_out="itself")
FILES = [
    *sorted(Path("../shared/corpus/xml").glob("*.xml")),
    *sorted(Path(__file__).parents[3].glob("integration/verify/hostile_xml/files/*.xml")),
]
SIGNATURE = re.compile(rb"<ds:Signature .*?</ds:Signature>", re.DOTALL)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every document is large enough."""
    monkeypatch.setattr(streamed, "LEAST", 0)


def imprint(stamp: FoundTimestamp) -> object:
    try:
        return stamp.digest_of("sha256")
    except ValueError as error:
        return str(error)


def compared(found: Findings) -> tuple[object, ...]:
    """Findings without what is a function; what it comes to instead."""
    return (
        tuple(
            (
                replace(one, timestamps=()),
                [(replace(stamp, digest_of=repr), imprint(stamp)) for stamp in one.timestamps],
            )
            for one in found.signatures
        )
        + found.warnings
    )


def outcome(data: bytes, *, whole: bool) -> tuple[object, ...]:
    """What is found, or what it is refused for."""
    try:
        if whole:
            return compared(signatures.find_in(References(XmlDocument.read(io.BytesIO(data), limits=LIMITS))))
        return compared(signatures.find(io.BytesIO(data), limits=LIMITS))
    except VerifyError as error:
        return type(error), error.code, error.facts


def is_streamed(data: bytes) -> bool:
    """Whether the short cut leads to the end."""
    try:
        return bool(signatures.find_in(References(streamed.read(io.BytesIO(data), limits=LIMITS))).signatures)
    except (streamed.NotPlain, VerifyError):
        return False


def require_same(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    expected = outcome(data, whole=True)
    for piece in PIECES:
        monkeypatch.setattr(streamed, "PIECE", piece)
        assert expected == outcome(data, whole=False), piece


def content(seed: int) -> bytes:
    """A document with a bit of everything: comments, instructions, sections, white space, attributes, namespaces."""
    dice = random.Random(seed)

    def part(depth: int) -> str:
        kinds = [
            "<e/>",
            "text ",
            "đ &amp; &#1234; &lt;",
            "\n  ",
            "<!-- c -->",
            "<?p i?>",
            "<![CDATA[<a>&]]>",
            "",
            "\r\n",
        ]
        made = dice.choice([*kinds, "element", "element"] if depth < 4 else kinds)
        if made != "element":
            return made
        name = dice.choice(["a", "p:b", "q:c", "d"])
        spaces = dice.choice(["", "", ' xmlns="urn:other"', ' xmlns=""', ' xmlns:p="urn:again"'])
        attributes = "".join(
            f' {one}="{dice.choice(["x", "a > b", "&quot;", "  two  ", "đ"])}"'
            for one in dice.sample(["k", "p:k", "Id", "xml:lang"], dice.randint(0, 3))
        )
        inner = "".join(part(depth + 1) for _ in range(dice.randint(0, 4)))
        return f"<{name}{spaces}{attributes}>{inner}</{name}>"

    root = 'xmlns="urn:root" xmlns:p="urn:p" xmlns:q="urn:q" xml:lang="vi" say="1 > 0"'
    body = "".join(part(1) for _ in range(dice.randint(2, 14)))
    before, after = dice.choice(["", "<!-- b -->\n", "<?s t?>"]), dice.choice(["", "\n", "<!-- z -->", "<?z?>\n"])
    return f'<?xml version="1.0" encoding="UTF-8"?>{before}<root {root}>{body}<e/></root>{after}'.encode()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem[:60])
def test_each_known_document_is_judged_the_same(monkeypatch: pytest.MonkeyPatch, file: Path):
    """Sound, broken or hostile: whichever way it is read, in pieces of whichever size."""
    data = file.read_bytes()
    monkeypatch.setattr("tests.unit.verify.xml.test_streamed.PIECES", (300,) if len(data) < 100_000 else (1 << 18,))
    require_same(monkeypatch, data)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("plan", [ITSELF, OTHERS, INCLUSIVE], ids=["itself", "others", "inclusive"])
def test_whatever_stands_under_the_root_is_digested(monkeypatch: pytest.MonkeyPatch, seed: int, plan: XmlPlan):
    """As it goes by; and what was changed is found to be, wherever the signature stands."""
    data = hand("p256", "ecdsa_sha256").sign(content(seed), plan)
    assert is_streamed(data)
    require_same(monkeypatch, data)
    (signature,) = SIGNATURE.findall(data)
    rest = data.replace(signature, b"")
    first = rest.index(b'0">', rest.index(b"<root")) + 3
    for moved in (rest[:first] + signature + rest[first:], rest.replace(b"<e/>", b"<e/>" + signature + b"tail", 1)):
        require_same(monkeypatch, moved)
    for changed in (
        (b"<e/></root>", b"<e/>x</root>"),
        (b'xml:lang="vi"', b'xml:lang="en"'),
        (b"<root ", b"<!----><root "),
    ):
        require_same(monkeypatch, data.replace(*changed))
    dice = random.Random(seed)
    at = dice.randrange(len(rest))
    require_same(monkeypatch, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def test_signatures_side_by_side_go_the_short_way(monkeypatch: pytest.MonkeyPatch):
    """Each leaves out all."""
    writer = hand("p256", "ecdsa_sha256")
    data = writer.sign(writer.sign(content(1)))
    assert is_streamed(data)
    require_same(monkeypatch, data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<e/><ds:Signature", b'<e Id="%s"/><ds:Signature'),
        (b"<e/><ds:Signature", b'<f><g xml:id="%s"/></f><ds:Signature'),
        (b"<root ", b'<root Id="%s" '),
    ],
    ids=["child", "deeper", "root"],
)
def test_an_id_that_went_by_is_not_forgotten(monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes):
    """Properties that something else is called like are nobody's, also when that is gone."""
    data = hand("p256", "ecdsa_sha256").sign(content(2))
    target = re.search(rb'URI="#([^"]*-properties)"', data)
    assert target is not None
    doubled = data.replace(old, new % target[1], 1)
    assert doubled != data
    assert not is_streamed(doubled)
    require_same(monkeypatch, doubled)
    assert "id-ambiguous" in repr(outcome(doubled, whole=False))


def test_what_is_over_the_rest_alone_is_not_over_the_whole(monkeypatch: pytest.MonkeyPatch):
    """What stays in memory is no document: a digest of it, or of what of it can be guessed, fits nothing."""
    data = hand("p256", "ecdsa_sha256").sign(b"<root><e>paid</e><e>more</e></root>", ITSELF)
    for less in (b"<root></root>", b"<root><e>paid</e></root>"):
        forged = hand("p256", "ecdsa_sha256").sign(less, ITSELF)
        (signature,) = SIGNATURE.findall(forged)
        mixed = SIGNATURE.sub(signature.replace(b"\\", b"\\\\"), data)
        assert not is_streamed(mixed)
        require_same(monkeypatch, mixed)
        assert "HASH_FAILURE" in repr(outcome(mixed, whole=False))


@pytest.mark.parametrize(
    "data",
    [
        b"<root><a><ds:Signature xmlns:ds='%s'/></a><b/></root>",
        b"<root><a><ds:Reference xmlns:ds='%s'/></a><b/></root>",
        b"<ds:Signature xmlns:ds='%s'><a/><b/><c/></ds:Signature>",
        b"<root><ds:Signature xmlns:ds='%s'/><ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'/></root>",
    ],
    ids=["deeper", "reference", "root", "nothing else"],
)
def test_what_is_built_otherwise_is_read_whole(monkeypatch: pytest.MonkeyPatch, data: bytes):
    """A signature deeper down, or a document that is one or only keeps some."""
    words = f'<!-- "{names.C14N_EXCLUSIVE}" "http://www.w3.org/2001/04/xmlenc#sha256" -->'.encode()
    made = data % names.DS.encode() + words
    with pytest.raises(streamed.NotPlain):
        streamed.read(io.BytesIO(made), limits=LIMITS)
    require_same(monkeypatch, made)


def test_only_signatures_stay(monkeypatch: pytest.MonkeyPatch):
    """And one element for all that went, which no two processes call the same."""
    monkeypatch.setattr(streamed, "PIECE", 100)
    data = hand("p256", "ecdsa_sha256").sign(b"<root>" + b"<e>1</e>" * 5_000 + b"</root>")
    read = streamed.read(io.BytesIO(data), limits=LIMITS)
    stand_in, signature = read.root
    assert signature.tag == names.tag("ds", "Signature")
    assert re.fullmatch("kyso-first-[0-9a-f]{32}", stand_in.tag)
    assert 1 == len(list(XmlDocument.read(io.BytesIO(data), limits=LIMITS).signatures()))


def test_signatures_in_front_are_not_written_for_ever(monkeypatch: pytest.MonkeyPatch):
    """What would be canonicalised again with each piece makes the document one that is read whole."""
    monkeypatch.setattr(streamed, "PIECE", 1000)
    data = hand("p256", "ecdsa_sha256").sign(b"<root>" + b"<e>1</e>" * 5_000 + b"</root>", ITSELF)
    (signature,) = SIGNATURE.findall(data)
    heavy = signature.replace(b"</ds:Signature>", b"<ds:Object>" + b"x" * 30_000 + b"</ds:Object></ds:Signature>")
    moved = data.replace(signature, b"").replace(b"<root>", b"<root>" + heavy)
    with pytest.raises(streamed.NotPlain):
        streamed.read(io.BytesIO(moved), limits=LIMITS)


def test_a_parser_that_is_fed_leaves_no_node_behind():
    """The library frees what is dropped while it still parses: the root and its last child keep their places."""
    parser = etree.XMLPullParser(events=("start",), tag="r")
    parser.feed("<r>a<x/>b<y/>c<z>")
    ((_, root),) = parser.read_events()
    del root[0:2]
    parser.feed("</z>d</r>")
    assert b"<r>a<z/>d</r>" == etree.tostring(parser.close())
    assert root is not None
