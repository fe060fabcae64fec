"""XML for tests of the whole appliance: papers to sign, and what nobody should have to read."""

from __future__ import annotations

FEES = """<?xml version="1.0" encoding="UTF-8"?>
<!-- minh họa -->
<BaoCao xmlns="urn:test:phi" xml:lang="vi" Id="bao-cao">
  <DonVi Id="don-vi">Đảng ủy cơ sở Mẫu (demo)</DonVi>
  <Tong donVi="VND">13555000</Tong>
  <GhiChu><![CDATA[<không dùng>]]></GhiChu>
</BaoCao>
""".encode()

_BOMB = b"".join(b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10))
HOSTILE: dict[str, tuple[bytes, int, str]] = {
    "entity-bomb": (b'<!DOCTYPE a [<!ENTITY l0 "lol">' + _BOMB + b"]><a>&l9;</a>", 422, "document-doctype-refused"),
    "external-entity": (
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        422,
        "document-doctype-refused",
    ),
    "external-dtd": (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>', 422, "document-doctype-refused"),
    "200000-attributes": (
        b"<a " + b" ".join(b'a%d="1"' % number for number in range(200_000)) + b"/>",
        422,
        "document-too-complex",
    ),
    "100000-deep": (b"<a>" * 100_000 + b"</a>" * 100_000, 422, "document-too-complex"),
    "malformed": (b"<a><b></a>", 422, "document-broken"),
    "cut-short": (FEES[:-20], 422, "document-broken"),
    "larger-than-the-limit": (b"<a>" + b" " * (64 << 20) + b"</a>", 413, "document-too-large"),
}
"""What is sent, and the status and code of the answer."""
