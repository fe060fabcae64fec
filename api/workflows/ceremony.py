"""A key ceremony: keys made before witnesses, step by step, with a record to print and to sign by hand.

1. present     who is there, by role; every later step names who confirmed it
2. token       which token, by its label, model and serial number
3. key         each key pair is made; its public key's SHA-256 is noted
4. request     its certification request, for the authority; days may pass here
5. certificate the authority's answer is stored beside the key; the keeper refuses one that is about another key
6. test        a key for documents signs bytes that mean nothing, and the value verifies with that certificate
7. closed      when every key has what it needs

The record is `KYSO_HOME/ceremonies/ID/record.json`; what a person reads, `record.md`, is made from it and names its
SHA-256, and the same digest goes into the ledger whenever the record grows. An entry is written before what cannot be
undone (`begun`) and again after it, so that a ceremony that was cut off goes on with the key that it made, and never
takes a key that was there before for its own. Names of people are in the record alone, never in the ledger.

    ceremony = Ceremony.begin(folder, read_script(file), now=now)
    ceremony.add("key", key="seal", begun=True, now=now)
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import Field, ValidationError, model_validator

from api.errors import ApiError
from api.setting_up.answers import NewKeyAnswer
from api.settings.section import Section

RECORD, PAPER = "record.json", "record.md"
NOTHING: Mapping[str, str] = MappingProxyType({})
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9]{8}-[0-9a-f]{6}")


class CeremonyUnusable(ApiError):
    """The script or the record of a ceremony cannot be used."""

    code = "ceremony-unusable"
    actor = "operator"


class Present(Section):
    """Somebody who is there. The name may be asked for when the ceremony begins."""

    role: str = Field(min_length=1, max_length=100)
    name: str = Field(default="", max_length=100)


class Script(Section):
    """What the ceremony is to do."""

    title: str = Field(min_length=1, max_length=200)
    module: str
    present: tuple[Present, ...] = Field(min_length=2)
    """Two at least: the one who acts and the one who looks on."""
    keys: tuple[NewKeyAnswer, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Script:
        if len({key.ref for key in self.keys}) != len(self.keys):
            raise ValueError("keys: two keys of one name")
        if len({one.role for one in self.present}) != len(self.present):
            raise ValueError("present: two of one role")
        for key in self.keys:
            if not key.subject and key.purpose != "checkpoints":
                raise ValueError(f"keys: {key.ref}: a subject is wanted for its certification request")
        return self


def read_script(file: Path) -> Script:
    """Raises CeremonyUnusable with the first fault."""
    try:
        return Script(**tomllib.loads(file.read_text("utf-8")))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise CeremonyUnusable(f"{file}: {where}: {fault['msg']}", where=where or file.name) from None
    except (OSError, ValueError, TypeError) as error:
        raise CeremonyUnusable(f"{file}: {error}", where=file.name) from None


class Ceremony:
    """One ceremony and its record. Every `add` is durable before it returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self._found: dict[str, Any] = json.loads((folder / RECORD).read_text("utf-8"))
            self.script = Script(**self._found["script"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CeremonyUnusable(f"{folder / RECORD}: {type(error).__name__}", where=folder.name) from None

    @classmethod
    def begin(cls, ceremonies: Path, script: Script, *, now: datetime) -> Ceremony:
        """A new one; or the one that was begun with the same script and is not closed."""
        given = script.model_dump(mode="json")
        for folder in sorted(ceremonies.iterdir()) if ceremonies.is_dir() else ():
            if _ID.fullmatch(folder.name) and (folder / RECORD).exists():
                known = cls(folder)
                if known.script.model_dump(mode="json") == given and not known.closed:
                    return known
        folder = ceremonies / f"{now:%Y%m%d}-{secrets.token_hex(3)}"
        folder.mkdir(mode=0o700, parents=True)
        _write(folder / RECORD, {"id": folder.name, "script": given, "entries": []})
        return cls(folder)

    @classmethod
    def find(cls, ceremonies: Path, identity: str) -> Ceremony:
        """The ceremony of this id; raises CeremonyUnusable."""
        if not _ID.fullmatch(identity):
            raise CeremonyUnusable(f"{identity}: no ceremony is called so", where=identity)
        return cls(ceremonies / identity)

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def closed(self) -> bool:
        return self.has("closed")

    @property
    def entries(self) -> tuple[dict[str, Any], ...]:
        return tuple(self._found["entries"])

    @property
    def sha256(self) -> str:
        """Of the record as it stands on the disk."""
        return hashlib.sha256((self.folder / RECORD).read_bytes()).hexdigest()

    def has(self, step: str, key: str = "") -> bool:
        """Whether this was done."""
        return any((one["step"], one["key"], one["begun"]) == (step, key, False) for one in self.entries)

    def was_begun(self, step: str, key: str) -> bool:
        """Whether this was at least begun."""
        return any((one["step"], one["key"]) == (step, key) for one in self.entries)

    def add(
        self, step: str, facts: Mapping[str, str] = NOTHING, *, key: str = "", begun: bool = False, now: datetime
    ) -> None:
        """One more entry; an entry that was begun is finished by one that is not."""
        kept = [one for one in self.entries if not (one["begun"] and (one["step"], one["key"]) == (step, key))]
        at = now.astimezone(UTC).isoformat(timespec="seconds")
        entry = {"step": step, "key": key, "begun": begun, "at": at, "facts": dict(sorted(facts.items()))}
        self._found = {**self._found, "entries": [*kept, entry]}
        _write(self.folder / RECORD, self._found)

    def missing(self) -> tuple[str, ...]:
        """Keys whose certificate or test is still to come."""
        return tuple(key.ref for key in self.script.keys if not self._is_whole(key))

    def _is_whole(self, key: NewKeyAnswer) -> bool:
        if key.purpose == "checkpoints":  # it needs no certificate
            return self.has("key", key.ref)
        tested = key.purpose == "timestamps" or self.has("test", key.ref)
        return self.has("certificate", key.ref) and tested

    def write_paper(self, words: dict[str, str]) -> Path:
        """`record.md`, to be printed and signed by hand; `words` are the steps' names in the language of the house."""
        text = "\n".join(_paper(self, words)) + "\n"
        file = self.folder / PAPER
        _replace(file, text.encode())
        return file


def _paper(ceremony: Ceremony, words: dict[str, str]) -> Iterator[str]:
    yield f"# {ceremony.script.title}"
    yield ""
    yield f"{words['number']}: `{ceremony.id}`  "
    yield f"{words['digest']}: `{ceremony.sha256}`  "
    yield f"{words['state']}: {words['closed'] if ceremony.closed else words['open']}"
    yield ""
    for entry in ceremony.entries:
        about = f" `{entry['key']}`" if entry["key"] else ""
        unfinished = f" ({words['unfinished']})" if entry["begun"] else ""
        yield f"- **{words.get(entry['step'], entry['step'])}**{about}{unfinished}, {entry['at']}"
        for name, value in entry["facts"].items():
            shown = f"`{value}`" if _DIGEST.fullmatch(value) else value
            yield f"  - {words.get(name, name)}: {shown}"
    yield ""
    yield f"## {words['signatures']}"
    yield ""
    yield f"| {words['role']} | {words['name']} | {words['signature']} |"
    yield "|---|---|---|"
    there: dict[str, str] = next((entry["facts"] for entry in ceremony.entries if entry["step"] == "present"), {})
    for one in ceremony.script.present:
        yield f"| {one.role} | {there.get(one.role, one.name)} | |"


def _write(file: Path, found: dict[str, Any]) -> None:
    _replace(file, json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n")


def _replace(file: Path, data: bytes) -> None:
    """Whole or not at all, readable by this user alone. Raises OSError."""
    part = file.with_name(f".{file.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
