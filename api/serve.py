"""One api worker: HTTP on a listening socket that the supervisor opened.

    python -m api.serve --fd 3

The composition is `api.app`'s, the settings come from KYSO_HOME. On SIGTERM it finishes what it has begun,
sends what is new elsewhere, and ends (`api.draining`).
"""

from __future__ import annotations

import argparse
import gc
import signal
import socket
import sys
from collections.abc import Sequence
from types import FrameType

import uvicorn

from api import app, hardening, logs, settings, tls, tracing
from api.draining import Drain
from api.identity.peers import showing
from api.protocol import Bounded

PATIENCE = 1
"""Seconds between the sockets' end and that of what still uses them: the time to finish was before (`api.draining`)."""


class Server(uvicorn.Server):
    """uvicorn's, with an orderly end."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or not self._drain.begin():
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self._drain.is_over():
            self.should_exit = True
        return await super().on_tick(counter)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="api.serve")
    parser.add_argument("--fd", type=int, required=True, help="the listening TCP socket, inherited")
    options = parser.parse_args(arguments)
    hardening.harden()
    chosen = settings.load()
    logs.set_up(chosen.server.log)
    identity = tls.of(chosen)
    services = app.compose(chosen)
    tracing.set_up(chosen.tracing, post=services.post)
    served = app.create_app(services)
    config = uvicorn.Config(
        served,
        loop="uvloop",
        http=Bounded if identity is None else showing(identity),
        ws="none",
        log_config=None,
        access_log=False,
        # What proxies say is taken over in `api.forwarded`, from those alone that are trusted.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=PATIENCE,
        ssl_context_factory=None if identity is None else lambda *_: identity.listening(),
    )
    # What was set up stays to the end, and a request makes little that goes in circles: the collector need not look at
    # either so often (7 % of the CPU time of a signature).
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    with socket.socket(fileno=options.fd) as listener:
        Server(config, served.state.drain).run(sockets=[listener])
    tracing.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
