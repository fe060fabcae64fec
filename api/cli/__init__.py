"""The command line: `kyso`. One file per group of commands; here they are put together and errors become exit statuses.

Not here: any work. Commands call the same use cases as the HTTP routes do, and documents are read in workers as there.

    kyso sign in.pdf -o out.pdf --key demo-official --level B-T
    kyso verify out.pdf --trust var/demo/ca.pem

Exit statuses stand in `api.cli.console` and in the README; an error is one line on standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module, metadata
from typing import Annotated

import typer
from typer import rich_utils

from api.cli import console

# typer carries its own copy of click and shows only some of its exceptions; this is the base of all usage errors.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


FILES: Mapping[str, str] = {
    "sign": "signing",
    "verify": "verifying",
    "extend": "extending",
    "timestamp": "timestamping",
    "cert": "certificates",
    "serve": "serve",
    "check-config": "checking",
    "diagnose": "diagnosing",
    "setup": "setup",
    "ceremony": "ceremony",
    "status": "status",
    "unlock": "unlock",
    "lock": "unlock",
    "token": "tokens",
    "key": "keys",
    "caller": "callers",
    "rights": "rights",
    "audit": "audit",
    "trust": "trust",
    "policy": "policies",
    "directory": "directory",
    "change": "changes",
    "storage": "storage",
    "upgrade": "upgrade",
    "backup": "backup",
    "restore": "backup",
}
"""Which file holds which command. Only the one that is called is loaded: a start should not wait for the others, and
the supervisor has no use for them."""


def _application(arguments: Sequence[str]) -> typer.Typer:
    app = typer.Typer(
        name="kyso",
        help=console.t("Kyso: ký số và kiểm tra chữ ký số.", "Kyso makes and verifies digital signatures."),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_before)
    asked = FILES.get(arguments[0]) if arguments else None
    for file in dict.fromkeys([asked] if asked else FILES.values()):
        import_module(f"api.cli.{file}").register(app)
    return app


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"kyso {metadata.version('kyso')}")
        raise typer.Exit


def _before(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_tell_version, help=console.t("in phiên bản", "print the version")
        ),
    ] = False,
    lang: console.Lang = "vi",
) -> None:
    """With this a single command keeps its name, however few are loaded. The language was read before parsing."""


def _entitle_help() -> None:
    """The headings of `--help`, which typer has in English."""
    rich_utils.ARGUMENTS_PANEL_TITLE = console.t("Tham số", "Arguments")
    rich_utils.OPTIONS_PANEL_TITLE = console.t("Tùy chọn", "Options")
    rich_utils.COMMANDS_PANEL_TITLE = console.t("Lệnh", "Commands")
    rich_utils.REQUIRED_LONG_STRING = console.t("[bắt buộc]", "[required]")
    rich_utils.DEFAULT_STRING = console.t("[mặc định: {}]", "[default: {}]")
    rich_utils.ENVVAR_STRING = console.t("[biến môi trường: {}]", "[env var: {}]")


def _wrong_call(error: Exception) -> str:
    """What is wrong with the call; the parser's own sentences are English, so the frequent ones are said anew."""
    told = getattr(error, "format_message", None)
    sentence = told() if told is not None else str(error)
    if not sentence:  # no command: the help stands above
        return console.t("hãy chọn một lệnh; xem --help", "choose a command; see --help")
    parameter = ", ".join(getattr(getattr(error, "param", None), "opts", ())[-1:])
    option = getattr(error, "option_name", None)
    if type(error).__name__ == "MissingParameter" and parameter:
        return console.t(f"thiếu {parameter}; xem --help", sentence)
    if type(error).__name__ == "NoSuchOption" and option:
        return console.t(f"không có tùy chọn {option}; xem --help", sentence)
    if sentence.startswith("No such command"):
        return console.t(f"không có lệnh {sentence.split(chr(39))[1]}; xem --help", sentence)
    return sentence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its status."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status. No exception leaves."""
    console.language = console.wanted_language(arguments)
    if not {"--help", "-h"}.isdisjoint(arguments) or not arguments:
        _entitle_help()
    try:
        result = _application(arguments)(list(arguments), standalone_mode=False)
    except _UsageError as error:
        console.complain("usage", _wrong_call(error))
        return console.USAGE
    except console.CommandFailed as failure:
        console.complain(failure.code, str(failure))
        return failure.status
    except (KeyboardInterrupt, typer.Abort):
        return console.INTERRUPTED
    except BrokenPipeError:
        # Who read our output went away, as `head` does: nobody is left to tell. It is the status that a shell gives to
        # SIGPIPE, not 0: whatever the cause, a verdict that was never told must not look like one that passed.
        sys.stdout = None
        return console.CUT_OFF
    except Exception as error:  # noqa: BLE001 - the last stop: each error becomes a line and a status
        return console.failed(error)
    return result if isinstance(result, int) else console.DONE
