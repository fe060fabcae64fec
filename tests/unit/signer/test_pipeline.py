"""prepare → sign → complete on real PDFs: what comes out, what is refused, and that nothing else is written."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, SigFieldSpec

from signer import pipeline
from signer.errors import (
    FieldAlreadySigned,
    FieldNotFound,
    NoTimestampAuthority,
    OrderInvalid,
    PlaceOutsidePage,
    PreparedMismatch,
    SigningForbidden,
    ValueRefused,
)
from signer.model import Place, Prepared, SignatureValue, Stamp
from tests.documents import pdf
from tests.pki import Authority
from tests.unit.signer.conftest import Hand
from verify.errors import VerifyError

pytestmark = pytest.mark.spine

BOX = Place(page=1, box=(50, 600, 300, 680))


def poppler(path: Path) -> str:
    """What `pdfsig` says of a file."""
    return subprocess.run(["pdfsig", "-nocert", path], capture_output=True, text=True, check=False).stdout


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return pdf(tmp_path / "plain.pdf")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.pdf"


@pytest.mark.parametrize(
    ("key", "mechanism"),
    [
        ("rsa2048", "rsassa_pkcs1v15_sha256"),
        ("rsa3072", "rsassa_pss_sha512"),
        ("p256", "ecdsa_sha256"),
        ("p384", "ecdsa_sha384"),
    ],
)
def test_a_signed_file_is_the_original_and_a_revision(authority: Authority, plain: Path, out: Path, key, mechanism):
    """The original bytes are a prefix of the output, and Poppler finds the whole document signed."""
    signed = Hand(authority.signer(f"Người ký {key}", key=key), mechanism).sign(plain, out)
    data = out.read_bytes()
    assert data.startswith(plain.read_bytes())
    assert hashlib.sha256(data).hexdigest() == signed.sha256
    assert len(data) == signed.size
    said = poppler(out)
    assert "Signature is Valid" in said
    assert "Total document signed" in said


def test_ten_signatures_leave_each_other_valid(hand: Hand, plain: Path, tmp_path: Path):
    """Each signature is a revision of its own; all ten stay valid."""
    current = plain
    for number in range(10):
        following = tmp_path / f"{number}.pdf"
        hand.sign(current, following)
        current = following
    assert 10 == poppler(current).count("Signature is Valid")


@pytest.mark.parametrize("object_streams", [False, True])
def test_cross_reference_tables_and_streams(hand: Hand, tmp_path: Path, out: Path, object_streams: bool):
    """A file with a cross-reference stream is continued with one, a file with a table with a table."""
    hand.sign(pdf(tmp_path / "a.pdf", object_streams=object_streams), out)
    assert "Signature is Valid" in poppler(out)
    assert object_streams == (b"/Type /XRef" in out.read_bytes()[-1500:])


def test_the_only_empty_field_is_taken(hand: Hand, tmp_path: Path, out: Path):
    """A form with one empty box needs no name."""
    field = SigFieldSpec("o1_chi_uy", on_page=0, box=(50, 600, 300, 680))
    assert "o1_chi_uy" == hand.sign(pdf(tmp_path / "a.pdf", fields=(field,)), out).field


def test_several_empty_fields_want_a_name(hand: Hand, tmp_path: Path, out: Path):
    """With two boxes the caller has to say which, and is told which there are."""
    fields = tuple(SigFieldSpec(name, on_page=0, box=(50, y, 300, y + 80)) for name, y in (("o1", 600), ("o2", 500)))
    document = pdf(tmp_path / "a.pdf", fields=fields)
    with pytest.raises(FieldNotFound) as refused:
        hand.sign(document, out)
    assert "o1, o2" == refused.value.facts["fields"]
    with pytest.raises(FieldNotFound):
        hand.sign(document, out, field="o3")
    assert "o2" == hand.sign(document, out, field="o2").field


def test_a_signed_field_is_not_signed_again(hand: Hand, tmp_path: Path, out: Path):
    """A box that holds a signature is refused by name."""
    field = SigFieldSpec("o1", on_page=0, box=(50, 600, 300, 680))
    hand.sign(pdf(tmp_path / "a.pdf", fields=(field,)), out)
    with pytest.raises(FieldAlreadySigned):
        hand.sign(out, tmp_path / "b.pdf", field="o1")


def test_new_fields_get_a_free_name(hand: Hand, plain: Path, out: Path, tmp_path: Path):
    """Invisible signatures without a name are numbered."""
    assert "Signature1" == hand.sign(plain, out).field
    assert "Signature2" == hand.sign(out, tmp_path / "b.pdf", place=BOX).field


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "line\nbreak", "right\u202eleft", "x" * 200])
def test_a_field_name_with_control_characters_is_refused(hand: Hand, plain: Path, out: Path, name: str):
    """Names that cannot be shown or that reorder text are refused."""
    with pytest.raises(OrderInvalid):
        hand.sign(plain, out, field=name)


@pytest.mark.parametrize(
    ("page", "box"),
    [
        (2, (50, 600, 300, 680)),
        (0, (50, 600, 300, 680)),
        (-1, (50, 600, 300, 680)),
        (10**9, (50, 600, 300, 680)),
        (1, (500, 600, 700, 680)),
        (1, (50, 680, 300, 600)),
        (1, (50, 600, 50, 680)),
        (1, (float("nan"), 600, 300, 680)),
        (1, (50, 600, float("inf"), 680)),
    ],
)
def test_a_place_that_is_not_on_the_page_is_refused(hand: Hand, plain: Path, out: Path, page: int, box):
    """A signature that nobody would see where it was meant to be is not made."""
    with pytest.raises(PlaceOutsidePage):
        hand.sign(plain, out, place=Place(page=page, box=box))


def test_a_visible_signature_shows_name_and_time(hand: Hand, plain: Path, out: Path):
    """Vietnamese text comes back from the page as it went in."""
    hand.sign(plain, out, place=BOX)
    text = subprocess.run(["pdftotext", "-layout", out, "-"], capture_output=True, text=True, check=True).stdout
    assert "Nguyễn Văn Mẫu (demo)" in text
    assert "+07:00" in text
    assert "Signature is Valid" in poppler(out)


@pytest.mark.parametrize("rotate", [90, 180, 270])
def test_a_stamp_on_a_turned_page_reads_upright(hand: Hand, tmp_path: Path, out: Path, rotate: int):
    """pdftotext, which follows the page's rotation, reads the stamp in one line."""
    document = pdf(tmp_path / "a.pdf", rotate=rotate)
    hand.sign(document, out, place=BOX, stamp=Stamp(lines=("Ký số văn bản đi",)))
    text = subprocess.run(["pdftotext", "-layout", out, "-"], capture_output=True, text=True, check=True).stdout
    assert "Ký số văn bản đi" in text


