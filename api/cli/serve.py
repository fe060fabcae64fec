"""`kyso serve`: the appliance in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import typer

from api.cli.console import Lang, t


def register(app: typer.Typer) -> None:
    app.command("serve", help=t("chạy dịch vụ", "run the service"))(serve)


def serve(lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    # Only what the supervisor needs is loaded: it has to stay small.
    from api import settings, supervisor  # noqa: PLC0415

    raise typer.Exit(supervisor.run(settings.load()))
