"""How `kyso verify` hands its reports over: on the terminal in colour, as JSON Lines, or as HTML and PDF files.

One HTML or PDF report goes to standard output or to the file that `-o` names; several go into the folder that it names,
as `NAME.report.html`.

    kyso verify out.pdf --format html -o out.html
    kyso verify *.pdf --format pdf -o reports/
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Literal, cast

import typer
from rich.text import Text

from api.cli import console
from api.cli.console import t
from api.cli.output import atomic
from api.render import report_json
from api.reports import terminal
from api.sandbox.calls import Portrait
from api.workflows import reporting
from verify.report import Report

Form = Annotated[
    Literal["text", "json", "html", "pdf"],
    typer.Option("--format", help=t("dạng kết quả", "form of the report")),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help=t("tệp báo cáo HTML hoặc PDF; thư mục, nếu có nhiều tài liệu", "HTML or PDF report; a folder for several"),
    ),
]


@dataclass(frozen=True)
class Judged:
    """A report with its pictures, which only HTML and PDF have."""

    report: Report
    portrait: Portrait | None = None


@dataclass
class Reports:
    """Where the reports of one run go."""

    form: str
    output: Path | None
    zone: tzinfo
    files: Sequence[Path]
    shown: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot end well before any work is done."""
        if not self.for_pages:
            if self.output is not None:
                raise console.usage(t("-o đi với --format html hoặc pdf", "-o goes with --format html or pdf"))
            return
        if self.several and (self.output is None or not self.output.is_dir()):
            raise console.usage(
                t("nhiều tài liệu: hãy chỉ một thư mục bằng -o", "several documents: name a folder with -o")
            )
        if self.form == "pdf" and self.output is None and sys.stdout.isatty():
            raise console.usage(t("hãy chỉ tệp PDF bằng -o", "name the PDF file with -o"))

    @property
    def several(self) -> bool:
        return len(self.files) > 1

    @property
    def for_pages(self) -> bool:
        """Whether the reports have pictures."""
        return self.form in reporting.MEDIA.values()

    def show(self, judged: Judged, *, path: Path) -> None:
        """Hand one report over."""
        if self.for_pages:
            self._lay_out(judged, path=path)
        elif self.form == "json":
            # One document alone is read by people too; several are JSON Lines.
            shape = report_json(judged.report, zone=self.zone)
            print(json.dumps(shape, ensure_ascii=False, indent=None if self.several else 2), flush=True)
        else:
            self._tell(judged.report, path=path)
        self.shown += 1

    def _tell(self, report: Report, *, path: Path) -> None:
        if self.shown:
            console.out.print()
        for line in terminal.lines(report, language=console.language, zone=self.zone):
            console.out.print(Text.assemble(*((piece.text, piece.style) for piece in line)))
        for warning in report.warnings if report.verdict == "UNREADABLE" else ():
            console.complain(warning.code, f"{path}: {warning.facts.get('reason', '')}")

    def _lay_out(self, judged: Judged, *, path: Path) -> None:
        form = cast(reporting.Form, self.form)
        made = reporting.made(
            judged.report, form=form, language=console.language, zone=self.zone, portrait=judged.portrait
        )
        if self.output is None:
            sys.stdout.buffer.write(made)
            sys.stdout.flush()
            return
        target = self._target(path) if self.output.is_dir() else self.output
        with atomic(target) as file:
            file.write(made)

    def _target(self, path: Path) -> Path:
        """A file in the folder; two documents of one name do not overwrite each other's report."""
        assert self.output is not None
        same = [one for one in self.files[: self.shown] if one.name == path.name]
        number = f".{len(same) + 1}" if same else ""
        return self.output / f"{path.name}{number}.report.{self.form}"
