"""An upload in pieces over a line that is cut again and again: curl at the far end sends, asks how far it came, and goes on.

send(where, api_key, data, line=line)
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.thin_line.line import Line

PATIENCE = 600.0
BUFFER = 32 * 1024
TUS = ("-H", "Tus-Resumable: 1.0.0")


@dataclass(frozen=True)
class Sent:
    """How it went; `packets` are the octets of all IP packets that arrived at the service."""

    size: int
    seconds: float
    cuts: int
    packets: int


def send(where: str, api_key: str, data: bytes, *, line: Line, cut_after: float = 5) -> Sent:
    """Every connection is ended after so many seconds, however far it is. Raises RuntimeError when it does not come to an end."""
    # What a program has handed over, its kernel still sends when the program is gone: as little as may be.
    small = f"echo 4096 16384 {BUFFER} > /proc/sys/net/ipv4/tcp_wmem"
    subprocess.run([*line.inside, "sh", "-c", small], check=True)
    with tempfile.TemporaryDirectory(prefix="kyso-sending-") as folder:
        file, rest = Path(folder, "a"), Path(folder, "rest")
        file.write_bytes(data)
        began = time.monotonic()
        common = (*TUS, "-H", f"Authorization: Bearer {api_key}")
        begun = _curl(line, f"{where}/v1/uploads", *common, "-X", "POST", "-H", f"Upload-Length: {len(data)}")
        upload = where + begun["location"]
        cuts = offset = 0
        before = line.up.bytes
        while offset < len(data) and time.monotonic() < began + PATIENCE:
            rest.write_bytes(data[offset:])
            kind = (
                "-H",
                "Content-Type: application/offset+octet-stream",
                "-H",
                f"Upload-Offset: {offset}",
                "-H",
                "Expect:",
            )
            _curl(line, upload, *common, *kind, "-X", "PATCH", "-T", str(rest), "--max-time", str(cut_after))
            offset = int(_head(line, upload, common))
            cuts += offset < len(data)
    if offset < len(data):
        raise RuntimeError(f"{offset} of {len(data)} octets after {PATIENCE} s")
    return Sent(len(data), time.monotonic() - began, cuts, line.up.bytes - before)


def _head(line: Line, upload: str, common: tuple[str, ...]) -> str:
    """How far the service says it is, once it has noticed that the connection is gone."""
    found = ""
    for _ in range(3):
        former, found = found, _curl(line, upload, *common, "-I").get("upload-offset", "")
        if found and found == former:
            break
    return found or "0"


def _curl(line: Line, address: str, *more: str) -> dict[str, str]:
    """The answer's headers, their names in small letters."""
    command = [*line.inside, "curl", "-s", "-D", "-", "-o", "/dev/null", *more, address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (one.partition(": ") for one in done.stdout.splitlines() if ": " in one)
    return {name.lower(): value.strip() for name, _, value in lines}
