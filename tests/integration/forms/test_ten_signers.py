"""Ten signers in turn on one giấy giới thiệu: certified, boxes filled and signed, number and date by the clerk."""

from __future__ import annotations

import importlib.util
import sys
import time
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields

from signer.errors import SigningForbidden
from signer.model import Anchor, FieldPlan, Place
from tests.appliance import ROOT
from tests.pki import Authority
from tests.readers import mupdf, poppler, qpdf
from tests.unit.signer.conftest import Hand
from tests.unit.signer.test_filling import shown
from tests.unit.signer.test_permissions import ours, pyhanko

pytestmark = pytest.mark.pades

LINES = {
    "o3": "Kính gửi: Ban Thường vụ Tỉnh ủy Mẫu",
    "o4": "Kính gửi: Đảng ủy xã Ví Dụ (demo)",
    "o5": "Kính gửi: Chi bộ thôn Ví Dụ (demo)",
}
"""The line above `Số: ........-GT/…, ngày ..... tháng ..... năm ........` in each box that has a number."""

GAPS = {"so": (15.0, 26.0), "ngay": (99.0, 18.0), "thang": (141.0, 18.0), "nam": (178.0, 25.0)}
"""Where the dots of that line begin, and for how long, in points: the sample is set in 10.5 pt."""


def later() -> tuple[FieldPlan, ...]:
    """What the first signer creates for the others: three numbers and dates, and one more box for the archive."""
    plans = []
    for box, words in LINES.items():
        shift = 4.0 if box == "o4" else 0.0  # GT/BTC is wider than GT/ĐU
        for name, (left, width) in GAPS.items():
            moved = left + (shift if name != "so" else 0.0)
            anchor = Anchor(words, size=(width, 13.0), offset=(moved, -16.0), page=2)
            plans.append(FieldPlan(f"{box}_{name}", kind="text", anchor=anchor, max_length=12, label=f"{box} {name}"))
    plans += [
        FieldPlan("luu_tru", place=Place(2, (330, 70, 540, 120)), label="Lưu trữ"),
        FieldPlan("luu_tru_ngay", kind="date", place=Place(2, (250, 90, 325, 106)), label="Ngày lưu"),
    ]
    return tuple(plans)


def number(box: str, value: str) -> tuple[tuple[str, str], ...]:
    """What the clerk writes when the seal is set."""
    return tuple((f"{box}_{name}", text) for name, text in zip(GAPS, (value, "22", "11", "2026"), strict=True))


STEPS = (
    ("Bí thư Chi bộ thôn Mẫu (demo)", "o1_chi_uy", ()),
    ("Phó Bí thư Đảng ủy bộ phận (demo)", "o2_dang_uy_bo_phan", ()),
    ("Phó Bí thư Đảng ủy cơ sở (demo)", "o3_dang_uy_co_so", ()),
    ("Đảng ủy cơ sở Mẫu (demo)", "o3_dau", number("o3", "15")),
    ("Trưởng ban Tổ chức (demo)", "o4_cap_tren", ()),
    ("Ban Thường vụ Tỉnh ủy Mẫu (demo)", "o4_dau", number("o4", "126")),
    ("Bí thư Đảng ủy xã Ví Dụ (demo)", "o5_noi_den", ()),
    ("Đảng ủy xã Ví Dụ (demo)", "o5_dau", number("o5", "7")),
    ("Bí thư Chi bộ thôn Ví Dụ (demo)", "o6_tiep_nhan", ()),
    ("Văn thư lưu trữ (demo)", "luu_tru", (("luu_tru_ngay", "2026-11-22"),)),
)
KEYS = (("rsa2048", "rsassa_pkcs1v15_sha256"), ("p256", "ecdsa_sha256"), ("rsa3072", "rsassa_pss_sha512"))


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.root()


def drawing() -> ModuleType:
    """The module that draws the demo's own document."""
    spec = importlib.util.spec_from_file_location("demo_sample", ROOT / "docker" / "demo" / "sample.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_sample"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's own document, two pages, nine boxes."""
    path = tmp_path_factory.mktemp("sample") / "giay-gioi-thieu.pdf"
    drawing().write(path, issued=date(2026, 11, 22))
    return path


def signed_by_all(authority: Authority, sample: Path, folder: Path, *, certify: int | None) -> list[tuple[Path, float]]:
    """The document after each signer, and the CPU seconds of its signature."""
    current, made = sample, []
    for at, (name, field, values) in enumerate(STEPS):
        key, mechanism = KEYS[at % len(KEYS)]
        out = folder / f"{at + 1}.pdf"
        first = {"certify": certify, "fields": later()} if at == 0 else {}
        hand = Hand(authority.signer(name, key=key), mechanism)
        start = time.process_time()
        hand.sign(current, out, field=field, fill=values, **first)
        made.append((out, time.process_time() - start))
        current = out
    return made


@pytest.mark.parametrize("certify", [2, None], ids=["certified", "approvals only"])
def test_ten_signers_in_turn(authority: Authority, root: Authority, sample: Path, tmp_path: Path, certify):
    """After the last signature each of the ten is valid for Poppler, MuPDF, pyHanko and ourselves, and nothing counts
    as a modification; the numbers and dates are on the page."""
    made = signed_by_all(authority, sample, tmp_path, certify=certify)
    last = made[-1][0]
    assert [True] * 10 == pyhanko(last, root)
    assert [("allowed", False)] * 9 + [("none", False)] == [(one.kind, one.modified) for one in ours(last)]
    said = poppler(last)
    assert 10 == len(said)
    assert all(valid for valid, _ in said)
    assert 1 == sum(whole for _, whole in said)
    assert "" == qpdf(last)
    assert not [line for line in mupdf(last) if "verification failure" in line.lower() or "invalid" in line.lower()]
    seen = shown(last)
    for text in ("126", "2026", "22/11/2026", "Văn thư lưu trữ (demo)"):
        assert text in seen
    print("\nCPU ms:", [round(seconds * 1000) for _, seconds in made])


def test_an_eleventh_is_refused(authority: Authority, sample: Path, tmp_path: Path):
    """Certified at level 2, the document takes what was planned and nothing else."""
    last = signed_by_all(authority, sample, tmp_path, certify=2)[-1][0]
    hand = Hand(authority.signer())
    with pytest.raises(SigningForbidden) as refused:
        hand.sign(last, tmp_path / "11.pdf")
    assert "certified-no-new-fields" == refused.value.facts["reason"]


def test_a_box_keeps_the_way_its_author_wrote_it(authority: Authority, sample: Path, tmp_path: Path):
    """The corners of the sample's boxes are written bottom up; other ones would be a change to who compares objects."""
    with sample.open("rb") as file:
        before = boxes(PdfFileReader(file))
    with signed_by_all(authority, sample, tmp_path, certify=2)[-1][0].open("rb") as file:
        assert before == {name: box for name, box in boxes(PdfFileReader(file)).items() if name in before}
    assert any(bottom > top for _, bottom, _, top in before.values())


def boxes(reader: PdfFileReader) -> dict[str, tuple[float, ...]]:
    """/BBox of the appearance of each signature field."""
    named = [(name, field.get_object()) for name, _, field in enumerate_sig_fields(reader)]
    return {name: tuple(map(float, field["/AP"]["/N"]["/BBox"])) for name, field in named}


@pytest.fixture(scope="module")
def authority(root: Authority) -> Authority:
    return root.authority()
