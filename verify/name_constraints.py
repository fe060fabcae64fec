"""Name constraints, RFC 5280 §4.2.1.10: which names the certificates below a CA may bear.

Ours, because the constraints of an anchor count too, every form of name must be weighed or refused, and the work must be
bounded: a hostile certificate holds thousands of names and its CA thousands of constraints.

    constraints = NameConstraints()
    constraints.add(authority)          # raises NamesRefused when the extension is malformed
    constraints.check(certificate)      # raises NamesRefused
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from asn1crypto import core, x509

from verify.asn1 import is_present, raw

MOST_COMPARISONS = 20_000
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_EMAIL_ADDRESS = "1.2.840.113549.1.9.1"

Value = str | bytes | tuple[str, ...]


class NamesRefused(Exception):
    """A name is outside what a CA may certify, or cannot be weighed; the message is a code."""


@dataclass(frozen=True)
class _Name:
    """One name or base of a subtree: `form` as asn1crypto calls it, `value` made comparable."""

    form: str
    value: Value


@dataclass
class NameConstraints:
    """What the CAs of a path have said so far. Each one's permitted names narrow those of the CAs above it."""

    _permitted: list[tuple[_Name, ...]] = field(default_factory=list)
    _excluded: list[_Name] = field(default_factory=list)

    def add(self, authority: x509.Certificate) -> None:
        """RFC 5280 §6.1.4 (g)."""
        value = authority.name_constraints_value
        if value is None:
            return
        permitted, excluded = (tuple(_subtrees(value[name])) for name in ("permitted_subtrees", "excluded_subtrees"))
        if not permitted and not excluded:
            raise NamesRefused("name-constraints-empty")
        self._permitted.append(permitted)
        self._excluded.extend(excluded)

    def check(self, certificate: x509.Certificate) -> None:
        """RFC 5280 §6.1.3 (b), (c)."""
        constraints = len(self._excluded) + sum(map(len, self._permitted))
        if constraints == 0:
            return
        names = list(_names(certificate))
        if constraints * len(names) > MOST_COMPARISONS:
            raise NamesRefused("name-constraints-too-many")
        for name in names:
            if any(_same_form(name, base) and _overlaps(name, base) for base in self._excluded):
                raise NamesRefused("name-excluded")
            for permitted in self._permitted:
                bases = [base for base in permitted if _same_form(name, base)]
                if bases and not any(_within(name, base) for base in bases):
                    raise NamesRefused("name-not-permitted")


def _same_form(name: _Name, base: _Name) -> bool:
    """Raises NamesRefused for a form that is constrained and that nobody here can compare."""
    if name.form != base.form:
        return False
    if name.form not in _WITHIN:
        raise NamesRefused(f"name-form-{name.form.replace('_', '-')}")
    return True


def _within(name: _Name, base: _Name) -> bool:
    return _WITHIN[name.form](name.value, base.value)


def _overlaps(name: _Name, base: _Name) -> bool:
    """As `_within`; a wildcard also stands for each name right below it."""
    if name.form == "dns_name" and isinstance(name.value, str) and isinstance(base.value, str):
        stem = name.value.removeprefix("*.")
        if stem != name.value and base.value.partition(".")[2] == stem:
            return True
    return _within(name, base)


def _subtrees(value: x509.GeneralSubtrees) -> Iterator[_Name]:
    if not is_present(value):
        return
    if len(value) == 0:
        raise NamesRefused("name-constraints-empty")
    for subtree in value:
        if subtree["minimum"].native != 0 or is_present(subtree["maximum"]):
            raise NamesRefused("name-constraints-distance")
        yield _base(subtree["base"])


