"""How `kyso verify` hands its reports over: on the terminal in colour, as JSON Lines, or as HTML, PDF and XML files.

One such report goes to standard output or to the file that `-o` names; several go into the folder that it names,
as `NAME.report.html`.

    kyso verify out.pdf --format html -o out.html
    kyso verify *.pdf --format pdf -o reports/
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
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
from verify.report import Report, Verdict

Form = Annotated[
    Literal["text", "json", "etsi", "html", "pdf"],
    typer.Option("--format", help=t("dạng kết quả", "form of the report")),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help=t(
            "tệp báo cáo HTML, PDF hoặc XML; thư mục, nếu có nhiều tài liệu",
            "HTML, PDF or XML report; a folder for several",
        ),
    ),
]


SUFFIX = {"etsi": "xml"}
"""Where a form is not the name of its files."""


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
    verdicts: list[Verdict] = field(default_factory=list)
    """Of the reports that were handed over, in their order."""

    def __post_init__(self) -> None:
        """Refuse what cannot end well before any work is done."""
        if not self.in_files:
            if self.output is not None:
                raise console.usage(
                    t("-o đi với --format html, pdf hoặc etsi", "-o goes with --format html, pdf or etsi")
                )
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
    def speaks(self) -> bool:
        """Whether reports go to the very terminal that a progress bar would be drawn on: they show how far it is."""
        return self.output is None and console.out.is_terminal

    @property
    def in_files(self) -> bool:
        """Whether each report is a file of its own."""
        return self.for_pages or self.form == "etsi"

    @property
    def for_pages(self) -> bool:
        """Whether the reports have pictures."""
        return self.form in reporting.MEDIA.values()

    def show(self, judged: Judged, *, path: Path) -> None:
        """Hand one report over."""
        if self.in_files:
            self._lay_out(judged, path=path)
        elif self.form == "json":
            # One document alone is read by people too; several are JSON Lines.
            shape = report_json(judged.report, zone=self.zone)
            print(json.dumps(shape, ensure_ascii=False, indent=None if self.several else 2), flush=True)
        else:
            self._tell(judged.report, path=path)
        self.verdicts.append(judged.report.verdict)

    def close(self) -> None:
        """What there is to say once all have been shown: of several documents, how many of each verdict."""
        if self.several and self.form == "text":
            console.out.print()
            self._print(terminal.tally(self.verdicts, language=console.language))

    def _print(self, line: tuple[terminal.Piece, ...]) -> None:
        console.out.print(Text.assemble(*((piece.text, piece.style) for piece in line)))

    def _tell(self, report: Report, *, path: Path) -> None:
        if self.verdicts:
            console.out.print()
        for line in terminal.lines(report, language=console.language, zone=self.zone):
            self._print(line)
        for warning in report.warnings if report.verdict == "UNREADABLE" else ():
            console.complain(warning.code, f"{path}: {warning.facts.get('reason', '')}")

    def _lay_out(self, judged: Judged, *, path: Path) -> None:
        made = self._made(judged)
        if self.output is None:
            sys.stdout.buffer.write(made)
            sys.stdout.flush()
            return
        target = self._target(path) if self.output.is_dir() else self.output
        with atomic(target) as file:
            file.write(made)

    def _made(self, judged: Judged) -> bytes:
        if self.form == "etsi":
            from api.reports import etsi  # noqa: PLC0415 - lxml is not loaded for other forms

            return etsi.report_xml(judged.report)
        form = cast(reporting.Form, self.form)
        return reporting.made(
            judged.report, form=form, language=console.language, zone=self.zone, portrait=judged.portrait
        )

    def _target(self, path: Path) -> Path:
        """A file in the folder; two documents of one name do not overwrite each other's report."""
        assert self.output is not None
        same = [one for one in self.files[: len(self.verdicts)] if one.name == path.name]
        number = f".{len(same) + 1}" if same else ""
        return self.output / f"{path.name}{number}.report.{SUFFIX.get(self.form, self.form)}"
