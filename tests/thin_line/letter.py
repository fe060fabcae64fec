"""A letter as offices write them, 14 points and full from edge to edge: the page that takes most octets to be readable."""

from __future__ import annotations

import random

import typst

TEXT = (
    "căn cứ điều lệ đảng quy định công tác văn thư ủy xã thông báo kết luận của ban thường vụ về việc tổ chức ký số các văn bản "
    "cấp chi bộ trực thuộc có trách nhiệm phổ biến đến toàn thể viên thực hiện nghiêm túc báo cáo phòng trước ngày hằng tháng "
    "năm nhiệm kỳ nghị quyết hội đồng chí bí thư phó phụ trách kiểm tra giám sát dân vận tuyên giáo tỉnh trung ương hồ sơ lưu "
    "trữ bảo mật chứng thư dấu thời gian đơn vị cơ quan phối hợp hướng dẫn triển khai kế hoạch"
)
LAYOUT = """\
#set page(paper: "a4", margin: (left: 3cm, right: 2cm, y: 2cm))
#set text(font: ("Liberation Serif", "DejaVu Serif"), size: 14pt, lang: "vi")
#set par(justify: true)
"""


def letter(*, seed: int = 5, paragraphs: int = 40) -> bytes:
    """A PDF of about four pages; the same for the same seed."""
    chance, words = random.Random(seed), TEXT.split()
    text = [
        " ".join(chance.choice(words) for _ in range(chance.randint(40, 110))).capitalize() + "."
        for _ in range(paragraphs)
    ]
    return bytes(typst.compile((LAYOUT + "\n\n".join(text)).encode()))
