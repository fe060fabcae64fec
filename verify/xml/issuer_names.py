"""Names of issuers as text, compared with what a certificate says.

XML signatures state an issuer as a string (ds:X509IssuerName) for which there were RFC 1779, 2253 and 4514, and every
program has its own habits beside: the order of the parts, `ST` or `S`, `OID.2.5.4.97`, values in DER (`#1303…`), line
breaks between the parts. So parts are compared as a set, by value, and by type where the type's name is known: a
comparison for a hint beside a digest, and not for building paths.

>>> parts("CN=ACME\\\\, Inc.,O=A  b") == (("2.5.4.3", "acme, inc."), ("2.5.4.10", "a b"))
True
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from asn1crypto import core, x509

MAX_PARTS = 64
MAX_TEXT = 4_096

_KEYWORDS = {
    "cn": "2.5.4.3",
    "surname": "2.5.4.4",
    "serialnumber": "2.5.4.5",
    "c": "2.5.4.6",
    "l": "2.5.4.7",
    "st": "2.5.4.8",
    "s": "2.5.4.8",
    "sp": "2.5.4.8",
    "street": "2.5.4.9",
    "streetaddress": "2.5.4.9",
    "o": "2.5.4.10",
    "ou": "2.5.4.11",
    "t": "2.5.4.12",
    "title": "2.5.4.12",
    "description": "2.5.4.13",
    "businesscategory": "2.5.4.15",
    "postalcode": "2.5.4.17",
    "telephonenumber": "2.5.4.20",
    "name": "2.5.4.41",
    "givenname": "2.5.4.42",
    "g": "2.5.4.42",
    "gn": "2.5.4.42",
    "initials": "2.5.4.43",
    "dnq": "2.5.4.46",
    "dnqualifier": "2.5.4.46",
    "pseudonym": "2.5.4.65",
    "organizationidentifier": "2.5.4.97",
    "dc": "0.9.2342.19200300.100.1.25",
    "uid": "0.9.2342.19200300.100.1.1",
    "e": "1.2.840.113549.1.9.1",
    "email": "1.2.840.113549.1.9.1",
    "emailaddress": "1.2.840.113549.1.9.1",
}
"""`SN` is left out: some mean the surname by it, others the serial number."""

_TYPE = re.compile(r"\s*(?:(?:oid\.)?(?P<oid>\d+(?:\.\d+)+)|(?P<keyword>[A-Za-z][\w\-]*))\s*=\s*", re.IGNORECASE)

Part = tuple[str | None, str]
"""(type as a dotted OID, None when it is not known; value, prepared for comparison)."""


def same(stated: str, issuer: x509.Name) -> bool:
    """Whether the text names what the certificate's name says."""
    wanted = parts(stated)
    left = list(_of(issuer))
    if not wanted or len(wanted) != len(left):
        return False
    for kind, value in wanted:
        found = next((one for one in left if one[1] == value and kind in {None, one[0]}), None)
        if found is None:
            return False
        left.remove(found)
    return True


def parts(stated: str) -> tuple[Part, ...]:
    """The parts of a name in their order; none when the text is no name."""
    found: list[Part] = []
    if len(stated) > MAX_TEXT:
        return ()
    for piece in _pieces(stated):
        matched = _TYPE.match(piece)
        if matched is None:
            if not found:
                return ()
            kind, value = found[-1]  # a comma that somebody did not escape
            found[-1] = (kind, f"{value}, {_prepared(piece)}")
            continue
        kind = matched["oid"] or _KEYWORDS.get((matched["keyword"] or "").lower())
        found.append((kind, _prepared(_value(piece[matched.end() :].strip()))))
    return tuple(found) if len(found) <= MAX_PARTS else ()


def _pieces(stated: str) -> Iterator[str]:
    """What stands between separators that are neither escaped nor quoted."""
    piece, quoted, escaped = "", False, False
    for letter in stated:
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter in ",;+" and not quoted:
            yield piece
            piece = ""
            continue
        piece += letter
    if piece.strip():
        yield piece


def _value(text: str) -> str:
    if text.startswith("#"):
        try:
            native = core.load(bytes.fromhex(text[1:])).native
        except (ValueError, TypeError):
            return text
        return native if isinstance(native, str) else text
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return _unescaped(text)


def _unescaped(text: str) -> str:
    """RFC 4514 §3: a backslash before a special character, or before two hexadecimal digits of UTF-8."""
    octets = re.sub(
        rb"\\([0-9A-Fa-f]{2}|.)",
        lambda found: bytes.fromhex(found[1].decode()) if len(found[1]) == 2 else found[1],
        text.encode(),
        flags=re.DOTALL,
    )
    return octets.decode("utf-8", "replace")


def _prepared(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _of(name: x509.Name) -> Iterator[Part]:
    for relative in name.chosen:
        for one in relative:
            yield one["type"].dotted, _prepared(str(one["value"].native))
