"""What a signature in XML covers, and that nothing that was moved counts for what it was."""

from __future__ import annotations

import copy
import random

import pytest
from lxml import etree

from tests.unit.verify.xml import peer, sealing
from tests.unit.verify.xml.enveloped import ENVELOPED, EXC, INTACT, XADES, enveloped
from tests.unit.verify.xml.peer import Asked
from verify.xml import names
from verify.xml.canonical import METHODS, canonical

pytestmark = pytest.mark.xades


class TestScope:
    """What is covered, and whether that is all."""

    @pytest.mark.parametrize(
        ("markup", "expected"),
        [
            (enveloped(), "FULL"),
            (enveloped(Asked("", [peer.xpath("not(ancestor-or-self::ds:Signature)"), EXC])), "FULL"),
            (enveloped(Asked("#x", [EXC]), content='<a Id="x"/>'), "PARTIAL"),
            (enveloped(Asked("#x", [EXC]), content='<a Id="x"/><b>not signed</b>'), "PARTIAL"),
            (enveloped(Asked("", [names.ENVELOPED, peer.xpath("not(ancestor-or-self::data)"), EXC])), "PARTIAL"),
            (enveloped(objects="<ds:Object>not signed</ds:Object>"), "PARTIAL"),
            (enveloped(ENVELOPED, Asked("#o", [EXC]), objects='<ds:Object Id="o">signed</ds:Object>'), "FULL"),
            (f'<root Id="r"><a/>{peer.template(Asked("#r", [names.ENVELOPED, EXC]))}</root>', "FULL"),
            (peer.template(Asked("#o", [EXC]), objects='<ds:Object Id="o"><a/></ds:Object>'), "FULL"),
            (peer.template(Asked("#o", [names.BASE64]), objects='<ds:Object Id="o">QUJD</ds:Object>'), "FULL"),
            (peer.template(Asked("#i", [EXC]), objects='<ds:Object><a Id="i"/></ds:Object>'), "FULL"),
            (peer.template(Asked("#i", [EXC]), objects='<ds:Object><a Id="i"/>text</ds:Object>'), "PARTIAL"),
            (peer.template(Asked("#i", [EXC]), objects='<ds:Object><a Id="i"/><b/></ds:Object>'), "PARTIAL"),
            (
                peer.template(
                    Asked("#o", [names.BASE64]), objects='<ds:Object Id="o">QUJD<hidden>QUJD</hidden></ds:Object>'
                ),
                "PARTIAL",
            ),
            (peer.template(Asked("#o", [EXC]), objects='<ds:Object Id="o"/><ds:Object>more</ds:Object>'), "PARTIAL"),
        ],
    )
    def test_full_is_the_whole_document_but_for_signatures(self, markup, expected):
        """Everything else is a part, also where content hides in the signature itself."""
        found = sealing.first(sealing.seal(markup))
        assert (INTACT, expected) == (sealing.failure(found), found.scope)

    def test_a_root_that_only_keeps_signatures_is_no_content(self):
        """As in a container of signatures beside their files; any text or element in it is content."""
        files = {"a.xml": b"<a/>", "empty": b""}
        made = peer.template(Asked("a.xml"), Asked("empty"))
        for markup, expected in (
            (f"<all>\n{made}<!-- c --> </all>", "FULL"),
            (f"<all>{made}<b/></all>", "PARTIAL"),
            (f"<all>text{made}</all>", "PARTIAL"),
        ):
            found = sealing.first(sealing.seal(markup, detached=files), detached=files)
            assert (INTACT, expected) == (sealing.failure(found), found.scope)

    def test_what_is_covered_is_named(self):
        """Elements by their ids, files by their names, the document by its root."""
        asked = [Asked("#x", [EXC]), Asked("hồ sơ.pdf")]
        data = sealing.seal(enveloped(*asked, content='<a Id="x"/><b/>'), detached={"hồ sơ.pdf": b"%PDF"})
        found = sealing.first(data, detached={"hồ sơ.pdf": b"%PDF"})
        (said,) = [one.facts for one in found.checks if one.code == "SCOPE"]
        assert {"scope": "PARTIAL", "covers": "a#x, hồ sơ.pdf"} == said

    def test_a_signature_beside_its_files_covers_them(self):
        """All that it names is there: FULL. One is missing: it is not intact, and no file is covered that is not."""
        files = {"a.xml": b"<a/>", "b.bin": b"\x00"}
        data = sealing.seal(peer.template(Asked("a.xml"), Asked("b.bin")), detached=files)
        whole, lacking = sealing.first(data, detached=files), sealing.first(data, detached={"a.xml": b"<a/>"})
        assert (INTACT, "FULL") == (sealing.failure(whole), whole.scope)
        assert (("SIGNED_DATA_NOT_FOUND", "detached-missing"), "PARTIAL") == (sealing.failure(lacking), lacking.scope)

    def test_a_file_that_no_signature_names_is_told(self):
        """Who hands a file in learns that nobody signed it."""
        findings = sealing.read(sealing.seal(enveloped()), detached={"other.pdf": b"%PDF"})
        assert [("DETACHED_NOT_SIGNED", {"name": "other.pdf"})] == [(one.code, one.facts) for one in findings.warnings]


