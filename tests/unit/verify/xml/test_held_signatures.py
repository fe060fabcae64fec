"""Manifests and counter-signatures: what a signature holds is judged by itself, and told."""

from __future__ import annotations

import pytest

from tests.unit.verify.xml import peer, sealing
from tests.unit.verify.xml.enveloped import ENVELOPED, EXC, INTACT, XADES, enveloped
from tests.unit.verify.xml.peer import Asked
from verify.xml import names

pytestmark = pytest.mark.xades


class TestManifests:
    """Lists of references that are signed as such."""

    def manifest(self, *entries: Asked) -> str:
        listed = "".join(one.markup() for one in entries)
        return f'<ds:Object><ds:Manifest Id="m">{listed}</ds:Manifest></ds:Object>'

    def test_each_entry_is_checked(self):
        """Right, missing and changed ones are told apart; only the manifest itself decides on intact."""
        entries = [Asked("a.xml", id="e1"), Asked("b.xml"), Asked("c.xml")]
        files = {"a.xml": b"<a/>", "b.xml": b"<b/>", "c.xml": b"<c/>"}
        reference = Asked("#m", [EXC], type=names.TYPE_MANIFEST)
        data = sealing.seal(peer.template(reference, objects=self.manifest(*entries)), detached=files)
        findings = sealing.read(data, detached={"a.xml": b"<a/>", "c.xml": b"<changed/>"})
        (found,) = findings.signatures
        assert INTACT == sealing.failure(found)
        assert ["", "detached-missing", "digest"] == sealing.reasons(found, "MANIFEST_ENTRY")
        assert ["MANIFEST_ENTRY_NOT_VERIFIED"] * 2 == [one.code for one in findings.warnings]
        assert (("manifest-entry",), "PARTIAL") == (found.constraints, found.scope)

    def test_missing_entries_alone_are_a_warning(self):
        """Files that are not at hand prove nothing against the signature."""
        data = sealing.seal(
            peer.template(Asked("#m", [EXC], type=names.TYPE_MANIFEST), objects=self.manifest(Asked("a.xml")))
        )
        found = sealing.first(data)
        assert (INTACT, ()) == (sealing.failure(found), found.constraints)

    def test_a_manifest_that_changed_breaks_the_signature(self):
        reference = Asked("#m", [EXC], type=names.TYPE_MANIFEST)
        data = sealing.seal(peer.template(reference, objects=self.manifest(Asked("a.xml"))))
        assert "HASH_FAILURE" == sealing.first(data.replace(b"a.xml", b"b.xml")).integrity.failure

    def test_a_manifest_that_is_not_signed_lists_nothing(self):
        """Its entries are nobody's, whatever their digests."""
        found = sealing.first(sealing.seal(enveloped(objects=self.manifest(Asked("", [names.ENVELOPED])))))
        assert [] == sealing.reasons(found, "MANIFEST_ENTRY")


class TestCounterSignatures:
    """A signature in another one's unsigned properties is over that one's value, or over nothing that counts."""

    def document(self, reference: Asked, *, extra: str = "", type_: str = "") -> str:
        counter = peer.template(reference, objects=extra, id_="counter")
        properties = (
            f'<ds:Object><xades:QualifyingProperties {XADES} Target="#main"><xades:UnsignedProperties>'
            f"<xades:UnsignedSignatureProperties><xades:CounterSignature>{counter}</xades:CounterSignature>"
            "</xades:UnsignedSignatureProperties></xades:UnsignedProperties></xades:QualifyingProperties></ds:Object>"
        )
        main = peer.template(ENVELOPED, objects=properties, id_="main")
        return f"<root>x{main.replace('<ds:SignatureValue>', '<ds:SignatureValue Id=@v@>', 1)}</root>".replace(
            "@v@", '"v"'
        )

    def sealed(self, markup: str) -> bytes:
        """The main signature first, whose value the other one is over."""
        once = sealing.seal(markup)
        return sealing.seal(once.decode())

    @pytest.mark.parametrize("type_", [None, names.TYPE_COUNTERSIGNED])
    def test_it_is_over_the_value_in_which_it_stands(self, type_):
        """With the type of the standard or without one."""
        findings = sealing.read(self.sealed(self.document(Asked("#v", [EXC], type=type_))))
        main, counter = findings.signatures
        assert (INTACT, INTACT) == (sealing.failure(main), sealing.failure(counter))
        assert ("main", "counter", "main", "PARTIAL") == (main.id, counter.id, counter.parent, counter.scope)

    def test_one_over_something_else_is_none(self):
        """Its value is right, and it says nothing of the signature in which it stands."""
        extra = '<ds:Object Id="o">QUJD</ds:Object>'
        asked = Asked("#o", [names.BASE64], type=names.TYPE_COUNTERSIGNED)
        counter = sealing.read(self.sealed(self.document(asked, extra=extra))).signatures[1]
        assert ("SIGNED_DATA_NOT_FOUND", "countersigned-value") == sealing.failure(counter)

    def test_one_over_a_value_that_was_brought_along_is_none(self):
        """A ds:SignatureValue of its own, whatever its id."""
        extra = '<ds:Object><ds:SignatureValue Id="w">QUJD</ds:SignatureValue></ds:Object>'
        counter = sealing.read(self.sealed(self.document(Asked("#w", [EXC]), extra=extra))).signatures[1]
        assert ("SIGNED_DATA_NOT_FOUND", "countersigned-value") == sealing.failure(counter)

    def test_a_signature_elsewhere_is_one_of_its_own(self):
        """In the content of another one it is nobody's counter-signature."""
        inner = peer.template(Asked("#i", [EXC]), objects='<ds:Object Id="i"/>', id_="inner")
        data = sealing.seal(peer.template(Asked("#o", [EXC]), objects=f'<ds:Object Id="o">{inner}</ds:Object>'))
        assert [("sig", None), ("inner", None)] == [(one.id, one.parent) for one in sealing.read(data).signatures]
