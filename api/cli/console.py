"""What the command line says and how it ends: language, tables, the one line of an error, exit statuses.

Results go to standard output, everything else to standard error, so that output can be piped. Errors carry a `code` and
an `actor`; from these follows the exit status, and from `api.locale` the sentence.

>>> status_of("not-permitted", "caller"), status_of("document-broken", "caller"), status_of("token-locked", "operator")
(77, 65, 69)
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from api import logs
from api.errors import ApiError
from api.locale import Language, problem, words
from hsm.errors import HsmError
from signer.errors import SignerError
from verify.errors import VerifyError

DONE = 0
USAGE = 64
REFUSED = 65
NOT_AVAILABLE = 69
NOT_PERMITTED = 77
INTERRUPTED = 130
CUT_OFF = 141

_NOT_PERMITTED_CODES = frozenset({"not-permitted", "not-authenticated"})
_ABOUT_THE_ORDER = frozenset(
    {
        "certificate-expired",
        "certificate-mismatch",
        "certificate-not-yet-valid",
        "certificate-revoked",
        "certificate-untrusted",
        "key-without-certificate",
    }
)
"""An operator has to act, but the token and the service are there: this order, with this key, is refused."""
NAMED_IN_THE_CALL = frozenset({"policy-unusable", "trust-unusable"})
"""What an option named cannot be used: nothing is wrong with the document."""
_PROGRESS_FROM = 2
"""With fewer files than this, a progress bar tells nothing."""


def wanted_language(arguments: Sequence[str]) -> Language:
    """`--lang` wherever it stands, else KYSO_LANG, else Vietnamese; read before parsing, since help speaks it too."""
    for index, argument in enumerate(arguments):
        if argument == "--lang" or argument.startswith("--lang="):
            given = argument.removeprefix("--lang=") if "=" in argument else "".join(arguments[index + 1 : index + 2])
            return "en" if given == "en" else "vi"
    return "en" if os.environ.get("KYSO_LANG") == "en" else "vi"


language: Language = wanted_language(sys.argv)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def t(vi: str, en: str) -> str:
    """The text in the language of this run."""
    return vi if language == "vi" else en


Lang = Annotated[Language, typer.Option("--lang", envvar="KYSO_LANG", help=t("ngôn ngữ", "language"))]
Form = Annotated[Literal["text", "json"], typer.Option("--format", help=t("dạng kết quả", "form of the output"))]


class CommandFailed(Exception):
    """The command cannot go on; carries the line for standard error and the exit status."""

    def __init__(self, code: str, sentence: str, *, status: int) -> None:
        super().__init__(sentence)
        self.code = code
        self.status = status


def usage(sentence: str) -> CommandFailed:
    """A mistake in how the command was called."""
    return CommandFailed("usage", sentence, status=USAGE)


def status_of(code: str, actor: str) -> int:
    """The exit status that an error ends with."""
    if code in _NOT_PERMITTED_CODES or code.startswith("right-"):  # rules on the use of keys: `api.rights.errors`
        return NOT_PERMITTED
    if code in NAMED_IN_THE_CALL:
        return USAGE
    return REFUSED if actor in ("caller", "official") or code in _ABOUT_THE_ORDER else NOT_AVAILABLE


def complain(code: str, sentence: str) -> None:
    """Write one line: what happened, by code, and what to do."""
    one_line = " ".join(sentence.split())
    err.print(f"[bold red]kyso:[/] [bold]{code}[/]: ", end="")
    err.print(one_line, markup=False)


def collect_notices() -> list[str]:
    """From now on the service's log warnings are kept as sentences instead of being written; errors speak for
    themselves."""
    notices: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno != logging.WARNING:
                return
            doubt = words(language)["reasons"].get(str(logs.facts_of(record).get("sub_indication")))
            in_doubt = t("chưa chắc chắn về chứng thư", "the certificate is in doubt")
            notices.append(f"{in_doubt}: {doubt}" if doubt else record.getMessage())

    logs.divert(Keep())
    return notices


def warn(codes: Iterable[str]) -> None:
    """A line each of what whoever signs should know of the document."""
    for code in codes:
        err.print(f"[yellow]![/] {words(language)['warnings'].get(code, code)} [dim]({code})[/]")


def table(*columns: str) -> Table:
    """A table in the look of all our tables."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


@contextmanager
def progress(total: int, label: str) -> Iterator[Progress]:
    """A bar on standard error for work on several files; silent for one, and where nobody watches."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[name]}", markup=False),
        console=err,
        transient=True,
        disable=total < _PROGRESS_FROM or not err.is_terminal,
    )
    with bar:
        bar.add_task(label, total=total, name="")
        yield bar


def sentence(error: Exception) -> tuple[str, str, str]:
    """Code, actor and the sentence for a person; anything that no package announced is `internal-error`."""
    code, actor = getattr(error, "code", None), getattr(error, "actor", None)
    if not isinstance(code, str) or not isinstance(actor, str):
        return "internal-error", "developer", f"{type(error).__name__}: {error}"
    facts = getattr(error, "facts", {})
    told = problem(code, language=language, facts={**facts, "request_id": "-"})
    detail = "" if _is_default(error) else f" ({error})"
    return code, actor, f"{told.title}. {told.detail}{detail}"


def failed(error: Exception) -> int:
    """Say what went wrong; return the exit status."""
    code, actor, text = sentence(error)
    complain(code, text)
    return status_of(code, actor)


def _is_default(error: Exception) -> bool:
    """Whether the developer's sentence adds nothing to the code; a worker's refusal carries that of another class."""
    text = str(error)
    return not text or text in {(one.__doc__ or "").split("\n", 1)[0] for one in (type(error), *_announced())}


def _announced() -> Iterator[type[Exception]]:
    """Every error class of the four packages that is loaded."""
    classes: list[type[Exception]] = [ApiError, HsmError, SignerError, VerifyError]
    while classes:
        one = classes.pop()
        yield one
        classes.extend(one.__subclasses__())
