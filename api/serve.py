"""One api worker: HTTP on a listening socket that the supervisor opened.

    python -m api.serve --fd 3

The composition is `api.app`'s, the settings come from KYSO_HOME. On SIGTERM it takes no more connections, finishes what
it has begun, and ends.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence

import uvicorn

from api import app, hardening, logs, settings, tls
from api.identity.peers import showing
from api.protocol import Bounded

PATIENCE = 12
"""Seconds that requests have to finish at the end; the supervisor waits a little longer."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="api.serve")
    parser.add_argument("--fd", type=int, required=True, help="the listening TCP socket, inherited")
    options = parser.parse_args(arguments)
    hardening.harden()
    chosen = settings.load()
    logs.set_up(chosen.server.log)
    identity = tls.of(chosen)
    config = uvicorn.Config(
        app.create_app(app.compose(chosen)),
        loop="uvloop",
        http=Bounded if identity is None else showing(identity),
        ws="none",
        log_config=None,
        access_log=False,
        # Behind a proxy the caller is told by the API key, never by a header that anybody can write.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=PATIENCE,
        ssl_context_factory=None if identity is None else lambda *_: identity.listening(),
    )
    with socket.socket(fileno=options.fd) as listener:
        uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