def _base(general: x509.GeneralName) -> _Name:
    """The base of a subtree. Raises NamesRefused when it is not what its form demands."""
    form = general.name
    match form:
        case "dns_name":
            text = _text(general.chosen)
            if text and not _HOST.fullmatch(text):
                raise NamesRefused("name-constraint-malformed")
            return _Name(form, text)
        case "rfc822_name":
            text = _text(general.chosen, lower=False)
            local, at, host = text.rpartition("@")
            if "@" in local or (at and not local) or not _is_mail_host(host.lower(), whole=bool(at)):
                raise NamesRefused("name-constraint-malformed")
            return _Name(form, f"{local}{at}{host.lower()}")
        case "uniform_resource_identifier":
            text = _text(general.chosen)
            if text and not _HOST.fullmatch(text.removeprefix(".")):
                raise NamesRefused("name-constraint-malformed")
            return _Name(form, text)
        case "ip_address":
            octets = bytes(general.chosen.contents)
            half = len(octets) // 2
            mask = int.from_bytes(octets[half:], "big")
            inverse = mask ^ ((1 << (half * 8)) - 1)
            if half not in {4, 16} or len(octets) != 2 * half or inverse & (inverse + 1):
                raise NamesRefused("name-constraint-malformed")
            return _Name(form, octets)
        case "directory_name":
            return _Name(form, _directory(general.chosen))
    return _Name(form, raw(general))


def _names(certificate: x509.Certificate) -> Iterator[_Name]:
    """The subject and all alternative names; addresses in the subject count where there is no alternative name."""
    subject = certificate.subject
    if len(subject.chosen):
        yield _Name("directory_name", _directory(subject))
    alternative = certificate.subject_alt_name_value
    if alternative is None:
        for relative in subject.chosen:
            for part in relative:
                if part["type"].dotted == _EMAIL_ADDRESS:
                    yield _Name("rfc822_name", _text(part["value"], lower=False))
        return
    for general in alternative:
        match general.name:
            case "directory_name":
                yield _Name("directory_name", _directory(general.chosen))
            case "ip_address":
                yield _Name("ip_address", bytes(general.chosen.contents))
            case "dns_name":
                yield _Name("dns_name", _text(general.chosen))
            case "rfc822_name" | "uniform_resource_identifier":
                yield _Name(general.name, _text(general.chosen, lower=False))
            case other:
                yield _Name(other, raw(general))


def _text(value: core.Asn1Value, *, lower: bool = True) -> str:
    try:
        text = bytes(value.contents).decode("ascii")
    except UnicodeDecodeError:
        raise NamesRefused("name-malformed") from None
    return text.lower() if lower else text


def _directory(name: x509.Name) -> tuple[str, ...]:
    return tuple(relative.hashable for relative in name.chosen)


def _is_mail_host(host: str, *, whole: bool) -> bool:
    return bool(_HOST.fullmatch(host if whole else host.removeprefix(".")))


def _dns_within(name: Value, base: Value) -> bool:
    assert isinstance(name, str) and isinstance(base, str)  # noqa: PT018 - the form says so
    stem = name.removeprefix("*.")
    if not _HOST.fullmatch(stem):
        raise NamesRefused("name-malformed")
    return not base or stem == base or stem.endswith(f".{base}")


def _mail_within(name: Value, base: Value) -> bool:
    assert isinstance(name, str) and isinstance(base, str)  # noqa: PT018
    local, _, host = name.rpartition("@")
    host = host.lower()
    if not local or "@" in local or not _HOST.fullmatch(host):
        raise NamesRefused("name-malformed")
    if "@" in base:
        return base == f"{local}@{host}"
    return host.endswith(base) if base.startswith(".") else host == base


def _uri_within(name: Value, base: Value) -> bool:
    assert isinstance(name, str) and isinstance(base, str)  # noqa: PT018
    try:
        host = (urlsplit(name).hostname or "").lower()
    except ValueError:
        host = ""
    if not _HOST.fullmatch(host) or _is_address(host):
        raise NamesRefused("name-malformed")
    return host.endswith(base) if base.startswith(".") else host == base


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _address_within(name: Value, base: Value) -> bool:
    assert isinstance(name, bytes) and isinstance(base, bytes)  # noqa: PT018
    if len(name) not in {4, 16}:
        raise NamesRefused("name-malformed")
    half = len(base) // 2
    return len(name) == half and all((n ^ b) & m == 0 for n, b, m in zip(name, base[:half], base[half:], strict=True))


def _directory_within(name: Value, base: Value) -> bool:
    return name[: len(base)] == base


_WITHIN = {
    "dns_name": _dns_within,
    "rfc822_name": _mail_within,
    "uniform_resource_identifier": _uri_within,
    "ip_address": _address_within,
    "directory_name": _directory_within,
}