class TestWrapping:
    """What was moved is not what was signed."""

    @pytest.mark.parametrize(
        ("type_", "moved"),
        [
            (names.TYPE_OBJECT, '<ds:Object Id="t">QUJD</ds:Object>'),
            (names.TYPE_MANIFEST, '<ds:Manifest Id="t"/>'),
            (names.TYPE_SIGNATURE_PROPERTIES, '<ds:SignatureProperties Id="t"/>'),
            (names.TYPE_SIGNED_PROPERTIES, f'<xades:SignedProperties {XADES} Id="t"/>'),
            (f"{names.XADES_111}SignedProperties", f'<xades:SignedProperties {XADES} Id="t"/>'),
        ],
    )
    def test_a_part_of_the_signature_elsewhere_is_not_it(self, type_, moved):
        """A reference that means a part of the signature leads to that part, or nowhere."""
        holder = f"<ds:Object><wrapper><ds:Object>{moved}</ds:Object></wrapper></ds:Object>"
        found = sealing.first(sealing.seal(enveloped(ENVELOPED, Asked("#t", [EXC], type=type_), objects=holder)))
        assert ("SIGNED_DATA_NOT_FOUND", "stands-elsewhere") == sealing.failure(found)

    def test_content_that_was_moved_is_named_and_is_not_the_document(self):
        """The classical attack: what was signed hangs somewhere, and something else stands in its place."""
        data = sealing.seal(enveloped(Asked("#x", [EXC]), content='<order Id="x">1</order>'))
        moved = data.replace(b'<order Id="x">1</order>', b'<order Id="evil">999</order>').replace(
            b"</ds:KeyInfo>", b'</ds:KeyInfo><ds:Object><order Id="x">1</order></ds:Object>'
        )
        found = sealing.first(moved)
        assert (INTACT, "PARTIAL") == (sealing.failure(found), found.scope)

    def test_content_that_was_doubled_is_nobodys(self):
        """Nor is the first of two with one id taken, nor the last."""
        data = sealing.seal(enveloped(Asked("#x", [EXC]), content='<order Id="x">1</order>'))
        doubled = data.replace(b"<root>", b'<root><order Id="x">999</order>')
        assert ("SIGNED_DATA_NOT_FOUND", "id-ambiguous") == sealing.failure(sealing.first(doubled))

    @pytest.mark.parametrize("part", ["SignedInfo", "SignatureValue", "SignatureMethod", "CanonicalizationMethod"])
    def test_parts_that_stand_twice_or_not_at_all_are_no_signature(self, part):
        """Nobody chooses one of two."""
        root = etree.fromstring(sealing.seal(enveloped()))
        element = root.find(f".//{sealing.DS}{part}")
        element.addnext(etree.fromstring(etree.tostring(element)))
        assert ("FORMAT_FAILURE", part) == sealing.failure(sealing.first(etree.tostring(root)))
        for one in root.findall(f".//{sealing.DS}{part}"):
            one.getparent().remove(one)
        assert ("FORMAT_FAILURE", part) == sealing.failure(sealing.first(etree.tostring(root)))

    def test_a_signature_that_signs_nothing_is_none(self):
        """A ds:SignedInfo without references: an empty list is a failure, not a pass."""
        found = sealing.first(sealing.seal(enveloped().replace(ENVELOPED.markup(), "")))
        assert ("FORMAT_FAILURE", "Reference") == sealing.failure(found)


def content_of(root: etree._Element) -> bytes:
    """What a reader takes from the document: all of it but the signatures; of a signature, what is in its objects."""
    method = METHODS[EXC]
    if root.tag != names.tag("ds", "Signature"):
        return canonical(root, method=method, without=list(root.iter(names.tag("ds", "Signature"))))
    inside = (one for holder in root.findall(names.tag("ds", "Object")) for one in holder)
    return b"".join(canonical(one, method=method) for one in inside)


MADE = (
    enveloped(content="<order><to>A</to><sum>1</sum></order>"),
    enveloped(
        Asked("", [peer.xpath("not(ancestor-or-self::ds:Signature)"), EXC]),
        content="<order><sum>1</sum></order><note/>",
    ),
    f'<root Id="r"><order><sum>1</sum></order>{peer.template(Asked("#r", [names.ENVELOPED, EXC]))}</root>',
    peer.template(Asked("#o", [EXC], type=names.TYPE_OBJECT), objects='<ds:Object Id="o"><sum>1</sum></ds:Object>'),
    peer.template(Asked("#i", [EXC]), objects='<ds:Object><sum Id="i">1</sum></ds:Object>'),
)


@pytest.mark.parametrize("number", range(len(MADE)))
def test_whatever_is_moved_nothing_else_is_called_signed(number):
    """Elements removed, doubled, moved, renamed, given other ids, at random: a signature that is intact and covers the
    whole document covers what was signed."""
    signed, chance = sealing.seal(MADE[number]), random.Random(number)
    expected, unharmed = content_of(etree.fromstring(signed)), 0
    for _ in range(300):
        root = etree.fromstring(signed)
        for _ in range(chance.randint(1, 3)):
            harm(root, chance)
        findings = sealing.read(etree.tostring(root))
        if any(one.integrity.intact and one.scope == "FULL" for one in findings.signatures):
            assert expected == content_of(root), etree.tostring(root)
            unharmed += 1
    assert 0 < unharmed < 300


def harm(root: etree._Element, chance: random.Random) -> None:
    elements = list(root.iter("{*}*"))
    one, other = chance.choice(elements), chance.choice(elements)
    match chance.randrange(6):
        case 0 if one.getparent() is not None:
            one.getparent().remove(one)
        case 1:
            other.append(copy.deepcopy(one))
        case 2 if one not in (other, *other.iterancestors()):
            other.insert(0, one)
        case 3:
            one.text = (one.text or "") + "x"
        case 4:
            one.set(chance.choice(["Id", "ID", "id"]), chance.choice(["o", "i", "r", "sig", "other"]))
        case 5:
            one.tag = chance.choice([other.tag, "other"])
