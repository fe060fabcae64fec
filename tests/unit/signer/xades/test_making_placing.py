"""Where a signature goes: every kind of end, encoding and root; the original stays, and what is unsafe is refused."""

from __future__ import annotations

import codecs
import hashlib
import io

import pytest
from lxml import etree

from signer.xades import placing
from signer.xades.drafting import NoPlaceForSignature
from signer.xades.plan import XmlPlan
from signer.xades.splicing import EncodingNotSupported
from tests.unit.signer.xades.making_support import DS, found, hand, without_signature
from verify.errors import DoctypeRefused, DocumentBroken

pytestmark = pytest.mark.xades

ENDS = {
    "line": b"<a><b/></a>\n",
    "nothing": b"<a>x</a>",
    "space in the tag": b"<a>x</a \n\t>\r\n",
    "comment": b"<a>x</a><!-- </a> <a/> --><!---->",
    "instruction": b"<a>x</a><?p </a><a/>?>\n",
    "instruction like an end": b"<a>x</a><?p </a><?p?>",
    "instruction like an empty root": b"<a>x</a><?p <a/><?q?>",
    "comment and instruction": b"<a>x</a> <!-- <?p ?> --> <?p --> <!-- ?>",
    "cdata before": b"<a>x<![CDATA[</a>]]></a>",
    "comment before": b"<a>x<!-- </a> --></a>",
    "empty": b"<a/>",
    "empty with space": b"<a  />\n",
    "empty with attributes": b"<a b='>' c=\"/>'\" xmlns:d='urn:d'/>",
    "prefix": b"<p:a-b.c xmlns:p='urn:p'>x</p:a-b.c>",
    "its own namespace": b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#Object"><x/></Signature>',
    "the prefix of signatures": b'<ds:a xmlns:ds="urn:other"><ds:b/></ds:a>',
    "mark": codecs.BOM_UTF8 + b'<?xml version="1.0" encoding="utf-8"?><a>x</a>',
}


@pytest.mark.parametrize("packaging", ["enveloped", "enveloping"])
@pytest.mark.parametrize("end", ENDS)
def test_every_end_of_a_document(end: str, packaging: str):
    """The signature is the last thing in the root, or holds the root, and what it signs is what was there."""
    data = ENDS[end]
    made = hand("p256", "ecdsa_sha256").sign(data, XmlPlan(packaging=packaging))
    (one,) = found(made)
    assert one.integrity.failure is None
    if packaging == "enveloping":
        (content,) = etree.fromstring(made).find(f"{DS}Object")
        before = etree.fromstring(data)
        assert etree.tostring(before, method="c14n", exclusive=True) == etree.tostring(
            content, method="c14n", exclusive=True, with_tail=False
        )
    elif b"><ds:Signature" in made and data.strip().endswith(b"/>"):
        assert etree.fromstring(made)[0].tag == f"{DS}Signature"
    else:
        assert data == without_signature(made)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "windows-1251", "koi8-r"]
)
@pytest.mark.parametrize("packaging", ["enveloped", "enveloping"])
def test_encodings_stay_as_they_are(encoding: str, packaging: str):
    """The document keeps its encoding, also inside a signature; what the signer says is beyond it and still there."""
    text = {"us-ascii": "abc", "windows-1251": "Да", "koi8-r": "Да"}.get(encoding, "é à ü")
    data = f'<?xml version="1.0" encoding="{encoding}"?>\n<a b="{text}">{text}</a>'.encode(encoding)
    made = hand("p256", "ecdsa_sha256").sign(data, XmlPlan(packaging=packaging, roles=("Trưởng phòng",)))
    (one,) = found(made)
    assert one.integrity.failure is None
    root = etree.fromstring(made)
    assert "Trưởng phòng" == root.findtext(".//{*}ClaimedRole")
    assert text in "".join(root.itertext())
    if packaging == "enveloped":
        assert data == without_signature(made)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("body", ["<a>đ😀</a>", "<a/>", "<a>x</a><!-- 😀 </a> -->\n"])
