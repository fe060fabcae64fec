"""A policy file, read strictly: what it may say, what it says wrong by name of the key, and what it takes from another.

Only the form. What the values mean is `verify.policy`'s. Between reading and use stands one plain table, complete and
in a fixed order, so that its text (`write`) is evidence of what was asked: the same on every machine, and readable
without the file that it extends.

>>> table({"extends": "default", "name": "ours", "digests": {"sha1": "refused"}}, base=lambda name: {"name": name})["digests"]
{'sha1': 'refused'}
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

Table = dict[str, Any]

DIGESTS: Final = (
    *("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
    *("sha3_224", "sha3_256", "sha3_384", "sha3_512"),
)
SCHEMES: Final = ("rsassa_pkcs1v15", "rsassa_pss", "ecdsa", "ed25519", "ed448", "dsa")
ROLES: Final = ("signer", "ca", "timestamp")
FORMATS: Final = ("PAdES", "XAdES", "PKCS7", "XMLDSIG")
KEY_USAGES: Final = ("digital_signature", "non_repudiation", "key_encipherment", "data_encipherment")
NAMES: Final = (
    *("common_name", "organization_name", "organizational_unit_name", "country_name", "locality_name"),
    *("state_or_province_name", "serial_number", "title", "email_address", "user_id", "organization_identifier"),
)
FIELDS: Final = tuple(f"{part}.{name}" for part in ("subject", "issuer") for name in NAMES)
OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "changes_forbidden": ("TOTAL_FAILED", "INDETERMINATE"),
    "changes_suspicious": ("TOTAL_FAILED", "INDETERMINATE", "WARNING"),
    "key_usage": ("INDETERMINATE", "WARNING"),
    "extended_key_usage": ("INDETERMINATE", "WARNING"),
    "certificate_field_missing": ("INDETERMINATE", "WARNING", "IGNORED"),
    "claimed_time_outside_certificate": ("INDETERMINATE", "WARNING", "IGNORED"),
    "time_not_proven": ("INDETERMINATE", "WARNING", "IGNORED"),
    "discouraged_algorithm": ("INDETERMINATE", "WARNING", "IGNORED"),
    "signature_policy_unknown": ("INDETERMINATE", "WARNING", "IGNORED"),
    "signature_policy_mismatch": ("INDETERMINATE", "WARNING"),
}
"""What each finding may be made of. None of them can be made to pass what the standard calls failed."""

REFUSED: Final = "refused"
MOST_BITS: Final = 65_536
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,38})){1,32}")
_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_KNOWN = re.compile(rf"{_OID.pattern} sha(256|384|512):[0-9a-f]{{64,128}}")
_USAGE = re.compile(r"[a-z0-9_]{1,60}|[0-2](\.(0|[1-9][0-9]{0,38})){1,32}")


class Faulty(ValueError):
    """The file says something wrong; the message names the key."""


Rule = Callable[[str, object], Any]
"""From a key's name and its value to the value; raises Faulty."""


