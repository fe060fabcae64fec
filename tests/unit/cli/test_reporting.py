"""Where `kyso verify` leaves its reports: one on standard output or in a file, several in a folder; never over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli import console, reporting
from api.cli.reporting import Judged, Reports
from tests.unit.reports.samples import AT, changed, report, signature

pytestmark = pytest.mark.judging


def reports(form: str, output: Path | None, *files: str) -> Reports:
    return Reports(form, output, AT.tzinfo, [Path(file) for file in files or ("a.pdf",)])


@pytest.mark.parametrize(
    ("form", "output", "files"),
    [
        ("text", "out.html", ("a.pdf",)),
        ("json", "out.html", ("a.pdf",)),
        ("html", None, ("a.pdf", "b.pdf")),
        ("pdf", "no-folder", ("a.pdf", "b.pdf")),
    ],
)
def test_what_cannot_end_well_is_refused_before_the_work(tmp_path: Path, form: str, output: str | None, files):
    """A mistake in how the command was called: status 64, and no document is read."""
    with pytest.raises(console.CommandFailed) as refused:
        reports(form, tmp_path / output if output else None, *files)
    assert console.USAGE == refused.value.status


def test_a_pdf_is_not_poured_over_a_terminal(monkeypatch: pytest.MonkeyPatch):
    """It goes to a file or into a pipe."""
    monkeypatch.setattr(reporting.sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(console.CommandFailed):
        reports("pdf", None)


@pytest.mark.parametrize(("form", "start"), [("html", b"<!doctype html>"), ("pdf", b"%PDF-")])
def test_one_report_becomes_the_file_that_was_named(tmp_path: Path, form: str, start: bytes):
    """Whole, in the language of the run."""
    target = tmp_path / f"out.{form}"
    reports(form, target).show(Judged(report(signature())), path=Path("a.pdf"))
    assert target.read_bytes().lstrip().startswith(start)


def test_several_reports_go_into_a_folder_and_none_over_another(tmp_path: Path):
    """Two documents of one name have a report each."""
    files = ("x/a.pdf", "y/a.pdf", "b.pdf")
    run = reports("html", tmp_path, *files)
    for file, one in zip(files, (signature(), changed(), signature()), strict=True):
        run.show(Judged(report(one)), path=Path(file))
    assert ["a.pdf.2.report.html", "a.pdf.report.html", "b.pdf.report.html"] == sorted(
        path.name for path in tmp_path.iterdir()
    )


def test_one_html_report_goes_to_standard_output(capfdbinary: pytest.CaptureFixture[bytes]):
    """For a pipe."""
    reports("html", None).show(Judged(report(signature())), path=Path("a.pdf"))
    assert capfdbinary.readouterr().out.lstrip().startswith(b"<!doctype html>")
