"""The whole service behind its own TLS: processes, probe, names, and a certificate that cannot be used."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.appliance import ROOT, free_port
from tests.unit.http.test_tls import write_identity

pytestmark = pytest.mark.appliance


def kyso(home: Path, *command: str) -> subprocess.Popen[str]:
    """A process of the service, its lines in English on standard error."""
    environment = {**os.environ, "KYSO_HOME": str(home), "KYSO_LANG": "en"}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def home_with_tls(home: Path, *, port: int) -> Path:
    """A KYSO_HOME without tokens whose server speaks TLS."""
    (home / "tls").mkdir(parents=True)
    write_identity(home / "tls", "ky.example")
    (home / "kyso.toml").write_text(
        f'[server]\nport = {port}\nworkers = 1\norigin = "https://ky.example"\n'
        'tls_certificate = "tls/certificate.pem"\ntls_key = "tls/key.pem"\n'
    )
    return home


def test_the_service_speaks_tls_and_nothing_else(tmp_path: Path):
    """Ready over TLS, seen by the supervisor and by the image's health check; plain HTTP and foreign names get nothing."""
    port = free_port()
    home = home_with_tls(tmp_path / "home", port=port)
    service = kyso(home, "-c", "from api.cli import main; main(['serve'])")
    try:
        deadline = time.monotonic() + 90
        while kyso(home, "-m", "api.probe").wait(60) and time.monotonic() < deadline:
            time.sleep(0.2)
        trust = ssl.create_default_context(cafile=home / "tls" / "certificate.pem")
        trust.check_hostname = False
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trust, timeout=30) as client:
            ready = client.get("/health/ready", headers={"Host": "ky.example"})
            assert 200 == ready.status_code
            assert "max-age=" in ready.headers["strict-transport-security"]
            assert 421 == client.get("/health/ready", headers={"Host": "evil.example"}).status_code
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=30)
    finally:
        service.send_signal(signal.SIGTERM)
        _, lines = service.communicate(timeout=60)
    assert 0 == service.returncode
    assert f"https://127.0.0.1:{port}" in lines


def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path):
    """69 and a line, instead of workers that are started again and again."""
    home = home_with_tls(tmp_path / "home", port=free_port())
    (home / "tls" / "key.pem").write_text("no key")
    service = kyso(home, "-c", "from api.cli import main; main(['serve'])")
    _, lines = service.communicate(timeout=60)
    assert 69 == service.returncode
    assert "cannot start" in lines
