"""Seed values: what a field's author requires is met or refused, what is preferred is followed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name, pdf_string
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm

from signer.errors import OrderInvalid, SigningForbidden
from tests.pki import Authority
from tests.unit.signer.conftest import Hand
from tests.unit.signer.test_permissions import with_field

pytestmark = pytest.mark.pades


def seeded(folder: Path, **entries: generic.PdfObject) -> Path:
    """A document whose field o1 has these seed values."""

    def change(field: generic.DictionaryObject) -> None:
        seeds = generic.DictionaryObject({pdf_name(f"/{key}"): value for key, value in entries.items()})
        field[pdf_name("/SV")] = seeds

    return with_field(folder, change)


def names(*values: str) -> generic.ArrayObject:
    return generic.ArrayObject(pdf_name(f"/{value}") for value in values)


def strings(*values: str) -> generic.ArrayObject:
    return generic.ArrayObject(pdf_string(value) for value in values)


def number(value: int) -> generic.NumberObject:
    return generic.NumberObject(value)


def dictionary(**entries: generic.PdfObject) -> generic.DictionaryObject:
    return generic.DictionaryObject({pdf_name(f"/{key}"): value for key, value in entries.items()})


REQUIRED = [
    ({"Filter": pdf_name("/Other.Filter"), "Ff": number(1)}, {}, "seed-filter"),
    ({"SubFilter": names("adbe.pkcs7.detached"), "Ff": number(2)}, {}, "seed-sub-filter"),
    ({"V": number(4), "Ff": number(4)}, {}, "seed-version"),
    ({"Reasons": strings("Duyệt", "Xác nhận"), "Ff": number(8)}, {}, "seed-reason"),
    ({"Reasons": strings("Duyệt"), "Ff": number(8)}, {"reason": "Khác"}, "seed-reason"),
    ({"Reasons": strings("."), "Ff": number(8)}, {"reason": "Khác"}, "seed-reason"),
    ({"LegalAttestation": strings("x"), "Ff": number(16)}, {"certify": 2}, "seed-legal-attestation"),
    ({"AddRevInfo": generic.BooleanObject(True), "Ff": number(32)}, {}, "seed-revocation-info"),
    ({"DigestMethod": strings("SHA384", "SHA512"), "Ff": number(64)}, {}, "seed-digest"),
    ({"LockDocument": pdf_name("/true"), "Ff": number(128)}, {"certify": 2}, "seed-lock-document"),
    ({"LockDocument": pdf_name("/false"), "Ff": number(128)}, {"certify": 1}, "seed-lock-document"),
    ({"AppearanceFilter": pdf_string("Dấu"), "Ff": number(256)}, {}, "seed-appearance"),
    ({"MDP": dictionary(P=number(0))}, {"certify": 2}, "seed-certification"),
    ({"MDP": dictionary(P=number(2))}, {"certify": 3}, "seed-certification"),
    ({"TimeStamp": dictionary(URL=pdf_string("http://tsa.invalid"), Ff=number(1))}, {}, "seed-timestamp"),
    ({"Cert": dictionary(Subject=generic.ArrayObject([generic.ByteStringObject(b"x")]), Ff=number(1))}, {}, "Subject"),
    ({"Cert": dictionary(OID=strings("1.2.3"), Ff=number(4))}, {}, "OID"),
    ({"Cert": dictionary(SubjectDN=generic.ArrayObject([dictionary(O=pdf_string("Khác"))]), Ff=number(8))}, {}, "DN"),
    ({"Cert": dictionary(KeyUsage=strings("XX1"), Ff=number(32))}, {}, "KeyUsage"),
    ({"Cert": dictionary(Ff=number(16))}, {}, "flags"),
]


@pytest.mark.parametrize(
    ("entries", "order", "reason"), REQUIRED, ids=[case[2] + str(at) for at, case in enumerate(REQUIRED)]
)
def test_what_is_required_and_not_met_is_refused(hand: Hand, tmp_path: Path, entries, order, reason: str):
    """The reason names the seed value."""
    with pytest.raises(SigningForbidden) as refused:
        hand.sign(seeded(tmp_path, **entries), tmp_path / "1.pdf", field="o1", **order)
    assert reason in f"{refused.value.facts['reason']} {refused.value.facts.get('wanted')}"


def test_the_same_values_as_a_preference_do_not_keep_anybody_from_signing(hand: Hand, tmp_path: Path):
    """Without their bits they are wishes."""
    for entries, order, reason in REQUIRED:
        if "Ff" not in entries or reason == "seed-reason":
            continue
        wishes = {key: value for key, value in entries.items() if key != "Ff"}
        hand.sign(seeded(tmp_path, **wishes), tmp_path / "1.pdf", field="o1", **order)


def test_what_is_met_is_signed(hand: Hand, authority: Authority, tmp_path: Path):
    """All at once: filter, digest, reason, subject, issuer, name and key usage as required."""
    document = seeded(
        tmp_path,
        Filter=pdf_name("/Adobe.PPKLite"),
        SubFilter=names("ETSI.CAdES.detached"),
        DigestMethod=strings("SHA256"),
        Reasons=strings("Duyệt", "Xác nhận"),
        Cert=dictionary(
            Subject=generic.ArrayObject([generic.ByteStringObject(hand.signer.der)]),
            Issuer=generic.ArrayObject([generic.ByteStringObject(authority.der)]),
            SubjectDN=generic.ArrayObject([dictionary(C=pdf_string("VN"), O=pdf_string("Cơ quan Mẫu (demo)"))]),
            KeyUsage=strings("11XXX0", "XX1"),
            Ff=number(1 + 2 + 8 + 32),
        ),
        Ff=number(1 + 2 + 8 + 64),
    )
    hand.sign(document, tmp_path / "1.pdf", field="o1", reason="Xác nhận")
    assert "Xác nhận" == signature(tmp_path / "1.pdf").sig_object["/Reason"]


def test_preferences_are_followed(hand: Hand, tmp_path: Path):
    """One reason, a certification, a lock of the whole document: taken over where the order leaves them open."""
    hand.sign(seeded(tmp_path, Reasons=strings("Duyệt")), tmp_path / "1.pdf", field="o1")
    assert "Duyệt" == signature(tmp_path / "1.pdf").sig_object["/Reason"]
    hand.sign(seeded(tmp_path, MDP=dictionary(P=number(2))), tmp_path / "2.pdf", field="o1")
    assert MDPPerm.FILL_FORMS == signature(tmp_path / "2.pdf").docmdp_level
    hand.sign(seeded(tmp_path, LockDocument=pdf_name("/true")), tmp_path / "3.pdf", field="o1")
    with pytest.raises(SigningForbidden):
        hand.sign(tmp_path / "3.pdf", tmp_path / "4.pdf")


@pytest.mark.parametrize(
    "entries",
    [{"Ff": pdf_string("x")}, {"MDP": dictionary(P=number(7))}, {"Cert": dictionary(Ff=pdf_string("x"))}],
    ids=["flags", "level", "certificate flags"],
)
def test_seed_values_that_cannot_be_read(hand: Hand, tmp_path: Path, entries):
    """What cannot be understood is not signed over."""
    with pytest.raises(OrderInvalid):
        hand.sign(seeded(tmp_path, **entries), tmp_path / "1.pdf", field="o1")


def signature(path: Path):
    return PdfFileReader(path.open("rb")).embedded_signatures[-1]
