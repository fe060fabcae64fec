"""Draws the sample: a two-page giấy giới thiệu sinh hoạt đảng with numbered boxes and empty signature fields.

The layout follows what is used in the field: the issuing body on the left, the Party's heading on the right, the
member's data, then one box (ô) for each level that confirms, in the order in which they sign. Every name is made up
and says so. The fields stand in the document before the first signature, so that each signer only fills its own.
It is a demonstration, not the official form.

    python docker/demo/sample.py giay-gioi-thieu.pdf
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pyhanko.pdf_utils import writer as pdf_writer
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

FONTS = Path("/usr/share/fonts/truetype/liberation2")
WIDTH, HEIGHT = A4
LEFT, RIGHT, TOP, BOTTOM = 68.0, WIDTH - 51.0, HEIGHT - 57.0, 51.0  # margins of 24, 18, 20 and 18 mm
HAND, SEAL, NAME = (150.0, 66.0), 104.0, 18.0
"""A signature by hand, 53 by 23 mm, between office and name; a seal of 36 mm, with a little room; a line for the name."""


@dataclass(frozen=True)
class Box:
    """One numbered box: who confirms there, in whose name and as what, who that is, and the signature fields."""

    number: int
    title: str
    text: str
    on_behalf: str
    role: str
    name: str
    field: str
    seal: str | None = None


BOXES = (
    Box(
        1,
        "CHI ỦY NƠI ĐẢNG VIÊN CHUYỂN ĐI",
        "Kính gửi: Đảng ủy bộ phận Khu Mẫu (demo)<br/>Giới thiệu đồng chí <b>Trần Thị Ví Dụ (demo)</b> đến "
        "đồng chí để làm thủ tục chuyển sinh hoạt đảng.",
        "T/M CHI ỦY",
        "BÍ THƯ",
        "Nguyễn Văn Mẫu (demo)",
        "o1_chi_uy",
    ),
    Box(
        2,
        "ĐẢNG ỦY BỘ PHẬN",
        "Kính gửi: Đảng ủy cơ sở Mẫu (demo)<br/>Đã xem xét hồ sơ và giới thiệu đồng chí có tên trên đến Đảng ủy cơ sở.",
        "T/M ĐẢNG ỦY BỘ PHẬN",
        "BÍ THƯ",
        "Lê Thị Đường Cong (demo)",
        "o2_dang_uy_bo_phan",
    ),
    Box(
        3,
        "ĐẢNG ỦY CƠ SỞ NƠI CHUYỂN ĐI",
        "Kính gửi: Ban Thường vụ Tỉnh ủy Mẫu (demo)<br/>Số: ........-GT/ĐU, ngày ..... tháng ..... năm ........<br/>"
        "Giới thiệu đồng chí có tên trên đến Đảng bộ xã Ví Dụ (demo).",
        "T/M ĐẢNG ỦY",
        "PHÓ BÍ THƯ",
        "Phạm Thị Thứ Hai (demo)",
        "o3_dang_uy_co_so",
        "o3_dau",
    ),
    Box(
        4,
        "CẤP ỦY CẤP TRÊN TRỰC TIẾP",
        "Kính gửi: Đảng ủy xã Ví Dụ (demo)<br/>Số: ........-GT/BTC, ngày ..... tháng ..... năm ........<br/>"
        "Đồng ý chuyển sinh hoạt đảng theo đề nghị tại ô 3.",
        "T/L BAN THƯỜNG VỤ",
        "TRƯỞNG BAN TỔ CHỨC",
        "Trương Thị Minh Họa (demo)",
        "o4_cap_tren",
        "o4_dau",
    ),
    Box(
        5,
        "ĐẢNG ỦY CƠ SỞ NƠI CHUYỂN ĐẾN",
        "Kính gửi: Chi bộ thôn Ví Dụ (demo)<br/>Số: ........-GT/ĐU, ngày ..... tháng ..... năm ........<br/>"
        "Đã nhận hồ sơ và giới thiệu đồng chí về sinh hoạt tại chi bộ.",
        "T/M ĐẢNG ỦY",
        "BÍ THƯ",
        "Ngô Ví Dụ (demo)",
        "o5_noi_den",
        "o5_dau",
    ),
    Box(
        6,
        "CHI ỦY NƠI CHUYỂN ĐẾN",
        "Chi bộ thôn Ví Dụ (demo)<br/>Đã tiếp nhận đồng chí vào sinh hoạt đảng từ ngày ..... tháng ..... năm ........",
        "T/M CHI ỦY",
        "BÍ THƯ",
        "Đinh Văn Thử (demo)",
        "o6_tiep_nhan",
    ),
)

MEMBER = (
    ("Đồng chí", "<b>TRẦN THỊ VÍ DỤ (demo)</b>"),
    ("Sinh ngày", "02 tháng 9 năm 1990"),
    ("Quê quán", "xã Mẫu, tỉnh Mẫu"),
    ("Vào Đảng ngày", "19 tháng 5 năm 2015; chính thức ngày 19 tháng 5 năm 2016"),
    ("Số thẻ đảng viên", "00.000001 (số minh họa)"),
    ("Đã đóng đảng phí đến hết", "tháng {month}"),
    ("Được giới thiệu đến sinh hoạt đảng tại", "Chi bộ thôn Ví Dụ, Đảng bộ xã Ví Dụ (demo)"),
    ("Hồ sơ kèm theo gồm", "lý lịch đảng viên; phiếu đảng viên; bản tự kiểm điểm; nghị quyết của chi bộ"),
)


def _style(size: float = 12, *, bold: bool = False, italic: bool = False, **rest: object) -> ParagraphStyle:
    name = "Serif" + ("-Bold" if bold else "") + ("-Italic" if italic else "")
    return ParagraphStyle("sample", fontName=name, fontSize=size, leading=size * 1.32, **rest)


def _register_fonts() -> None:
    for name, file in (
        ("Serif", "Regular"),
        ("Serif-Bold", "Bold"),
        ("Serif-Italic", "Italic"),
        ("Serif-Bold-Italic", "BoldItalic"),
    ):
        pdfmetrics.registerFont(TTFont(name, FONTS / f"LiberationSerif-{file}.ttf"))
    pdfmetrics.registerFontFamily(
        "Serif", normal="Serif", bold="Serif-Bold", italic="Serif-Italic", boldItalic="Serif-Bold-Italic"
    )


def _put(canvas: Canvas, text: str, style: ParagraphStyle, *, x: float, top: float, width: float) -> float:
    """Set a paragraph with its upper edge at `top`; return its lower edge."""
    paragraph = Paragraph(text, style)
    _, height = paragraph.wrap(width, HEIGHT)
    paragraph.drawOn(canvas, x, top - height)
    return top - height


def _heading(canvas: Canvas, issued: date) -> float:
    half = (RIGHT - LEFT) / 2
    centred = {"alignment": TA_CENTER}
    y = _put(canvas, "ĐẢNG BỘ XÃ MẪU (DEMO)", _style(12.5, **centred), x=LEFT, top=TOP, width=half)
    y = _put(canvas, "CHI BỘ THÔN MẪU", _style(12.5, bold=True, **centred), x=LEFT, top=y, width=half)
    y = _put(canvas, "*", _style(12.5, bold=True, **centred), x=LEFT, top=y, width=half)
    left_end = _put(canvas, "Số 01-GT/CB", _style(12.5, **centred), x=LEFT, top=y + 2, width=half)

    title = "ĐẢNG CỘNG SẢN VIỆT NAM"
    y = _put(canvas, title, _style(14, bold=True, **centred), x=LEFT + half, top=TOP, width=half)
    line = pdfmetrics.stringWidth(title, "Serif-Bold", 14)
    middle = LEFT + half * 1.5
    canvas.setLineWidth(0.9)
    canvas.line(middle - line / 2, y - 1, middle + line / 2, y - 1)
    written = f"Xã Mẫu, ngày {issued.day:02d} tháng {issued.month:02d} năm {issued.year}"
    _put(canvas, written, _style(12.5, italic=True, **centred), x=LEFT + half, top=y - 12, width=half)
    return left_end


def _box(canvas: Canvas, box: Box, *, x: float, top: float, width: float, height: float) -> dict[str, tuple]:
    """Draw one box; return the rectangles of its signature fields."""
    canvas.setLineWidth(0.6)
    canvas.rect(x, top - height, width, height)
    canvas.setFillGray(0.93)
    canvas.rect(x, top - 20, width, 20, stroke=1, fill=1)
    canvas.setFillGray(0)
    _put(canvas, f"<b>Ô {box.number}.</b> <b>{box.title}</b>", _style(9.5), x=x + 6, top=top - 3, width=width - 10)
    y = _put(canvas, box.text, _style(10.5), x=x + 6, top=top - 25, width=width - 12)
    signing = {"alignment": TA_CENTER}
    y = min(y - 4, top - 84)
    # A seal goes over the left third of the person's signature, in true size: who signs moves to the right for it.
    room = (x + 6, x + width - 6) if box.seal is None else (x + 48, x + width - 6)
    y = _put(canvas, box.on_behalf, _style(10.5, bold=True, **signing), x=room[0], top=y, width=room[1] - room[0])
    y = _put(canvas, box.role, _style(10.5, **signing), x=room[0], top=y, width=room[1] - room[0])
    name = _style(10.5, bold=True, **signing)
    across, up = (room[0] + room[1]) / 2, (top - height + NAME + y) / 2
    _put(canvas, box.name, name, x=room[0], top=up - HAND[1] / 2 - 1, width=room[1] - room[0])
    left, right = across - HAND[0] / 2, across + HAND[0] / 2
    person = (left, up - HAND[1] / 2, right, up + HAND[1] / 2)
    if box.seal is None:
        return {box.field: person}
    edge = left + HAND[0] / 3
    return {box.field: person, box.seal: (edge - SEAL, up - SEAL / 2, edge, up + SEAL / 2)}


def _draw(out: io.BytesIO, *, issued: date) -> list[tuple[int, str, tuple]]:
    """Draw both pages to `out`; return (page, field, rectangle) of each signature field."""
    _register_fonts()
    canvas = Canvas(out, pagesize=A4, invariant=True, pageCompression=1, initialFontName="Serif")
    canvas.setTitle("Giấy giới thiệu sinh hoạt đảng (mẫu minh họa)")
    canvas.setAuthor("Kyso demo")
    gap, width = 12.0, (RIGHT - LEFT - 12.0) / 2
    placed: list[tuple[int, str, tuple]] = []

    def row(page: int, pair: tuple[Box, Box], *, top: float, height: float) -> float:
        for column, box in enumerate(pair):
            found = _box(canvas, box, x=LEFT + column * (width + gap), top=top, width=width, height=height)
            placed.extend((page, name, rectangle) for name, rectangle in found.items())
        return top - height - gap

    y = _heading(canvas, issued) - 22
    full = RIGHT - LEFT
    y = _put(canvas, "GIẤY GIỚI THIỆU", _style(16, bold=True, alignment=TA_CENTER), x=LEFT, top=y, width=full)
    y = _put(canvas, "SINH HOẠT ĐẢNG CHÍNH THỨC", _style(14, bold=True, alignment=TA_CENTER), x=LEFT, top=y, width=full)
    middle = WIDTH / 2 + (LEFT - (WIDTH - RIGHT)) / 2
    canvas.line(middle - 45, y - 5, middle + 45, y - 5)
    y = _put(
        canvas,
        "<b><i>Kính gửi:</i></b> Đảng ủy xã Ví Dụ (demo)",
        _style(13, alignment=TA_CENTER),
        x=LEFT,
        top=y - 18,
        width=full,
    )
    y -= 12
    before = issued.replace(day=1) - timedelta(days=1)
    for label, value in MEMBER:
        told = value.format(month=f"{before.month:02d} năm {before.year}")
        y = _put(canvas, f"{label}: {told}.", _style(12.5, firstLineIndent=24), x=LEFT, top=y, width=full) - 4
    y = _put(
        canvas,
        "Đề nghị các cấp ủy đảng lần lượt làm thủ tục giới thiệu, tiếp nhận đồng chí có tên trên theo thứ tự các ô "
        "dưới đây; người ký sau không làm thay đổi phần đã ký trước.",
        _style(12.5, firstLineIndent=24, alignment=TA_JUSTIFY),
        x=LEFT,
        top=y,
        width=full,
    )
    row(1, BOXES[:2], top=y - 20, height=216)
    _footer(canvas, 1)

    canvas.showPage()
    y = _put(
        canvas,
        "XÁC NHẬN CỦA CÁC CẤP ỦY",
        _style(13, bold=True, alignment=TA_CENTER),
        x=LEFT,
        top=TOP,
        width=full,
    )
    y = row(2, BOXES[2:4], top=y - 14, height=258)
    y = row(2, BOXES[4:], top=y, height=258)
    _put(
        canvas,
        "<b>Ghi chú.</b> Cấp nào không có trong hệ thống tổ chức thì bỏ qua ô tương ứng. Mỗi ô ký số theo thứ tự: người "
        "có thẩm quyền ký trước, dấu của cơ quan ký sau. Văn bản này chỉ để minh họa; mọi tên người, tên tổ chức đều "
        "không có thật.",
        _style(10.5, alignment=TA_JUSTIFY),
        x=LEFT,
        top=y - 2,
        width=full,
    )
    _footer(canvas, 2)
    canvas.save()
    return placed


def _footer(canvas: Canvas, page: int) -> None:
    canvas.setFont("Serif-Italic", 9)
    canvas.setFillGray(0.35)
    canvas.drawCentredString(WIDTH / 2, BOTTOM - 24, f"Văn bản mẫu của Kyso, không có giá trị sử dụng · trang {page}/2")
    canvas.setFillGray(0)


def write(path: Path, *, issued: date) -> None:
    """Write the sample to `path`: one revision, fonts embedded, every signature field empty and in its place."""
    drawn = io.BytesIO()
    placed = _draw(drawn, issued=issued)
    flat = pdf_writer.copy_into_new_writer(PdfFileReader(drawn))
    for page, name, rectangle in placed:
        spec = fields.SigFieldSpec(name, on_page=page - 1, box=tuple(round(value) for value in rectangle))
        fields.append_signature_field(flat, spec)
    with path.open("wb") as out:
        flat.write(out)


if __name__ == "__main__":
    write(Path(sys.argv[1]), issued=datetime.now(UTC).astimezone().date())