def test_a_document_certified_against_changes_is_not_signed(hand: Hand, authority: Authority, plain: Path, out: Path):
    """After DocMDP 1 any further signature would break the certification."""
    _certify(authority, plain, out)
    with pytest.raises(SigningForbidden):
        hand.sign(out, out.with_name("b.pdf"))


def test_a_field_locked_by_an_earlier_signer_is_not_signed(hand: Hand, tmp_path: Path, out: Path):
    """The first signature locks all fields but its own; pyHanko would sign the second and break the first."""
    lock = FieldMDPSpec(FieldMDPAction.ALL)
    fields = (
        SigFieldSpec("o1", on_page=0, box=(50, 600, 300, 680), field_mdp_spec=lock),
        SigFieldSpec("o2", on_page=0, box=(50, 500, 300, 580)),
    )
    hand.sign(pdf(tmp_path / "a.pdf", fields=fields), out, field="o1")
    with pytest.raises(SigningForbidden):
        hand.sign(out, tmp_path / "b.pdf", field="o2")


def test_the_prepared_state_survives_a_journey(hand: Hand, plain: Path, out: Path, tmp_path: Path):
    """Serialised, carried elsewhere, laid out anew from the original: the same signature comes out."""
    prepared = hand.prepare(plain, out)
    elsewhere = msgspec.msgpack.decode(msgspec.msgpack.encode(prepared), type=Prepared)
    assert prepared == elsewhere
    value = hand.value(prepared)
    with out.open("r+b") as target:
        here = pipeline.complete(prepared, value, out=target, fetcher=hand.fetcher)
    with plain.open("rb") as source, (tmp_path / "there.pdf").open("w+b") as target:
        pipeline.restore(source, elsewhere, out=target)
        there = pipeline.complete(elsewhere, value, out=target, fetcher=hand.fetcher)
    assert here == there
    assert out.read_bytes() == (tmp_path / "there.pdf").read_bytes()


def test_another_document_is_not_completed(hand: Hand, plain: Path, out: Path, tmp_path: Path):
    """A prepared signature belongs to one document, by its digest."""
    prepared = hand.prepare(plain, out)
    other = tmp_path / "other.pdf"
    other.write_bytes(plain.read_bytes().replace(b"100 100 l", b"100 200 l"))
    with other.open("rb") as source, (tmp_path / "x.pdf").open("w+b") as target, pytest.raises(PreparedMismatch):
        pipeline.restore(source, prepared, out=target)


