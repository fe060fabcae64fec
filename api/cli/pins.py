"""What the commands of `kyso trust` ask and say: pins, days, purposes, and why something is refused.

>>> hexadecimal("AB:" * 31 + "ab", "--sha256") == "ab" * 32
True
>>> grouped("0123abcd")
'0123 abcd'
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import get_args

import typer
from asn1crypto import x509

from api.cli import console
from api.cli.console import t
from verify import trust as trusts
from verify import trust_rules
from verify.errors import TrustUnusable
from verify.trust_rules import Purpose

CONFIRMED_BY = 8
"""How many characters of the published SHA-256 a person types."""


def told(error: TrustUnusable) -> console.CommandFailed:
    """What is wrong, in the language of this run: why one is refused must be understood by whoever carries the file."""
    vi = {
        "pin": "nội dung tệp không phải chứng thư có SHA-256 đã ghim trong trust.toml",
        "name-taken": "tên này đã có; chọn tên khác bằng --name",
        "anchor-name": "trust.toml nói về một tệp không có, hoặc tên không hợp lệ",
        "anchor-twice": "chứng thư này đã có trong danh sách tin cậy",
        "no-such-anchor": "không có chứng thư tin cậy tên này; xem kyso trust list",
        "in-bundle": "chứng thư này thuộc gói tin cậy; dùng kyso trust distrust",
        "several": "tệp chứa nhiều chứng thư; tách mỗi chứng thư một tệp",
        "expired": "gói tin cậy đã hết hạn; xin gói mới",
        "older": "gói tin cậy cũ hơn gói đã cài; không được quay lui",
        "signer": "gói do một chứng thư chưa được ghim ký",
        "signature": "chữ ký của gói tin cậy không đúng",
        "digest": "một tệp trong gói không khớp với bản kê đã ký",
        "files": "gói và bản kê đã ký không cùng danh sách tệp",
        "zip": "đây không phải gói tin cậy, hoặc gói đã bị sửa",
        "no-manifest": "đây không phải gói tin cậy",
        "no-anchors": "gói không có chứng thư tin cậy nào",
        "policy": "một chính sách trong gói không dùng được",
        "neither-certificate-nor-crl": "tệp không phải chứng thư hay danh sách thu hồi",
    }.get(str(error.facts.get("reason", "")), "không đọc được")
    return console.CommandFailed(error.code, t(f"{vi} ({error})", str(error)), status=console.REFUSED)


def confirm(certificate: bytes, given: str | None) -> str:
    """The certificate's SHA-256, once the caller has shown to know it; raises CommandFailed."""
    parsed = x509.Certificate.load(certificate)
    actual = trusts.Anchor(certificate).sha256
    if given is not None:
        if hexadecimal(given, "--sha256") != actual:
            raise console.usage(
                t(
                    f"tệp này có SHA-256 khác: {actual}; không thêm",
                    f"the file's SHA-256 is another: {actual}; not added",
                )
            )
        return actual
    console.err.print(parsed.subject.human_friendly, markup=False)
    console.err.print(f"{parsed.not_valid_before:%Y-%m-%d} – {parsed.not_valid_after:%Y-%m-%d}")
    console.err.print(f"SHA-256 {grouped(actual)}")
    if not parsed.ca:
        console.err.print(
            t("Lưu ý: đây không phải chứng thư của tổ chức chứng thực.", "Mind: this is no CA certificate.")
        )
    asked = t(
        f"Đối chiếu với SHA-256 do tổ chức chứng thực công bố (không lấy từ tệp này) và gõ {CONFIRMED_BY} ký tự đầu",
        f"Compare it with the SHA-256 that the authority published, not with this file, and type its first {CONFIRMED_BY}",
    )
    try:
        typed = typer.prompt(asked, err=True)
    except typer.Abort:
        raise console.usage(
            t(
                "chưa xác nhận; dùng --sha256 khi không có người trả lời",
                "not confirmed; give --sha256 where nobody answers",
            )
        ) from None
    if re.sub(r"[^0-9a-f]", "", typed.lower()) != actual[:CONFIRMED_BY]:
        raise console.usage(t("không khớp: không thêm", "that does not match: not added"))
    return actual


def hexadecimal(text: str, option: str) -> str:
    """A SHA-256 as people copy it, with colons and spaces; raises CommandFailed."""
    found = re.sub(r"[\s:]", "", text.lower())
    if not re.fullmatch(r"[0-9a-f]{64}", found):
        raise console.usage(t(f"{option}: cần đủ 64 chữ số thập lục phân", f"{option}: 64 hexadecimal digits"))
    return found


def day(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        return trust_rules.moment(text, end=option != "--from")
    except ValueError:
        raise console.usage(t(f"{option}: ngày dạng 2030-12-31", f"{option}: a day such as 2030-12-31")) from None


def purposes(given: list[str] | None) -> tuple[Purpose, ...]:
    known = get_args(Purpose)
    if not set(given or ()) <= set(known):
        raise console.usage(t("--purpose: signing hoặc timestamping", "--purpose: signing or timestamping"))
    return tuple(one for one in known if not given or one in given)


def grouped(digits: str) -> str:
    """In fours, to be compared by eye."""
    return " ".join(digits[place : place + 4] for place in range(0, len(digits), 4))


def purpose_word(purpose: str) -> str:
    return {"signing": t("chữ ký số", "signing"), "timestamping": t("dấu thời gian", "timestamping")}[purpose]
