"""Documents marked as state secrets are refused, and those that only speak of secrets are not."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path

import pikepdf
import pytest
import typst

from api.sandbox import calls, ops
from tests.http_support import House, house
from verify.fetcher import Offline
from verify.secrecy import DocumentStateSecret, in_text, in_value, marking, require_unmarked

pytestmark = pytest.mark.appliance

MARKS = (
    *("MẬT", "TỐI MẬT", "TUYỆT MẬT", "M Ậ T", "T Ố I   M Ậ T", "T U Y Ệ T  M Ậ T", "[MẬT]", "│ TUYỆT MẬT │"),
    *(" MẬT\u200b ", "Độ mật: Mật", "ĐỘ MẬT: TỐI MẬT", "Mức độ mật : tuyệt mật", "Dấu độ mật: MẬT."),
)
WORDS = (
    *(
        "bảo mật",
        "BẢO MẬT",
        "BẢO MẬT THÔNG TIN",
        "Mật ong",
        "MẬT ONG RỪNG",
        "Mật độ",
        "MẬT ĐỘ DÂN SỐ",
        "mật",
        "Mật khẩu",
    ),
    *(
        "MẬT KHẨU",
        "MẬT MÃ",
        "Bí mật",
        "BÍ MẬT NHÀ NƯỚC",
        "Luật Bảo vệ bí mật nhà nước",
        "THÂN MẬT",
        "cơ mật",
        "túi mật",
    ),
    *(
        "Tài liệu này không phải tài liệu tối mật",
        "Độ mật: Không",
        "MẤT",
        "MẶT",
        "MAT",
        "TOI MAT",
        "Trăng mật",
        "mật mía",
    ),
)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_marks_are_told_from_words(form: str) -> None:
    """However the letters are composed."""
    assert [] == [text for text in MARKS if marking(unicodedata.normalize(form, text)) is None]
    assert [] == [text for text in WORDS if marking(unicodedata.normalize(form, text)) is not None]


def test_a_word_that_a_line_cuts_in_two_is_no_mark() -> None:
    """BẢO at the end of one line and MẬT on the next, MẬT and KHẨU."""
    for text in ("QUY CHẾ BẢO\nMẬT\nthông tin", "MẬT\nKHẨU", "BÍ\nMẬT\nNHÀ NƯỚC"):
        assert in_text(text) is None
    assert "MẬT" == in_text("ĐẢNG BỘ TỈNH MẪU\nMẬT\nSố 01-BC/TU")


def test_values_are_marks_where_they_stand_alone_or_their_name_says_so() -> None:
    """Metadata, attributes, elements."""
    marked = (
        ("Keywords", "báo cáo; Tối mật"),
        ("Title", "MẬT"),
        ("Keywords", "Mật"),
        ("doMat", "mật"),
        ("độ_mật", "tuyệt mật"),
    )
    free = (
        ("Keywords", "mật ong, chăn nuôi"),
        ("Title", "Báo cáo bảo mật"),
        ("ten", "mật"),
        ("doMat", "0"),
        ("Title", "Mật khẩu"),
    )
    assert all(in_value(value, name=name) for name, value in marked)
    assert not any(in_value(value, name=name) for name, value in free)


def page(body: str, **info: str) -> io.BytesIO:
    """A PDF whose page typst sets."""
    source = f'#set page("a5")\n#set text(font: "Liberation Serif", lang: "vi")\n{body}'
    made = io.BytesIO(typst.compile(source.encode()))
    if not info:
        return made
    out = io.BytesIO()
    with pikepdf.open(made) as held:
        for name, value in info.items():
            held.docinfo[f"/{name}"] = value
        held.save(out)
    return out


@pytest.mark.parametrize(
    "body",
    [
        "#rect(stroke: 1.5pt)[*MẬT*]",
        "#rect(stroke: 1.5pt)[*TUYỆT MẬT*]",
        "#text(tracking: 6pt)[*TỐI MẬT*]",
        "#grid(columns: 2, gutter: 1cm)[#rect[*MẬT*]][*ĐẢNG CỘNG SẢN VIỆT NAM*]",
        "Độ mật: Mật",
        "#lorem(300)\n#pagebreak()\n#rect[TỐI MẬT]",
    ],
)
def test_a_stamp_on_a_page_is_found(body: str) -> None:
    """Boxed, spaced, beside other words, on a later page."""
    with pytest.raises(DocumentStateSecret) as caught:
        require_unmarked([page(body)])
    assert {"where": "page"} == caught.value.facts


def test_marks_in_metadata_and_annotations_are_found(tmp_path: Path) -> None:
    """The information dictionary, XMP, a stamp that is an annotation."""
    with pytest.raises(DocumentStateSecret):
        require_unmarked([page("Báo cáo", Keywords="Tối mật")])
    out = io.BytesIO()
    with pikepdf.open(page("Báo cáo")) as held:
        with held.open_metadata() as xmp:
            xmp["dc:subject"] = {"Tuyệt mật"}
        held.save(out)
    with pytest.raises(DocumentStateSecret):
        require_unmarked([out])
    out = io.BytesIO()
    with pikepdf.open(page("Báo cáo")) as held, pikepdf.open(page("#rect[*MẬT*]")) as stamp:
        form = held.copy_foreign(stamp.pages[0].as_form_xobject())
        box = [100, 400, 300, 500]
        held.pages[0].Annots = held.make_indirect(
            [pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Stamp, Rect=box, F=4, AP={"/N": form})]
        )
        held.save(out)
    with pytest.raises(DocumentStateSecret):
        require_unmarked([out])


def test_pages_that_speak_of_secrets_pass() -> None:
    """A regulation on state secrets, honey, passwords, density; with such words alone in headings and cells."""
    body = "= BẢO MẬT\n" + "\n\n".join(text for text in WORDS if text not in ("mật",))
    cells = "#table(columns: 2)[Mật khẩu][Mật ong][MẬT ĐỘ][BÍ MẬT]"
    require_unmarked([page(body + "\n" + cells, Title="Quy chế bảo mật", Keywords="mật ong, bảo mật")])


def test_xml_says_it_in_elements_and_attributes() -> None:
    """Whatever they are called, in capitals; in any letters where they are called so."""
    for text in (
        "<a><DoMat>mật</DoMat></a>",
        '<a do-mat="Tối mật"/>',
        "<a><dau>TUYỆT MẬT</dau></a>",
        "<a>\n MẬT \n</a>",
    ):
        with pytest.raises(DocumentStateSecret):
            require_unmarked([io.BytesIO(text.encode())])
    for text in ("<a><ten>mật ong</ten></a>", '<a do-mat="0">bảo mật</a>', "<a>Mật độ</a>"):
        require_unmarked([io.BytesIO(text.encode())])
    require_unmarked([io.BytesIO(b"neither PDF nor XML: M\xe1\xba\xacT")])


def test_the_operation_of_a_worker_looks_at_every_file() -> None:
    """Detached contents too."""
    plain, secret = io.BytesIO(b"<a>ok</a>"), io.BytesIO("<a>TỐI MẬT</a>".encode())
    with pytest.raises(DocumentStateSecret):
        ops.require_unmarked(calls.RequireUnmarked(detached=("b",)), (plain, secret), Offline())


@pytest.mark.parametrize("refuse", [True, False])
def test_such_a_document_is_refused_and_nothing_of_it_kept(tmp_path: Path, refuse: bool) -> None:
    """Where so configured: its code, a ledger line with the digest alone, no file; without that it is signed."""
    home: House = house(tmp_path / "home", signing={"refuse_state_secrets": refuse})
    home.documents.require_unmarked = lambda source, **more: home.documents._run(
        "require_unmarked", lambda: require_unmarked([source])
    )
    answer = home.ask(
        "POST",
        "/v1/signatures",
        files={"document": ("a.pdf", page("#rect[*TỐI MẬT*]").getvalue())},
        data={"order": json.dumps({"key": "seal"})},
    )
    if not refuse:
        assert 201 == answer.status_code, answer.text
        return
    assert (422, "document-state-secret") == (answer.status_code, answer.json()["code"])
    line = home.services.ledger.read(limit=1000)[-1]
    assert ("REFUSED", "document-state-secret") == (line.kind, line.facts["code"])
    assert "MẬT" not in line.text
    assert 0 == home.token.signed
    kept = [path for folder in (home.services.settings.blobs, home.services.settings.tmp) for path in folder.rglob("*")]
    assert [] == [path for path in kept if path.is_file()]
