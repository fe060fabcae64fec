"""`kyso serve`: the appliance in the foreground, until SIGTERM or Ctrl-C. `kyso keepers`: its keepers alone, under a user
of their own, for a service whose `[keepers]` names their KYSO_HOME."""

from __future__ import annotations

import typer

from api.cli.console import Lang, t


def register(app: typer.Typer) -> None:
    app.command("serve", help=t("chạy dịch vụ", "run the service"))(serve)
    app.command("keepers", help=t("chỉ chạy bộ phận giữ khóa", "run the keepers alone"))(keepers)


def serve(lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    # Only what the supervisor needs is loaded: it has to stay small.
    from api import settings, supervisor  # noqa: PLC0415

    raise typer.Exit(supervisor.run(settings.load()))


def keepers(lang: Lang = "vi") -> None:  # noqa: ARG001 - read before parsing, see console
    from api import settings, supervisor  # noqa: PLC0415 - as above

    raise typer.Exit(supervisor.run_keepers(settings.load()))
