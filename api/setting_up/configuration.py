"""`kyso.toml` as the set-up writes it, and the rule that an edited one is never overwritten.

>>> "library" in text_of(Answers(module="hsm", library="/p11.so", token="kyso"))
True
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from api.errors import ApiError
from api.setting_up.answers import SHAPES, TSA_POLICY, Answers
from api.setting_up.offer import Offer

STORAGE_KEY = "secrets/storage.key"
"""Where the key is made under which documents are encrypted."""


class ConfigurationEdited(ApiError):
    """kyso.toml is not as the set-up wrote it: somebody edited it, and it stays."""

    code = "setup-file-edited"


def text_of(answers: Answers) -> str:
    """The whole file."""
    return "\n".join(_lines(answers)) + "\n"


def mark(text: str) -> str:
    """What the set-up remembers of a file that it wrote."""
    return hashlib.sha256(text.encode()).hexdigest()


def difference(present: str, wanted: str) -> str:
    """What would change, as a unified diff."""
    return "".join(
        difflib.unified_diff(
            present.splitlines(keepends=True), wanted.splitlines(keepends=True), "kyso.toml", "kyso.toml (setup)"
        )
    )


def require_ours(file: Path, wanted: str, *, known: str) -> bool:
    """Whether the file has to be written. Raises ConfigurationEdited with `difference` in `detail` where it has to, and
    is neither absent nor what the set-up (`known`, its mark) wrote."""
    try:
        present = file.read_text("utf-8")
    except FileNotFoundError:
        return True
    if present == wanted:
        return False
    if mark(present) != known:
        raise ConfigurationEdited(difference(present, wanted), file=str(file))
    return True


def _lines(answers: Answers) -> Iterator[str]:
    yield "# Viết bởi `kyso setup`. Có thể sửa: tệp đã sửa không bị ghi đè."
    yield "# Written by `kyso setup`. Edit it freely: an edited file is not overwritten."
    yield ""
    if answers.part == "keepers":
        yield "[keepers]"
        yield f"peers = [{', '.join(_s(user) for user in answers.peers)}]"
    else:
        yield from _server(answers)
    if answers.offered is not None:
        yield from _offered(answers, answers.offered)
    else:
        yield from _module(answers)
    if answers.part != "keepers":
        yield from _storage(answers)
        yield from _services(answers)


def _server(answers: Answers) -> Iterator[str]:
    yield "[server]"
    yield f"host = {_s(answers.host)}"
    yield f"port = {answers.port}"
    if answers.origin:
        yield f"origin = {_s(answers.origin)}"
    if answers.tls_certificate is not None and answers.tls_key is not None:
        yield f"tls_certificate = {_s(str(answers.tls_certificate.absolute()))}"
        yield f"tls_key = {_s(str(answers.tls_key.absolute()))}"


def _offered(answers: Answers, offer: Offer) -> Iterator[str]:
    """Modules and keys of keepers apart. What the keepers' own file says of them decides; this one names them."""
    yield ""
    yield "[keepers]"
    yield f"apart = {_s(str(answers.keepers))}"
    for name, module in offer.modules.items():
        yield ""
        yield f"[modules.{name}]"
        yield f"library = {_s(str(module.library))}"
        yield f"token = {_s(module.token)}"
    for ref, key in offer.keys.items():
        yield ""
        yield f"[keys.{_s(ref)}]"
        yield f"shapes = [{', '.join(_s(shape) for shape in key.shapes)}]"
        yield f"holder = {_s(key.holder)}"
        if key.activation is not None:
            told = key.activation
            yield f"[keys.{_s(ref)}.activation]"
            yield f"rp_id = {_s(told.rp_id)}"
            yield f"origins = [{', '.join(_s(origin) for origin in told.origins)}]"
            yield f"seconds = {told.seconds}"
            yield f"most = {told.most}"


def _storage(answers: Answers) -> Iterator[str]:
    if answers.storage == "file":
        yield ""
        yield "[storage]"
        yield f"key_file = {_s(STORAGE_KEY)}"
        if answers.storage_kept_by:
            yield f"kept_by = {_s(answers.storage_kept_by)}"


def _module(answers: Answers) -> Iterator[str]:
    yield ""
    yield f"[modules.{answers.module}]"
    yield f"library = {_s(str(answers.library))}"
    yield f"token = {_s(answers.token)}"
    if answers.pin == "file":
        yield f'pin_file = "secrets/{answers.module}.pin"'
    elif answers.pin == "credential":
        yield 'pin_credential = "token-pin"'
    if answers.environment:
        inside = ", ".join(f"{_s(name)} = {_s(value)}" for name, value in sorted(answers.environment.items()))
        yield f"environment = {{ {inside} }}"
    for key in answers.keys:
        if SHAPES[key.purpose] or key.purpose == "seal":
            yield ""
            yield f"[keys.{_s(key.ref)}]"
            if SHAPES[key.purpose]:
                yield f"shapes = [{', '.join(_s(shape) for shape in SHAPES[key.purpose])}]"
            else:
                yield 'holder = "seal"'


def _services(answers: Answers) -> Iterator[str]:
    if answers.timestamp_authorities:
        yield ""
        yield "[timestamping]"
        yield f"authorities = [{', '.join(_s(url) for url in answers.timestamp_authorities)}]"
    if (authority := answers.key_for("timestamps")) is not None:
        yield ""
        yield "# The policy is an example: put the authority's own identifier here before timestamps are issued."
        yield "[authority]"
        yield f"key = {_s(authority)}"
        yield f'policy = "{TSA_POLICY}"'
    if (ledger := answers.key_for("checkpoints")) is not None:
        yield ""
        yield "[checkpoints]"
        yield f"key = {_s(ledger)}"
        yield f"origin = {_s(answers.ledger_name)}"
    if answers.fetch_allowed:
        yield ""
        yield "[fetch]"
        yield f"allowed = [{', '.join(_s(host) for host in answers.fetch_allowed)}]"


def _s(text: str) -> str:
    """A basic string of TOML, which is spelled as in JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
