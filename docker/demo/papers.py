"""The XML samples: a report on fees that were collected, and the receipt for a dossier of which a PDF is part.

They look as such papers do between workflow systems: a default namespace, `xml:lang`, amounts, people and bodies that are
made up and say so. They are demonstrations, not official forms.

    python docker/demo/papers.py bao-cao-phi.xml phieu-tiep-nhan.xml
"""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from xml.sax.saxutils import quoteattr

REPORT, RECEIPT = "bao-cao-phi.xml", "phieu-tiep-nhan.xml"

FEES = (
    ("Chi bộ thôn Mẫu (demo)", 42, 4_536_000),
    ("Chi bộ thôn Ví Dụ (demo)", 37, 3_811_000),
    ("Chi bộ trường tiểu học Mẫu (demo)", 28, 5_208_000),
)
"""Cell, members, amount in đồng."""

_REPORT = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- TÀI LIỆU MINH HỌA (demo), không có giá trị -->
<BaoCaoDangPhi xmlns="urn:kyso:demo:dang-phi:1" xml:lang="vi" Id="bao-cao">
  <DonVi ma="DU-DEMO">Đảng ủy cơ sở Mẫu (demo)</DonVi>
  <Ky thang="{month}" nam="{year}"/>
  <NgayLap>{today}</NgayLap>
  <ChiTiet>
{rows}
  </ChiTiet>
  <TongCong soDangVien="{members}" donVi="VND">{total}</TongCong>
  <TrichNop tyLe="70" noiNhan="Đảng ủy xã Mẫu (demo)" donVi="VND">{share}</TrichNop>
  <GhiChu><![CDATA[Số liệu minh họa: <không dùng> vào việc gì.]]></GhiChu>
</BaoCaoDangPhi>
"""
_ROW = '    <ChiBo ten={name} soDangVien="{members}" donVi="VND">{amount}</ChiBo>'
_RECEIPT = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- TÀI LIỆU MINH HỌA (demo), không có giá trị -->
<PhieuTiepNhan xmlns="urn:kyso:demo:tiep-nhan:1" xml:lang="vi" Id="phieu">
  <So>0001/TN-DEMO</So>
  <NoiTiepNhan>Bộ phận một cửa xã Ví Dụ (demo)</NoiTiepNhan>
  <NguoiNop>Trần Thị Ví Dụ (demo)</NguoiNop>
  <ThuTuc ma="DEMO-01">Chuyển sinh hoạt đảng (minh họa)</ThuTuc>
  <NgayNhan>{today}</NgayNhan>
  <ThanhPhanHoSo>
    <Tep ten={name} maBam="SHA-256">{digest}</Tep>
  </ThanhPhanHoSo>
</PhieuTiepNhan>
"""


def report(*, today: date) -> str:
    """The fees of a month, by cell."""
    rows = [_ROW.format(name=quoteattr(name), members=members, amount=amount) for name, members, amount in FEES]
    total = sum(amount for *_, amount in FEES)
    return _REPORT.format(
        month=f"{today.month:02}",
        year=today.year,
        today=today.isoformat(),
        rows="\n".join(rows),
        members=sum(members for _, members, _ in FEES),
        total=total,
        share=total * 70 // 100,
    )


def receipt(*, today: date, name: str, content: bytes) -> str:
    """What was handed in: one file, by its name and digest."""
    return _RECEIPT.format(today=today.isoformat(), name=quoteattr(name), digest=hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    now = datetime.now(UTC).date()
    Path(sys.argv[1]).write_text(report(today=now), "utf-8")
    Path(sys.argv[2]).write_text(receipt(today=now, name="ho-so.pdf", content=b""), "utf-8")
