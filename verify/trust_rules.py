"""`trust.toml`, beside the certificates of a trust folder: what narrows an anchor, what is distrusted, who may sign bundles.

    [anchors.root-g2]                       # the file root-g2.pem
    title = "Government, for official duty"
    sha256 = "f04b…fdb8"                    # another certificate in the file is refused
    purposes = ["signing"]                  # or "timestamping"; both, if the line is missing
    since = "2018-01-01"                    # not believed for what was proven earlier
    until = "2035-12-31"                    # retired: believed for what is proven to be older

    [distrusted]
    "91ab…07" = "key compromised, notice 12/2026"

    [bundle]
    signers = ["5c1f…aa"]                   # SHA-256 of the certificates whose bundles are believed
    newest = 7                              # the highest number that was ever installed

The file is optional. It is read strictly: what it misspells would leave an anchor unnarrowed. `kyso trust` writes it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, Literal, get_args

from verify.errors import TrustUnusable

RULES_FILE = "trust.toml"
Purpose = Literal["signing", "timestamping"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""What an anchor may be called: it is the name of a file."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 200


@dataclass(frozen=True)
class AnchorRule:
    """What one table `[anchors.NAME]` says."""

    sha256: str | None = None
    purposes: tuple[Purpose, ...] = get_args(Purpose)
    since: datetime | None = None
    until: datetime | None = None
    title: str = ""


@dataclass(frozen=True)
class Rules:
    anchors: Mapping[str, AnchorRule] = field(default_factory=dict)
    distrusted: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of a certificate, and why."""
    bundle_signers: tuple[str, ...] = ()
    bundle_newest: int = 0


def read(data: bytes) -> Rules:
    """The rules in a file's bytes. Raises TrustUnusable, with a message that names the key."""
    try:
        given = tomllib.loads(data.decode("utf-8"))
        _only(given, "", "anchors", "distrusted", "bundle")
        bundle = _table(given, "bundle")
        _only(bundle, "bundle.", "signers", "newest")
        return Rules(
            anchors={name: _anchor(name, rule) for name, rule in _table(given, "anchors").items()},
            distrusted={
                _sha256("distrusted", key): _line(f"distrusted.{key[:8]}", why)
                for key, why in _table(given, "distrusted").items()
            },
            bundle_signers=tuple(
                _sha256("bundle.signers", one) for one in _list("bundle.signers", bundle.get("signers", []))
            ),
            bundle_newest=_count("bundle.newest", bundle.get("newest", 0)),
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TrustUnusable(f"{RULES_FILE}: this is no TOML: {error}", file=RULES_FILE, reason="toml") from error
    except (ValueError, TypeError) as error:
        raise TrustUnusable(f"{RULES_FILE}: {error}", file=RULES_FILE, reason="rules") from error


def write(rules: Rules) -> bytes:
    """The file that says these rules, always the same for the same ones."""
    lines = ["# Written by `kyso trust`: what narrows the anchors beside this file. Notes belong into `title`."]
    for name, rule in sorted(rules.anchors.items()):
        lines += ["", f"[anchors.{_quoted(name)}]"]
        if rule.title:
            lines.append(f"title = {_quoted(rule.title)}")
        if rule.sha256:
            lines.append(f"sha256 = {_quoted(rule.sha256)}")
        lines.append(f"purposes = [{', '.join(map(_quoted, rule.purposes))}]")
        lines += [
            f"{key} = {_quoted(moment.isoformat())}"
            for key, moment in (("since", rule.since), ("until", rule.until))
            if moment
        ]
    if rules.distrusted:
        lines += [
            "",
            "[distrusted]",
            *(f"{_quoted(key)} = {_quoted(why)}" for key, why in sorted(rules.distrusted.items())),
        ]
    if rules.bundle_signers or rules.bundle_newest:
        lines += [
            "",
            "[bundle]",
            f"signers = [{', '.join(map(_quoted, rules.bundle_signers))}]",
            f"newest = {rules.bundle_newest}",
        ]
    return ("\n".join(lines) + "\n").encode()


def moment(text: str, *, end: bool) -> datetime:
    """A day (from its first moment, or to its last: UTC) or a time with its offset. Raises ValueError."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return datetime.combine(date.fromisoformat(text), time.max if end else time.min, tzinfo=UTC)
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("the offset is missing")
    return found.astimezone(UTC)


def _anchor(name: str, rule: object) -> AnchorRule:
    if not NAME.fullmatch(name):
        raise ValueError(f"anchors.{name[:40]}: not the name of a file")
    if not isinstance(rule, dict):
        raise TypeError(f"anchors.{name}: a table")
    where = f"anchors.{name}."
    _only(rule, where, "title", "sha256", "purposes", "since", "until")
    purposes = _list(f"{where}purposes", rule.get("purposes", list(get_args(Purpose))))
    if not purposes or not set(purposes) <= set(get_args(Purpose)):
        raise ValueError(f"{where}purposes: signing, timestamping, or both")
    since, until = (_moment(where, key, rule.get(key)) for key in ("since", "until"))
    if since and until and since > until:
        raise ValueError(f"{where}until: before since")
    return AnchorRule(
        sha256=_sha256(f"{where}sha256", rule["sha256"]) if "sha256" in rule else None,
        purposes=tuple(one for one in get_args(Purpose) if one in purposes),
        since=since,
        until=until,
        title=_line(f"{where}title", rule.get("title", "")),
    )


def _moment(where: str, key: str, value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return moment(value if isinstance(value, str) else "", end=key == "until")
    except ValueError:
        raise ValueError(f'{where}{key}: a day such as "2035-12-31", or a time with its offset') from None


def _only(given: Mapping[str, Any], where: str, *known: str) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"unknown key {where}{unknown[0]}; there are: {', '.join(known)}")


def _table(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = given.get(key, {})
    if not isinstance(value, dict):
        raise TypeError(f"{key}: a table")
    return value


def _list(key: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{key}: a list of words")
    return value


def _sha256(key: str, value: object) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError(f"{key}: a SHA-256, 64 digits and small letters a to f")
    return value


def _line(key: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST or (value and not value.isprintable()):
        raise ValueError(f"{key}: one line of at most {_LONGEST} characters")
    return value


def _count(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key}: a number")
    return value


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