@pytest.mark.parametrize("packaging", ["enveloped", "enveloping"])
@pytest.mark.parametrize("marked", [True, False])
def test_two_bytes_a_character(codec: str, body: str, packaging: str, marked: bool):
    """UTF-16 with its mark or without, both ways round, with characters of four bytes behind the root."""
    mark = (codecs.BOM_UTF16_LE if codec.endswith("le") else codecs.BOM_UTF16_BE) if marked else b""
    data = mark + f'<?xml version="1.0" encoding="UTF-16"?>{body}'.encode(codec)
    made = hand("p256", "ecdsa_sha256").sign(data, XmlPlan(packaging=packaging))
    (one,) = found(made)
    assert one.integrity.failure is None
    assert made.startswith(mark)
    if packaging == "enveloped" and "/>" not in body:
        text = made.removeprefix(mark).decode(codec)
        start, end = text.index("<ds:Signature "), text.index("</ds:Signature>") + len("</ds:Signature>")
        assert data.removeprefix(mark).decode(codec) == text[:start] + text[end:]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ('<?xml version="1.0" encoding="shift_jis"?><a>x</a>'.encode("shift_jis"), EncodingNotSupported),
        (b"<a>x</b>", DocumentBroken),
        (b"<a>", DocumentBroken),
        (b"<a>x</a><b/>", DocumentBroken),
        (b"<a>x</a>y", DocumentBroken),
        (b"<a>x</a><!-- -- -->", DocumentBroken),
        (b"<a>&undeclared;</a>", DocumentBroken),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", DoctypeRefused),
        (b"<a>x</a>" + b"<?p x>?>" * 20_000, NoPlaceForSignature),
    ],
)
@pytest.mark.parametrize("packaging", ["enveloped", "enveloping"])
def test_what_cannot_be_placed_is_refused(data: bytes, error: type[Exception], packaging: str):
    """A broken document says so as it does to a verifier; an end that cannot be told is no place for a signature."""
    with pytest.raises(error):
        hand("p256", "ecdsa_sha256").prepare(data, XmlPlan(packaging=packaging))


def test_candidates_are_few():
    """However many ends a tail pretends to have, only a few are tried, the likeliest first."""
    data = b"<a>x</a><?p " + b"</a> " * 1000 + b"?>"
    assert 0 == len(list(placing.inside(io.BytesIO(data), size=len(data))))
    data = b"<a>x</a><!-- " + b"</a><b> " * 50_000 + b"-->"
    assert 1 == len(list(placing.inside(io.BytesIO(data), size=len(data))))
    data = b"<a>x</a>" + b"<?p </a>" * 100 + b"?>"
    assert 3 == len(list(placing.inside(io.BytesIO(data), size=len(data))))


def test_the_layout_is_what_is_written():
    """Lead, body, what is inserted and the rest, in this order, and SHA-256 of what is outside is remembered."""
    data = b"<a>x</a>\n"
    prepared, out = hand("p256", "ecdsa_sha256").prepare(data)
    layout = prepared.xml
    assert layout is not None
    out.seek(0)
    assert data[: layout.at] + prepared.appended + data[layout.resume :] == out.read()
    assert hashlib.sha256(data).hexdigest() == layout.outside_sha256 == prepared.original_sha256


@pytest.mark.parametrize("packaging", ["enveloped", "enveloping", "detached"])
def test_a_document_that_is_not_small_is_laid_out_in_the_file(packaging: str):
    """Signed twice, so that earlier signatures are looked for and the end is found behind a large body."""
    data = b"<a>" + b"<b>0123456789</b>" * 70_000 + b"<c/></a>\n"
    plan = XmlPlan(packaging=packaging, name="a")
    made = hand("p256", "ecdsa_sha256").sign(data, plan)
    (one,) = found(made, detached={"a": data})
    assert one.integrity.failure is None
    if packaging == "enveloped":
        again = hand("p256", "ecdsa_sha256").sign(made, plan)
        assert [None, None] == [one.integrity.failure for one in found(again)]
        assert made == without_signature(again)


@pytest.mark.parametrize("at", [0, 5, (1 << 20) - 4, (1 << 20) + 1, 1 << 21])
def test_a_word_is_found_wherever_it_stands(at: int):
    """Also across the pieces in which a file is read."""
    assert placing.mentions(io.BytesIO(b" " * at + b"Signature" + b" " * 100), "Signature")
    assert not placing.mentions(io.BytesIO(b" " * at + b"Signatur"), "Signature")
