"""`kyso directory`: who is who. Import from files, look, export, tell a person what is held about them, and forget them.

    kyso directory import folder/ --dry-run              # what would change
    kyso directory import organisations.csv people.csv --as-of 2025-07-01
    kyso directory list --under DU-MAU                   # or: list people, list keys
    kyso directory show DU-MAU                           # an organisation or a person, by code or id
    kyso directory may M-002 DU-MAU KT                   # may this person sign there in this form?
    kyso directory export -o directory.json              # or a folder, for a CSV of each kind
    kyso directory person M-002 -o held.json             # everything held about somebody
    kyso directory erase M-002                           # name, code and accounts; ids stay
    kyso directory verify                                # the rows against the ledger

Dates without a time of day are whole days. The format of the files stands in api/directory/README.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import sqlalchemy as sa
import typer
from rich.markup import escape

from api import settings as kyso_settings
from api.cli import console, directory_views, whoever
from api.cli.console import Form, Lang, t
from api.cli.output import atomic
from api.directory import Authority, Directory, exporting, importing, people, proving, rows, rules
from api.directory.faults import DirectoryImportRefused
from api.directory.reading import Source
from api.directory.times import start_of
from api.errors import NotFound
from api.locale import words
from api.settings import Settings
from api.store.database import Database, open_database
from api.workflows.directory import propose_held, sentence

CALLER = "command-line"
"""Who the ledger names for changes made here."""
BROKEN = 1

app = typer.Typer(no_args_is_help=True, help=t("danh bạ: tổ chức, người, chức vụ, khóa", "who is who, and whose keys"))

At = Annotated[str | None, typer.Option("--at", help=t("vào ngày (2025-07-01); mặc định: bây giờ", "on a day; now"))]
Output = Annotated[Path | None, typer.Option("-o", "--output", help=t("tệp kết quả", "file to write"))]
Who = Annotated[str, typer.Argument(help=t("mã hoặc id của người", "a person's code or id"))]


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="directory")


@app.command("import", help=t("nhập từ CSV, JSON hoặc cả thư mục", "import CSV or JSON files, or a folder of them"))
def import_(
    files: Annotated[list[Path], typer.Argument(help=t("tệp hoặc thư mục", "files or folders"))],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=t("chỉ cho xem sẽ thay đổi gì", "only show what would change"))
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", help=t("ngày có hiệu lực của dòng không ghi ngày; mặc định: hôm nay", "day of lines without one")
        ),
    ] = None,
    key_file: whoever.KeyFile = None,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings, database = _opened()
    zone = settings.zone
    sources = [Source.of_path(path) for path in _files(files)]
    if not sources:
        raise console.usage(t("không có tệp .csv hay .json nào", "there is no .csv or .json file"))
    since = _day(as_of, settings) or datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    by, clock = whoever.named(database, key_file), partial(datetime.now, zone)
    hold_keys = "keys" in settings.changes.two_administrators
    proposals: list[str | None] = [None]

    def also(connection: sa.Connection, done: importing.Imported) -> None:
        proposals[:] = [propose_held(connection, done, as_of=since, by=by, at=clock())]

    try:
        if dry_run:
            done = importing.trial(database, sources, as_of=since, zone=zone, hold_keys=hold_keys)
        else:
            done = importing.run(
                database,
                sources,
                as_of=since,
                zone=zone,
                caller=CALLER if by is None else by.id,
                clock=clock,
                also=also,
                hold_keys=hold_keys,
            )
    except DirectoryImportRefused as refused:
        for fault in refused.faults:
            place = f"{fault.file}:{fault.line}" if fault.line else fault.file
            console.err.print(f"{place}: {sentence(fault, language=console.language)}", markup=False)
        raise
    directory_views.tell(done, form=form, zone=zone, is_trial=dry_run, proposal=proposals[0])


@app.command("list", help=t("liệt kê", "list organisations, people or keys"))
def list_(
    what: Annotated[Literal["organisations", "people", "keys"], typer.Argument()] = "organisations",
    *,
    under: Annotated[
        str | None, typer.Option("--under", help=t("từ tổ chức này trở xuống", "it and those below"))
    ] = None,
    at: At = None,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings, database = _opened()
    directory = _directory(settings, database)
    moment = _day(at, settings) or datetime.now(settings.zone)
    top = None if under is None else _organisation(directory, under)
    scope = None if top is None else directory.scope(top, moment)
    lines = list(directory_views.lines(what, directory, database, moment=moment, scope=scope))
    if form == "json":
        print(json.dumps(lines, ensure_ascii=False))
        return
    shown = console.table(*(t(*directory_views.HEADERS[name]) for name in (lines[0] if lines else ())))
    for line in lines:
        shown.add_row(*(escape(value or "–") for value in line.values()))
    console.out.print(shown)


@app.command("show", help=t("một tổ chức hoặc một người", "an organisation or a person"))
def show(
    who: Annotated[str, typer.Argument(help=t("mã hoặc id", "code or id"))],
    *,
    at: At = None,
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings, database = _opened()
    directory = _directory(settings, database)
    moment = _day(at, settings) or datetime.now(settings.zone)
    found = directory.tree().find(who)
    told = (
        directory_views.organisation(directory, database, found, moment, settings.zone)
        if found is not None
        else directory_views.person(directory, _person(database, who), moment, settings.zone)
    )
    if form == "json":
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for name, value in told.items():
        for number, one in enumerate(value if isinstance(value, list) else [value or "–"]):
            label = f"{t(*directory_views.HEADERS[name])}:" if number == 0 else ""
            text = ", ".join(str(part) for part in one.values() if part) if isinstance(one, dict) else str(one)
            console.out.print(f"{label:<16} {text}", markup=False)


@app.command("may", help=t("người này có được ký cho tổ chức này không", "may this person sign there in this form"))
def may(
    who: Who,
    organisation: Annotated[str, typer.Argument(help=t("mã tổ chức", "the organisation's code"))],
    signs: Annotated[str, typer.Argument(metavar="FORM", help="direct, TM, KT, TL, TUQ")] = "direct",
    *,
    at: At = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings, database = _opened()
    directory = _directory(settings, database)
    chosen = rules.form(signs)
    if chosen is None:
        known = ", ".join(rules.codes("forms"))
        raise console.usage(t(f"hình thức ký là một trong: {known}", f"a form of signing is one of: {known}"))
    moment = _day(at, settings) or datetime.now(settings.zone)
    answer = directory.may_sign_for(_person(database, who), _organisation(directory, organisation), chosen, moment)
    if not isinstance(answer, Authority):
        told = words(console.language)["authority"][answer.code]
        raise console.CommandFailed(answer.code, told, status=console.NOT_PERMITTED)
    rests_on = answer.delegation.reference if answer.delegation else answer.post.title if answer.post else ""
    console.out.print(t(f"được ký: {rests_on}", f"may sign: {rests_on}"), markup=False)


@app.command("export", help=t("xuất tất cả, để nhập vào nơi khác", "write all of it, to be imported elsewhere"))
def export(
    output: Annotated[
        Path, typer.Option("-o", "--output", help=t("tệp .json, hoặc thư mục", "a .json file or a folder"))
    ],
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings, database = _opened()
    if output.suffix == ".json":
        with atomic(output) as file:
            database.read(exporting.write_json, file, zone=settings.zone)
        return
    output.mkdir(parents=True, exist_ok=True)
    for name, data in database.read(lambda connection: list(exporting.csv_files(connection, zone=settings.zone))):
        with atomic(output / name) as file:
            file.write(data)


@app.command("person", help=t("tất cả những gì lưu về một người", "everything that is held about somebody"))
def person(
    who: Who,
    output: Output = None,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings, database = _opened()
    told = json.dumps(
        database.read(people.told, _person(database, who), zone=settings.zone), ensure_ascii=False, indent=2
    )
    if output is None:
        print(told)
        return
    with atomic(output) as file:
        file.write(told.encode() + b"\n")


@app.command("erase", help=t("xóa tên, mã và tài khoản của một người", "forget a person's name, code and accounts"))
def erase(
    who: Who,
    *,
    yes: Annotated[bool, typer.Option("--yes", help=t("không hỏi lại", "ask nothing"))] = False,
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    settings, database = _opened()
    identity = _person(database, who)
    question = t(f"Xóa vĩnh viễn tên, mã và tài khoản của {who}?", f"Forget name, code and accounts of {who} for good?")
    if not yes and not typer.confirm(question):
        raise typer.Abort
    line = people.erase(database, identity, caller=CALLER, clock=partial(datetime.now, settings.zone))
    console.out.print(t(f"đã xóa; còn lại {identity}", f"erased; {identity} stays") + f" ({line})", markup=False)


@app.command("verify", help=t("so danh bạ với nhật ký", "hold the directory against the ledger"))
def verify(
    form: Form = "text",
    lang: Lang = "vi",  # noqa: ARG001 - read before parsing, see console
) -> None:
    _, database = _opened()
    proof = database.read(proving.examine)
    is_whole = not proof.broken and not proof.strange
    if form == "json":
        print(json.dumps({"whole": is_whole, **vars(proof)}))
    elif is_whole:
        console.out.print(t(f"danh bạ khớp nhật ký: {proof.changes} lần thay đổi", f"met: {proof.changes} changes"))
    else:
        console.out.print(
            t(
                f"danh bạ không khớp nhật ký: thay đổi số {proof.broken or '–'}, dòng lạ {proof.strange}",
                f"the directory is not what the ledger says: changes {proof.broken or '–'}, strange rows {proof.strange}",
            )
        )
    raise typer.Exit(console.DONE if is_whole else BROKEN)


# --- what is asked ----------------------------------------------------------------------------------------------------


def _opened() -> tuple[Settings, Database]:
    settings = kyso_settings.load()
    settings.make_folders()
    return settings, open_database(settings.database_url)


def _directory(settings: Settings, database: Database) -> Directory:
    return Directory(database, clock=partial(datetime.now, settings.zone))


def _files(given: list[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            yield from sorted(one for one in path.iterdir() if one.suffix.lower() in (".csv", ".json", ".txt"))
        elif path.is_file():
            yield path
        else:
            raise console.usage(t(f"không có tệp {path}", f"there is no file {path}"))


def _day(text: str | None, settings: Settings) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromtimestamp(start_of(text, settings.zone), settings.zone)
    except (ValueError, OverflowError):
        raise console.usage(t(f"{text} không phải ngày (2025-07-01)", f"{text} is no date (2025-07-01)")) from None


def _organisation(directory: Directory, text: str) -> str:
    found = directory.tree().find(text)
    if found is None:
        raise NotFound(t(f"không có tổ chức {text}", f"no organisation {text}"))
    return found


def _person(database: Database, text: str) -> str:
    """The id of a person by id or code."""
    table = rows.TABLES["person"]
    wanted = sa.select(table.c.id).where(sa.or_(table.c.id == text, table.c.code == text)).limit(1)
    found: str | None = database.read(lambda connection: connection.execute(wanted).scalar())
    if found is None:
        raise NotFound(t(f"không có {text}", f"there is no {text}"))
    return found
