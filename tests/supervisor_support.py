"""A supervisor whose api workers and fork server are the tests' own: small and quick, everything else is real.

python -m tests.supervisor_support HOME [stubborn | short-lived]
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

from api import children, settings, supervisor
from api.sandbox import start
from tests.sandbox_support import OPS

STAND_IN = """
import http.server, signal, socket, sys
descriptor, manner = int(sys.argv[1]), sys.argv[2]
if manner == "short-lived":
    sys.exit(3)
if manner == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Ready, bind_and_activate=False)
server.socket = socket.socket(fileno=descriptor)
server.serve_forever()
"""
"""What stands for an api worker."""


def start_api(
    listener: socket.socket, _: settings.Settings, *, manner: str, core: int | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-S", "-c", STAND_IN, str(listener.fileno()), manner],
        pass_fds=[listener.fileno()],
        start_new_session=True,
        preexec_fn=supervisor.bound_to_supervisor(signal.SIGKILL),  # noqa: PLW1509 - as in the supervisor
    )


def start_workers(listener: socket.socket, _: settings.Settings) -> subprocess.Popen[bytes]:
    return start.start(listener, extra=OPS)


if __name__ == "__main__":
    supervisor._start_api = partial(start_api, manner=sys.argv[2])
    children.start_workers = start_workers
    supervisor.API_PATIENCE = 1.0
    os.environ["KYSO_SERVER__DRAIN"] = "0"
    sys.exit(supervisor.run(settings.load(Path(sys.argv[1]))))
