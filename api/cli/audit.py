"""`kyso audit`: prove that the ledger is whole, here or on a machine that has nothing but copies.

kyso audit verify                            # database, kept checkpoints, the keepers' logs of uses
kyso audit verify --known 812:9f86…          # it must also begin with a state noted earlier
kyso audit export -o ledger.jsonl            # every line as it was hashed; --since 5000 for what came later
kyso audit verify --export ledger.jsonl --checkpoints ledger.checkpoints --key ky.example.gov.vn/ledger+1f…
kyso audit checkpoint                        # sign one now and print it, to be noted elsewhere; --vkey its public key

Statuses of `verify`: 0 whole, 1 not whole, 64 called wrongly. What is open (a crash between INTENT and DONE) is told and
is no fault of the ledger.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from api import settings as kyso_settings
from api.cli import appliance, console, ledger_keys
from api.cli.console import Form, Lang, t
from api.cli.output import atomic
from api.ledger import Ledger, LedgerState
from api.ledger.auditing import Audit, Evidence, audit_database, audit_export
from api.ledger.examine import Finding
from api.ledger.kept import KEY, NOTES, Piece, pieces
from api.ledger.note import VerifierKey
from api.locale import fill, words
from api.settings import Settings
from api.store.database import open_database
from hsm.errors import UseLogBroken
from hsm.token import Token
from hsm.uselog import KeyUse, history

NOT_WHOLE = 1

app = typer.Typer(no_args_is_help=True, help=t("nhật ký ký số", "the ledger"))


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="audit")


@app.command("verify", help=t("chứng minh nhật ký còn nguyên vẹn", "prove that the ledger is whole"))
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(help=t("tệp đã xuất; mặc định: kho dữ liệu", "an exported file"), show_default=False),
    ] = None,
    *,
    exported: Annotated[
        Path | None, typer.Option("--export", help=t("tệp đã xuất, như tham số", "an exported file, as the argument"))
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option("--checkpoints", help=t("tệp điểm kiểm tra đã ký", "file of signed checkpoints")),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", help=t("khóa công khai của điểm kiểm tra, chuỗi hoặc tệp", "verifier key, text or file")),
    ] = None,
    uses: Annotated[
        list[Path] | None,
        typer.Option("--uses", help=t("sổ dùng khóa của bộ giữ khóa", "a keeper's log of uses (keeper-NAME.uses)")),
    ] = None,
    known: Annotated[
        list[str] | None,
        typer.Option("--known", help=t("trạng thái đã ghi lại, SỐ:GỐC", "a state noted earlier, SIZE:ROOT")),
    ] = None,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    states = tuple(_known(text) for text in known or ())
    file = file or exported
    notes: list[str] = []
    wrong: list[Finding] = []
    if file is None:
        settings = kyso_settings.load()
        ledger = _ledger(settings)
        until = ledger.state().size
        evidence = Evidence(
            _pieces(checkpoints or settings.checkpoint_folder / NOTES, is_named=checkpoints is not None),
            _keys(key, beside=checkpoints or settings.checkpoint_folder / NOTES, notes=notes),
            _uses_of(settings, uses, wrong, notes=notes),
            {ref: one.twin for ref, one in settings.keys.items() if one.twin is not None},
            states,
        )
        audit = audit_database(ledger, evidence, until=until)
    else:
        beside = _pieces(checkpoints, is_named=True) if checkpoints is not None else ()
        keys = _keys(key, beside=checkpoints, notes=notes)
        logs_given = _uses(uses, wrong, are_named=True) if uses else None
        evidence = Evidence(beside, keys, logs_given, known=states)
        try:
            with file.open("rb") as opened:
                audit = audit_export(opened, evidence)
        except OSError as error:
            raise console.usage(f"{file}: {error.strerror}") from None
    raise typer.Exit(_tell(audit, wrong, notes, form=form))


@app.command("export", help=t("xuất nhật ký, mỗi dòng một bản ghi", "write the ledger out, a line each"))
def export(
    output: Annotated[Path | None, typer.Option("-o", "--output", help=t("tệp kết quả", "file to write"))] = None,
    since: Annotated[
        int, typer.Option("--since", min=0, help=t("chỉ các dòng sau dòng này", "only the lines behind this one"))
    ] = 0,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    ledger = _ledger(kyso_settings.load())
    size = ledger.state().size
    if since > size:
        raise console.usage(t(f"--since: nhật ký có {size} dòng", f"--since: the ledger has {size} lines"))
    if output is None:
        ledger.export(sys.stdout.buffer, since=since)
        sys.stdout.buffer.flush()
        return
    with atomic(output) as file:
        ledger.export(file, since=since)


@app.command("checkpoint", help=t("ký điểm kiểm tra ngay", "sign a checkpoint now"))
def checkpoint(
    vkey: Annotated[
        bool, typer.Option("--vkey", help=t("chỉ in khóa công khai", "print the verifier key only"))
    ] = False,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    from api.workflows import checkpoints  # noqa: PLC0415 - `verify` needs no part of the service

    with appliance.services(kyso_settings.load()) as services:
        if vkey:
            print(checkpoints.verifier_key(services).text)
            return
        note = checkpoints.make(services)
        if note is None:
            checkpoints.verifier_key(services)  # says what is missing
            raise console.usage(t("nhật ký chưa có dòng nào", "the ledger has no line yet"))
        sys.stdout.write(note.text)


# --- what it is held against ------------------------------------------------------------------------------------------


def _ledger(settings: Settings) -> Ledger:
    return Ledger(open_database(settings.database_url))


def _pieces(path: Path, *, is_named: bool) -> tuple[Piece, ...]:
    if is_named and not path.is_file():
        raise console.usage(t(f"--checkpoints: không có tệp {path}", f"--checkpoints: there is no file {path}"))
    try:
        return pieces(path)
    except (OSError, ValueError) as error:
        raise console.usage(f"--checkpoints: {error}") from None


def _keys(given: list[str] | None, *, beside: Path | None, notes: list[str]) -> tuple[VerifierKey, ...]:
    """The keys that were named, else the one beside the checkpoints."""
    if given:
        return ledger_keys.read(given, option="--key")
    found = beside.with_name(KEY) if beside is not None else None
    if found is None or not found.is_file():
        if beside is not None and beside.is_file():
            raise console.usage(t("cần --key: khóa công khai của điểm kiểm tra", "--key is wanted: the verifier key"))
        return ()
    notes.append("KEY_FROM_BESIDE")
    return ledger_keys.read((str(found),), option="--key")


def _uses_of(
    settings: Settings, named: list[Path] | None, wrong: list[Finding], *, notes: list[str]
) -> dict[str, tuple[KeyUse, ...]]:
    """From the logs that were named, else the keepers' own. Those of keepers apart are nobody else's to read: they are asked,
    and a copy of their logs (`--uses`) is what proves it."""
    if named or settings.keepers.apart is None:
        logs = named or [settings.use_log(name) for name in settings.modules]
        return _uses(logs, wrong, are_named=bool(named))
    notes.append("USES_AS_TOLD")
    found: dict[str, tuple[KeyUse, ...]] = {}
    for name in settings.modules:
        try:
            found[name] = tuple(_told(Token(settings.keeper_socket(name))))
        except UseLogBroken as error:
            wrong.append(Finding("USE_LOG_BROKEN", str(error), facts={"module": name}))
            found[name] = ()
    return found


def _told(keeper: Token) -> Iterator[KeyUse]:
    """All uses, page by page. Raises KeeperNotAvailable, UseLogBroken."""
    seen = 0
    with keeper:
        while (page := keeper.uses(seen)).uses:
            yield from page.uses
            seen += len(page.uses)


def _uses(paths: Sequence[Path], wrong: list[Finding], *, are_named: bool) -> dict[str, tuple[KeyUse, ...]]:
    """Of each keeper what its log says; one that never began has none."""
    found: dict[str, tuple[KeyUse, ...]] = {}
    for path in paths:
        module = path.stem.removeprefix("keeper-")
        try:
            found[module] = history(path)
        except FileNotFoundError:
            if are_named:
                raise console.usage(t(f"--uses: không có tệp {path}", f"--uses: there is no file {path}")) from None
            found[module] = ()
        except OSError as error:
            raise console.usage(f"--uses: {path}: {error.strerror}") from None
        except UseLogBroken as error:
            wrong.append(Finding("USE_LOG_BROKEN", str(error), facts={"module": module}))
            found[module] = ()
    return found


def _known(text: str) -> LedgerState:
    size, _, root = text.partition(":")
    if not size.isdigit() or len(root) != 64:
        raise console.usage(
            t(f"--known phải có dạng SỐ:GỐC, không phải {text}", f"--known wants SIZE:ROOT, not {text}")
        )
    return LedgerState(int(size), root)


# --- what is told -----------------------------------------------------------------------------------------------------


def _tell(audit: Audit, wrong: list[Finding], notes: list[str], *, form: str) -> int:
    """Print it; the exit status."""
    findings = (*audit.findings, *wrong)
    if wrong:  # a log that was changed says nothing, so that what is missing in it is no finding of its own
        findings = tuple(one for one in findings if one.code != "LINE_WITHOUT_USE")
    if form == "json":
        sys.stdout.write(json.dumps(_json(audit, findings, notes), ensure_ascii=False) + "\n")
        return NOT_WHOLE if findings else console.DONE
    state = audit.state
    if findings:
        console.out.print(
            t(f"nhật ký không nguyên vẹn: {state.size} dòng", f"the ledger is not whole: {state.size} lines")
        )
    else:
        console.out.print(
            t(f"nhật ký nguyên vẹn: {state.size} dòng", f"the ledger is whole: {state.size} lines"),
            f"{state.size}:{state.root}",
        )
    for one in findings:
        console.out.print(f"  - {_sentence(one)}", markup=False)
    if audit.checkpoints:
        count, newest = audit.checkpoints, audit.newest
        console.out.print(
            t(
                f"điểm kiểm tra khớp: {count}, mới nhất trên {newest} dòng",
                f"checkpoints met: {count}, the newest over {newest} lines",
            )
        )
    if audit.uses:
        console.out.print(t(f"lần dùng khóa đã so: {audit.uses}", f"uses of keys compared: {audit.uses}"))
    for sentence in _asides(audit, notes):
        console.out.print(f"  * {sentence}", markup=False)
    return NOT_WHOLE if findings else console.DONE


def _sentence(one: Finding) -> str:
    table = words(console.language)["ledger"]
    return fill(table[one.code], {**one.facts, "line": one.line, "until": one.until or one.line})


def _asides(audit: Audit, notes: list[str]) -> list[str]:
    table = words(console.language)["ledger"]
    told = [fill(table[code], facts) for code, facts in audit.notes]
    told += [table[code] for code in notes]
    for one in audit.open:
        facts = {"key": one.line.facts.get("key"), "at": one.line.at.isoformat(), "line": one.line.number}
        told.append(fill(table["OPEN_INTENT"], {**facts, "outcome": table[one.outcome]}))
    return told


def _json(audit: Audit, findings: Sequence[Finding], notes: list[str]) -> dict[str, Any]:
    return {
        "whole": not findings,
        "size": audit.state.size,
        "root": audit.state.root,
        "checkpoints": audit.checkpoints,
        "newest_checkpoint": audit.newest,
        "uses": audit.uses,
        "findings": [
            {
                "code": one.code,
                "line": one.line,
                "until": one.until or one.line,
                "sentence": _sentence(one),
                **one.facts,
            }
            for one in findings
        ],
        "open": [
            {
                "line": one.line.number,
                "key": one.line.facts.get("key"),
                "at": one.line.at.isoformat(),
                "keeper": one.outcome,
            }
            for one in audit.open
        ],
        "notes": [code for code, _ in audit.notes] + notes,
    }
