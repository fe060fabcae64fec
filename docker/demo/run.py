"""What `make run` and `make demo` do: set up what is missing, start everything, sign and verify a sample over HTTP.

    python docker/demo/run.py            leaves results in KYSO_HOME/demo and ends with status 0
    python docker/demo/run.py --serve    goes on serving until Ctrl-C

The sample travels as any client's document would: through the HTTP API, with an API key. KYSO_HOME (default ./var) and
KYSO_PORT (default 8080) are honoured; the demo PKI listens one port further, on loopback. KYSO_LANG=en speaks English.

Only the standard library is loaded before the appliance starts, so that it starts at once; what the walk needs is
loaded while the service gets ready.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from home import is_set_up

HERE = Path(__file__).parent
READY_WITHIN = 60.0
STOP_WITHIN = 25.0
"""Seconds for each process; the service itself gives its requests 15."""
NOT_AVAILABLE = 69
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class DemoFailed(Exception):
    """The demo cannot go on; the message says why and what to do."""


def t(vi: str, en: str) -> str:
    """The text in the language of this run."""
    return en if os.environ.get("KYSO_LANG") == "en" else vi


def say(text: str = "") -> None:
    print(text, flush=True)


def _die_with_parent() -> None:
    """Runs in the child before exec: if this runner is killed outright, nothing keeps serving."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _port(text: str) -> int:
    """KYSO_PORT, which leaves room for the port of the demo PKI behind it."""
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65534:
        return int(text)
    raise DemoFailed(
        t(f"KYSO_PORT phải là số từ 1 đến 65534, không phải {text}", f"KYSO_PORT is a number to 65534, not {text}")
    )


def _need_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise DemoFailed(
                t(
                    f"cổng {port} đang có chương trình khác dùng; dừng chương trình đó, "
                    "hoặc chọn cổng khác: KYSO_PORT=9090 make run",
                    f"port {port} is in use; stop the other program, or choose another port: KYSO_PORT=9090 make run",
                )
            ) from None


class Running:
    """The processes that the runner started, in order; `stop` ends them in the opposite order."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._started: list[tuple[str, subprocess.Popen[bytes], Path]] = []

    def start(self, name: str, *command: str) -> None:
        log = self.home / "log" / f"{name}.log"
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with log.open("ab") as sink:
            # A group of its own: Ctrl-C reaches the runner alone, which then stops the others in order.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                process_group=0,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the runner has no threads at this point
            )
        self._started.append((name, process, log))

    def check(self) -> None:
        """Raise DemoFailed if one of them has ended."""
        for name, process, log in self._started:
            if process.poll() is not None:
                tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-8:])
                raise DemoFailed(t(f"{name} đã dừng; xem {log}", f"{name} has stopped; see {log}") + f"\n{tail}")

    def stop(self) -> None:
        for _, process, _ in reversed(self._started):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _running(home: Path, *, port: int) -> Iterator[Running]:
    running = Running(home)
    try:
        running.start("kyso", str(Path(sys.executable).with_name("kyso")), "serve")
        running.start("demo-pki", sys.executable, str(HERE / "pki.py"), str(home / "demo" / "pki"), str(port + 1))
        yield running
    finally:
        running.stop()


def _wait_until_ready(running: Running, *, port: int) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        running.check()
        if _status(port, "/health/ready") == http.HTTPStatus.OK and _status(port + 1, "/") is not None:
            return
        time.sleep(0.05)
    log = running.home / "log" / "kyso.log"
    raise DemoFailed(
        t(
            f"sau {READY_WITHIN:.0f} giây dịch vụ vẫn chưa sẵn sàng; xem {log}",
            f"the service was not ready within {READY_WITHIN:.0f} seconds; see {log}",
        )
    )


def _status(port: int, path: str) -> int | None:
    """HTTP status of a GET on loopback, None while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _serve(running: Running) -> None:
    """Stay until Ctrl-C or SIGTERM, or until a process ends by itself."""
    say(t("Đang phục vụ. Nhấn Ctrl-C để dừng.", "Serving. Press Ctrl-C to stop."))
    try:
        while True:
            running.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        say()
        say(t("Đang dừng; dữ liệu được giữ lại.", "Stopping; the data stays."))


def run(*, serve: bool) -> None:
    home = Path(os.environ.get("KYSO_HOME") or "var").absolute()
    port = _port(os.environ.get("KYSO_PORT") or "8080")
    os.environ.update(KYSO_HOME=str(home), KYSO_PORT=str(port))
    url = f"http://localhost:{port}"
    _need_free(port)
    _need_free(port + 1)

    is_new = not is_set_up(home, port=port)
    if is_new:
        say(t("Chuẩn bị lần đầu: token, CA, chứng thư…", "First set-up: token, CA, certificates …"))
        from setup_home import set_up  # noqa: PLC0415 - costs a second, and is needed once

        try:
            set_up(home, port=port)
        except Exception as error:
            if not hasattr(error, "code"):  # a mistake of ours: the traceback says where
                raise
            raise DemoFailed(
                t(
                    f"không chuẩn bị được {home} ({error.code}: {error}); xóa thư mục đó để làm lại từ đầu",
                    f"{home} could not be set up ({error.code}: {error}); delete that folder to begin anew",
                )
            ) from None
    with _running(home, port=port) as running:
        from walk import WalkFailed, walk  # noqa: PLC0415 - loads while the service starts

        _wait_until_ready(running, port=port)
        try:
            walk(home, port=port, language=t("vi", "en"), whole=is_new or not serve)
        except WalkFailed as failure:
            if not serve:
                raise DemoFailed(str(failure)) from None
            complain(str(failure))  # who serves wants to look into it
        say()
        say(f"{t('Địa chỉ', 'Address')}     {url}   ({url}/docs)")
        say(f"{t('Kết quả', 'Results')}     {home}/demo")
        say(f"{t('Khóa API', 'API keys')}    {home}/demo/*.key")
        say(f"{t('Nhật ký', 'Logs')}{t('     ', '        ')}{home}/log")
        say(f"{t('Thử tiếp', 'Next')}{t('    ', '        ')}README.md")
        say()
        if serve:
            _serve(running)


def complain(text: str) -> None:
    print(f"kyso: demo: {text}", file=sys.stderr, flush=True)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    serve = "--serve" in sys.argv[1:]
    signal.signal(signal.SIGTERM, _leave)
    try:
        run(serve=serve)
    except DemoFailed as failure:
        complain(str(failure))
        return NOT_AVAILABLE
    except KeyboardInterrupt:
        return 0 if serve else 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