def _switch(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Faulty(f"{key}: true or false")
    return value


def _number(least: int, most: int) -> Rule:
    def read(key: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Faulty(f"{key}: a whole number from {least} to {most}")
        return value

    return read


def _one_of(*allowed: str) -> Rule:
    def read(key: str, value: object) -> str:
        if value not in allowed:
            raise Faulty(f"{key}: one of {', '.join(allowed)}")
        return str(value)

    return read


def _several(allowed: tuple[str, ...] | re.Pattern[str], what: str = "") -> Rule:
    def read(key: str, value: object) -> list[str]:
        if not isinstance(value, list):
            raise Faulty(f"{key}: a list")
        for item in value:
            known = item in allowed if isinstance(allowed, tuple) else isinstance(item, str) and allowed.fullmatch(item)
            if not known:
                raise Faulty(f"{key}: {item!r} is not {what or 'one of ' + ', '.join(allowed)}")  # type: ignore[arg-type]  # a pattern comes with `what`
        return list(dict.fromkeys(value))

    return read


def _day(key: str, value: object) -> str:
    if value in ("", REFUSED):
        return str(value)
    try:
        return date.fromisoformat(str(value) if isinstance(value, str) else "").isoformat()
    except ValueError:
        raise Faulty(f'{key}: a day such as "2030-12-31", "" or "refused"') from None


def _sizes(key: str, value: object) -> Table | str:
    """`{ 2048 = "2028-12-31", 3072 = "" }`: a longer key is believed at least as long as a shorter one."""
    if value == REFUSED:
        return REFUSED
    if not isinstance(value, dict) or not value:
        raise Faulty(f'{key}: {{ 2048 = "2030-12-31", 3072 = "" }}, or "refused"')
    found: dict[int, str] = {}
    for bits, until in value.items():
        if not re.fullmatch(r"[1-9][0-9]{1,4}", bits) or int(bits) > MOST_BITS:
            raise Faulty(f"{key}.{bits}: the size of a key in bits")
        found[int(bits)] = _day(f"{key}.{bits}", until)
        if found[int(bits)] == REFUSED:
            raise Faulty(f"{key}.{bits}: name no key size instead of a refused one")
    ordered = sorted(found.items())
    ends = [until or "9999-12-31" for _, until in ordered]
    if ends != sorted(ends):
        raise Faulty(f"{key}: a longer key ends before a shorter one")
    return {str(bits): until for bits, until in ordered}


_SECTIONS: Final[Mapping[str, Mapping[str, Rule]]] = {
    "digests": dict.fromkeys(DIGESTS, _day),
    "signatures": dict.fromkeys(SCHEMES, _sizes),
    "algorithms": {"discouraged": _several((*DIGESTS, *SCHEMES))},
    "certificates": {
        "ca_may_sign": _switch,
        "signer_key_usage": _several(KEY_USAGES),
        "signer_extended_key_usage": _several(_USAGE, "the name or identifier of a key purpose"),
        "require_signing_certificate_attribute": _several(FORMATS),
        "fields": _several(FIELDS),
        "waived": _several(_CODE, "the code of a rule"),
    },
    "paths": {
        "initial_policies": _several(_OID, "an object identifier such as 1.2.3"),
        "explicit_policy": _switch,
        "inhibit_mapping": _switch,
        "inhibit_any": _switch,
        "intermediates": _number(0, 8),
    },
    "revocation": {
        **dict.fromkeys(ROLES, _one_of("require", "check", "skip")),
        "max_age_hours": _number(0, 24 * 366),
        "fallback_age_hours": _number(0, 24 * 366),
        "clock_skew_seconds": _number(0, 86_400),
        "fresh_evidence": _several(ROLES),
    },
    "signature_policies": {"known": _several(_KNOWN, '"1.2.3 sha256:…", an identifier and the digest of its document')},
    "outcomes": {key: _one_of(*allowed) for key, allowed in OUTCOMES.items()},
}
_HEAD: Final = ("name", "title", "documents")
"""What a policy says of itself, and does not take from the one that it extends."""
_OPEN: Final = ("digests", "signatures")
"""Sections in which what is not named is refused; elsewhere every key must have been said by somebody."""


def table(given: Mapping[str, Any], *, base: Callable[[str], Table]) -> Table:
    """The whole table that a file means; `base` gives that of the policy it extends. Raises Faulty.

    A key that the file gives takes the place of the same key of the other, whole: nothing is merged within a key.
    """
    if unknown := sorted(set(given) - {*_HEAD, "extends", *_SECTIONS}):
        raise Faulty(f"unknown key {unknown[0]}; there are: {', '.join((*_HEAD, 'extends', *_SECTIONS))}")
    extends = given.get("extends")
    if extends is not None and not (isinstance(extends, str) and _NAME.fullmatch(extends)):
        raise Faulty("extends: the name of a policy")
    if not isinstance(given.get("name"), str) or not _NAME.fullmatch(given["name"]):
        raise Faulty("name: small letters, digits and hyphens, at most 40")
    found: Table = base(extends) if extends is not None else {}
    result: Table = {
        "name": given["name"],
        "title": _title(given.get("title", given["name"])),
        "documents": _switch("documents", given.get("documents", True)),
    }
    for section, rules in _SECTIONS.items():
        own = given.get(section, {})
        if not isinstance(own, Mapping):
            raise Faulty(f"{section}: a section, [{section}]")
        if unknown := sorted(set(own) - set(rules)):
            raise Faulty(f"unknown key {section}.{unknown[0]}; there are: {', '.join(rules)}")
        read = {key: rules[key](f"{section}.{key}", value) for key, value in own.items()}
        whole = {**found.get(section, {}), **read}
        result[section] = {key: whole[key] for key in rules if key in whole}
    return result


def complete(whole: Table) -> None:
    """Raises Faulty when nobody said a key, or when nothing at all would be accepted."""
    for section, rules in _SECTIONS.items():
        if missing := [key for key in rules if section not in _OPEN and key not in whole[section]]:
            raise Faulty(f'{section}.{missing[0]} is missing; begin with extends = "default"')
    for section in _OPEN:
        if all(value == REFUSED for value in whole[section].values()):
            raise Faulty(f"{section}: a policy without algorithms passes nothing")


def write(whole: Table) -> str:
    """The table as TOML, always the same for the same table; `table` reads it back."""
    lines = [f"{key} = {_value(whole[key])}" for key in _HEAD]
    for section in _SECTIONS:
        lines += ["", f"[{section}]", *(f"{key} = {_value(value)}" for key, value in whole[section].items())]
    return "\n".join(lines) + "\n"


def _title(value: object) -> Table:
    both = {"vi": value, "en": value} if isinstance(value, str) else value
    if not isinstance(both, Mapping) or set(both) != {"vi", "en"}:
        raise Faulty('title: a sentence, or { vi = "…", en = "…" }')
    for text in both.values():
        if not isinstance(text, str) or not 1 <= len(text) <= 200 or not text.isprintable():
            raise Faulty("title: one line of at most 200 characters")
    return {"vi": both["vi"], "en": both["en"]}


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    """A TOML basic string; of printable text, JSON's is the same."""
    return json.dumps(text, ensure_ascii=False)
