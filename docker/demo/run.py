"""What `make run` and `make demo` do: set up what is missing, start everything, sign and verify a sample over HTTP.

    python docker/demo/run.py            leaves results in KYSO_HOME/demo and ends with status 0
    python docker/demo/run.py --serve    goes on serving until Ctrl-C

The sample travels as any client's document would: through the HTTP API, with an API key. KYSO_HOME (default ./var) and
KYSO_PORT (default 8080) are honoured; the demo PKI listens one port further, on loopback. KYSO_LANG=en speaks English.
"""

from __future__ import annotations

import ctypes
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

from rich.markup import escape

from api.cli.console import complain, err, out, t

HERE = Path(__file__).parent
READY_WITHIN = 60.0
STOP_WITHIN = 15.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class DemoFailed(Exception):
    """The demo cannot go on; the message says why and what to do."""


def _die_with_parent() -> None:
    """Runs in the child before exec: if this runner is killed outright, nothing keeps serving."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _need_free(port: int, *, purpose: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise DemoFailed(
                t(
                    f"cổng {port} ({purpose}) đang có chương trình khác dùng; dừng chương trình đó, "
                    "hoặc chọn cổng khác: KYSO_PORT=9090 make run",
                    f"port {port} ({purpose}) is in use; stop the other program, "
                    "or choose another port: KYSO_PORT=9090 make run",
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
                raise DemoFailed(
                    t(f"{name} đã dừng; xem {log}", f"{name} has stopped; see {log}") + (f"\n{tail}" if tail else "")
                )

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
        running.start("demo-pki", sys.executable, str(HERE / "pki.py"), str(home / "demo" / "pki"), str(port + 1))
        running.start("kyso", str(Path(sys.executable).with_name("kyso")), "serve")
        yield running
    finally:
        running.stop()


def _wait_until_ready(running: Running, *, url: str) -> None:
    import httpx  # noqa: PLC0415 - while it loads, the service is starting already

    deadline = time.monotonic() + READY_WITHIN
    with httpx.Client(base_url=url, timeout=2) as client:
        while time.monotonic() < deadline:
            running.check()
            try:
                if client.get("/health/ready").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise DemoFailed(
        t(
            f"sau {READY_WITHIN:.0f} giây dịch vụ vẫn chưa sẵn sàng; xem {running.home}/log/kyso.log",
            f"the service was not ready within {READY_WITHIN:.0f} seconds; see {running.home}/log/kyso.log",
        )
    )


def _serve(running: Running) -> None:
    """Stay until Ctrl-C or SIGTERM, or until a process ends by itself."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, leave)
    out.print(t("Đang phục vụ. Nhấn Ctrl-C để dừng.", "Serving. Press Ctrl-C to stop."))
    try:
        while True:
            running.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        out.print()
        out.print(t("Đang dừng; dữ liệu được giữ lại.", "Stopping; the data stays."))


def run(*, serve: bool) -> None:
    home = Path(os.environ.get("KYSO_HOME") or "var").absolute()
    port = int(os.environ.get("KYSO_PORT") or "8080")
    os.environ.update(KYSO_HOME=str(home), KYSO_PORT=str(port))
    url = f"http://localhost:{port}"
    _need_free(port, purpose="Kyso")
    _need_free(port + 1, purpose=t("CA minh họa", "demo CA"))

    from setup_home import is_set_up, set_up  # noqa: PLC0415 - a busy port is told before anything is loaded

    if not is_set_up(home, port=port):
        with err.status(t("chuẩn bị lần đầu: token, CA, chứng thư…", "first set-up: token, CA, certificates …")):
            set_up(home, port=port)
    with _running(home, port=port) as running:
        from walk import WalkFailed, walk  # noqa: PLC0415 - loads while the service starts

        _wait_until_ready(running, url=url)
        try:
            walk(home, url=url, say=out.print, language=t("vi", "en"))
        except WalkFailed as failure:
            raise DemoFailed(str(failure)) from None
        _tell(home, url=url)
        if serve:
            _serve(running)


def _tell(home: Path, *, url: str) -> None:
    demo = escape(str(home / "demo"))
    out.print()
    out.print(f"[bold]{t('Trang chính', 'Service')}[/]        {url}")
    out.print(f"[bold]{t('Mô tả API', 'API')}[/]          {url}/docs")
    out.print(f"[bold]{t('Khóa API', 'API keys')}[/]           {demo}/*.key")
    out.print(f"[bold]{t('Kết quả', 'Results')}[/]            {demo}")
    out.print(f"[bold]{t('Thử tiếp', 'Go on with')}[/]           README.md")
    out.print()


def main() -> int:
    try:
        run(serve="--serve" in sys.argv[1:])
    except DemoFailed as failure:
        complain("demo", str(failure))
        return 69
    except KeyboardInterrupt:
        return 0 if "--serve" in sys.argv[1:] else 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