def test_a_wrong_value_is_refused_and_does_not_use_up_the_preparation(hand: Hand, plain: Path, out: Path):
    """A value over other bytes is refused; the right one completes afterwards."""
    prepared = hand.prepare(plain, out)
    wrong = SignatureValue(hand.signer.sign(b"something else", hand.mechanism), hand.mechanism)
    with out.open("r+b") as target:
        with pytest.raises(ValueRefused):
            pipeline.complete(prepared, wrong, out=target, fetcher=hand.fetcher)
        with pytest.raises(ValueRefused):
            pipeline.complete(
                prepared, replace(hand.value(prepared), mechanism="ecdsa_sha256"), out=target, fetcher=hand.fetcher
            )
        pipeline.complete(prepared, hand.value(prepared), out=target, fetcher=hand.fetcher)
    assert "Signature is Valid" in poppler(out)


def test_a_digest_that_is_not_the_document_s_is_refused(hand: Hand, plain: Path, out: Path):
    """The caller's idea of the document and the bytes in the file must agree."""
    with plain.open("rb") as source, out.open("w+b") as target, pytest.raises(PreparedMismatch):
        pipeline.prepare(source, hand.order(), out=target, original_sha256="00" * 32, nonce=1)


def test_orders_that_cannot_be_carried_out(hand: Hand, plain: Path, out: Path):
    """A level without an authority, and a time without a zone, are refused before anything is written."""
    with pytest.raises(NoTimestampAuthority):
        hand.prepare(plain, out, level="B-T")
    with pytest.raises(OrderInvalid):
        hand.prepare(plain, out, signing_time=datetime(2026, 11, 22))  # noqa: DTZ001 - a naive time is what is refused
    assert 0 == out.stat().st_size


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"\0" * 200 + data,
        lambda data: b"hello, world",
        lambda data: re.sub(rb"/Kids ?\[[^\]]*\]", b"/Kids 7", data),
        lambda data: data.replace(b"startxref", b"startxxxx"),
    ],
    ids=["empty", "truncated", "bytes before the header", "no PDF", "page tree without pages", "no startxref"],
)
def test_a_broken_document_is_refused_and_nothing_is_written(hand: Hand, plain: Path, out: Path, spoil):
    """A refusal has a code, and leaves the output empty or to be thrown away, never a plausible file."""
    plain.write_bytes(spoil(plain.read_bytes()))
    with pytest.raises((VerifyError, OrderInvalid, PlaceOutsidePage)):
        hand.sign(plain, out)
    assert b"/ByteRange" not in out.read_bytes()


def test_a_large_document_is_signed_in_constant_memory(authority: Authority, tmp_path: Path):
    """300 MB are signed in a process that may not have more than 250 MB of memory beyond its start."""
    document = pdf(tmp_path / "large.pdf", ballast=300_000_000)
    program = (
        "import resource, sys; from pathlib import Path; from tests.pki import Authority;"
        "from tests.unit.signer.conftest import Hand;"
        "hand = Hand(Authority.root().authority().signer());"
        "vm = int(Path('/proc/self/statm').read_text().split()[0]) * 4096;"
        "resource.setrlimit(resource.RLIMIT_AS, (vm + 250_000_000,) * 2);"
        f"print(hand.sign(Path({str(document)!r}), Path({str(tmp_path / 'out.pdf')!r})).size)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.pdf").stat().st_size == int(done.stdout)


def _certify(authority: Authority, source: Path, out: Path) -> None:
    """Certify with pyHanko: DocMDP 1, no changes at all."""
    from asn1crypto import keys, x509
    from cryptography.hazmat.primitives import serialization
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import PdfSignatureMetadata, PdfSigner
    from pyhanko.sign.fields import MDPPerm
    from pyhanko.sign.signers.pdf_cms import SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    signer = authority.signer("Người chứng nhận")
    private = signer.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    simple = SimpleSigner(
        signing_cert=x509.Certificate.load(signer.der),
        signing_key=keys.PrivateKeyInfo.load(private),
        cert_registry=SimpleCertificateStore(),
    )
    metadata = PdfSignatureMetadata(
        field_name="Certified", certify=True, docmdp_permissions=MDPPerm.NO_CHANGES, md_algorithm="sha256"
    )
    with source.open("rb") as document, out.open("w+b") as target:
        PdfSigner(metadata, signer=simple).sign_pdf(IncrementalPdfFileWriter(document), output=target)
    with out.open("rb") as document:
        assert 1 == len(PdfFileReader(document).embedded_signatures)
