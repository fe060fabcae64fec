"""Whether the service answers, asked as a client would: by the supervisor while it starts, and by a container's engine.

Status 0 means that `/health/ready` answers 200. The certificate is not checked: the question goes to this machine, and
nothing in the answer is believed but its status.

    python -m api.probe
    python -m api.probe --keepers        # of keepers on their own: 0 where all of them take a connection
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

READY = "/health/ready"
_REACHABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def answers(host: str, port: int, *, path: str = READY, tls: bool = False) -> bool:
    """Whether HTTP answers 200 there; by hand, for all that is wanted is the status line (RFC 9112 §4)."""
    try:
        with socket.create_connection((_REACHABLE.get(host, host), port), timeout=5 if tls else 1) as plain:
            connection = _wrapped(plain) if tls else plain
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def _wrapped(plain: socket.socket) -> socket.socket:
    import ssl  # noqa: PLC0415 - the supervisor has no other use for it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname="localhost")


def keepers_answer(sockets: Sequence[Path]) -> bool:
    """Whether somebody listens on each; whether they can sign is for `/health/ready` to say."""
    if not sockets:
        return False
    try:
        for path in sockets:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
                one.settimeout(1)
                one.connect(str(path))
    except OSError:
        return False
    return True


def main() -> int:
    from api import settings  # noqa: PLC0415 - heavy, and the supervisor's alone until then

    found = settings.load()
    if "--keepers" in sys.argv:
        return 0 if keepers_answer([found.keeper_socket(name) for name in found.modules]) else 1
    server = found.server
    return 0 if answers(server.host, server.port, tls=server.tls_certificate is not None) else 1


if __name__ == "__main__":
    sys.exit(main())
