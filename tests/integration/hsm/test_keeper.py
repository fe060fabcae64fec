"""A real keeper before a SoftHSM token: what it signs, for whom, and what an operator does with it."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hsm.errors import (
    HsmError,
    KeeperNotAvailable,
    KeyNotFound,
    MechanismNotSupported,
    PermitRefused,
    RequestMalformed,
    ShapeRefused,
)
from hsm.keys import Mechanism
from hsm.mechanisms import check_value
from hsm.token import Token
from tests.hsm_support import OID_TST_INFO, Box, a_box, eventually, key_named, signed_attributes

pytestmark = pytest.mark.spine

EC: Mechanism = "ecdsa_sha256"


def checks(token: Token, value: bytes, *, key: str, mechanism: Mechanism, tbs: bytes) -> None:
    """The value verifies with the key's public key."""
    info = key_named(token, key)
    public = load_der_public_key(info.public_key)
    check_value(value, public_key=public, mechanism=mechanism, tbs=tbs)  # type: ignore[arg-type]  # one of ours


def test_every_key_signs_with_every_mechanism_it_shows(box: Box, token: Token) -> None:
    """Nine mechanisms on four kinds of key, each checked with the public key in the promised form."""
    used = set()
    infos = token.keys()
    for info in infos:
        if info.ref in ("tsa", "raw"):
            continue
        for mechanism in info.mechanisms:
            tbs = signed_attributes(info.ref.encode() + mechanism.encode())
            value = box.sign(token, tbs, key=info.ref, mechanism=mechanism)
            checks(token, value, key=info.ref, mechanism=mechanism, tbs=tbs)
            used.add(mechanism)
    assert len(used) == 9


def test_the_default_mechanism_comes_first(token: Token) -> None:
    """PKCS#1 v1.5 for RSA, the digest of the curve's size for ECDSA."""
    first = [key_named(token, ref).mechanisms[0] for ref in ("rsa", "p256", "p384", "ed")]
    assert ["rsassa_pkcs1v15_sha256", "ecdsa_sha256", "ecdsa_sha384", "ed25519"] == first


def test_a_tampered_permit_signs_nothing(box: Box, token: Token) -> None:
    """Each part of it, each part of the use, and time; the key is not used, and the permit itself stays good."""
    tbs = signed_attributes(b"permit")
    good = box.permit(tbs, key="p256", mechanism=EC)
    uses: list[dict[str, object]] = [
        {"permit": replace(good, ledger_number=good.ledger_number + 1000)},
        {"permit": replace(good, expires_at=good.expires_at + 1)},
        {"permit": replace(good, mac=bytes(32))},
        {"key": "p384"},
        {"mechanism": "ecdsa_sha384"},
        {"tbs": signed_attributes(b"another")},
        {"permit": box.permit(tbs, key="p256", mechanism=EC, expires_in=-0.01)},
        {"permit": box.permit(tbs, key="p256", mechanism=EC, expires_in=86400.0)},
        {"permit": box.permit(tbs, key="p256", mechanism=EC, number=0)},
    ]
    for change in uses:
        with pytest.raises(PermitRefused):
            token.sign(**({"key": "p256", "mechanism": EC, "tbs": tbs, "permit": good} | change))  # type: ignore[arg-type]
    assert token.use(good.ledger_number) is None
    assert token.sign(key="p256", mechanism=EC, tbs=tbs, permit=good)


def test_a_permit_is_used_once_also_after_a_restart(box: Box) -> None:
    """The log remembers across kill -9, and tells the value."""
    tbs = signed_attributes(b"once")
    permit = box.permit(tbs, key="p256", mechanism=EC)
    with box.token as token:
        value = token.sign(key="p256", mechanism=EC, tbs=tbs, permit=permit)
        with pytest.raises(PermitRefused):
            token.sign(key="p256", mechanism=EC, tbs=tbs, permit=permit)
    box.kill()
    with box.start() as token:
        with pytest.raises(PermitRefused):
            token.sign(key="p256", mechanism=EC, tbs=tbs, permit=permit)
        use = token.use(permit.ledger_number)
    assert use is not None
    assert ("done", value, hashlib.sha256(tbs).hexdigest()) == (use.state, use.value, use.tbs_sha256)


def test_bytes_of_another_shape_are_not_signed(box: Box, token: Token) -> None:
    """Nor timestamps by a seal, nor seals by a timestamp authority, nor bare digests without the right."""
    stamp = signed_attributes(b"x", content=OID_TST_INFO)
    for key, tbs in [("p256", b"hello"), ("p256", stamp), ("tsa", signed_attributes(b"x")), ("p256", bytes(32))]:
        permit = box.permit(tbs, key=key, mechanism=EC)
        with pytest.raises(ShapeRefused):
            token.sign(key=key, mechanism=EC, tbs=tbs, permit=permit)
        assert token.use(permit.ledger_number) is None
    checks(token, box.sign(token, stamp, key="tsa", mechanism=EC), key="tsa", mechanism=EC, tbs=stamp)


def test_a_key_with_the_right_signs_a_bare_digest(box: Box, token: Token) -> None:
    """The value verifies over the bytes that the digest stands for."""
    unseen = b"a document that stays elsewhere"
    value = box.sign(token, hashlib.sha256(unseen).digest(), key="raw", mechanism=EC)
    checks(token, value, key="raw", mechanism=EC, tbs=unseen)


def test_unknown_keys_and_mechanisms_are_named(box: Box, token: Token) -> None:
    """They spend no permit."""
    tbs = signed_attributes(b"unknown")
    with pytest.raises(KeyNotFound):
        box.sign(token, tbs, key="nobody", mechanism=EC)
    with pytest.raises(MechanismNotSupported):
        box.sign(token, tbs, key="rsa", mechanism=EC)


def test_threads_share_the_sessions_and_no_value_is_wrong(box: Box, token: Token) -> None:
    """Eight threads, two kinds of key: every value verifies over its own bytes."""
    wrong: list[str] = []

    def work(thread: int) -> None:
        key, mechanism = (("p256", EC), ("rsa", "rsassa_pkcs1v15_sha256"))[thread % 2]
        for number in range(40):
            tbs = signed_attributes(f"{thread}/{number}".encode())
            try:
                value = box.sign(token, tbs, key=key, mechanism=mechanism)  # type: ignore[arg-type]
                checks(token, value, key=key, mechanism=mechanism, tbs=tbs)  # type: ignore[arg-type]
            except HsmError as e:
                wrong.append(repr(e))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_both_sockets_are_the_users_alone(box: Box) -> None:
    """Mode 0600, in the file system; another user is turned away by the kernel's word even if he gets there."""
    for name in ("s", "a"):
        assert stat.S_IMODE((box.path / name).stat().st_mode) == 0o600
    if os.getuid() != 0:
        pytest.skip("only root can ask as another user")
    box.path.chmod(0o711)
    (box.path / "s").chmod(0o666)
    script = (
        "import os,socket,sys; os.setuid(65534); s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'\\0\\0\\0\\x0e\\x81\\xa4type\\xa6status'); print(s.recv(100))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(box.path / "s")], capture_output=True, text=True, check=False
    )
    (box.path / "s").chmod(0o600)
    assert "b''" in done.stdout or "ConnectionResetError" in done.stderr or "BrokenPipe" in done.stderr


@pytest.mark.parametrize("frame", [b"\xff\xff\xff\xff", b"\0\0\0\1\xc1", b"\0\0\0\2{}", b"\0\0\0\x06\x81\xa4type"])
def test_what_is_not_the_protocol_is_answered_and_closed(box: Box, frame: bytes) -> None:
    """Too large, not MessagePack, not a request: none ends the keeper."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(str(box.path / "s"))
        raw.sendall(frame)
        assert b"keeper-request-malformed" in raw.recv(4096)
        assert raw.recv(10) == b""
    assert box.token.status().state == "operational"


def test_management_is_not_offered_on_the_sign_socket(box: Box) -> None:
    """An api worker cannot make keys; the operator's socket cannot sign documents."""
    sign_side, admin_side = box.token, box.admin
    with pytest.raises(RequestMalformed):
        type(admin_side).create_key(sign_side, "x", "p256")  # type: ignore[arg-type]  # the attack
    with pytest.raises(RequestMalformed):
        Token.sign(
            admin_side,  # type: ignore[arg-type]  # the attack
            key="p256",
            mechanism=EC,
            tbs=b"",
            permit=box.permit(b"", key="p256", mechanism=EC),
        )


def test_a_keeper_that_is_not_there_is_named_in_time(tmp_path: Path) -> None:
    """Nothing was sent, and the error says so."""
    start = time.monotonic()
    with pytest.raises(KeeperNotAvailable):
        Token(tmp_path / "nothing", patience=0.2).status()
    assert time.monotonic() - start < 10


def test_a_module_that_cannot_be_loaded_leaves_a_keeper_that_says_so() -> None:
    """Unavailable, with the reason; it goes on trying."""
    with a_box(library=Path("/nowhere/module.so")) as box, box.start() as token:
        assert ("unavailable", "module-failed") == (token.status().state, token.status().reason)
        assert box.process is not None
        assert box.process.poll() is None


def test_a_changed_log_of_uses_stops_every_use() -> None:
    """The keeper runs, says why, and signs nothing."""
    with a_box() as box:
        box.make_token()
        (box.path / "box.uses").write_bytes(b'{"sequence":1,"at":1.0,"kind":"started","chain":"00"}\n' * 2)
        with box.start() as token:
            assert token.status().reason == "use-log-broken"
            with pytest.raises(HsmError) as caught:
                token.keys()
            assert caught.value.code == "use-log-broken"


def test_sigterm_lets_the_keeper_end_in_order(box: Box) -> None:
    """Status 0, and the sockets are gone."""
    box.token.status()
    assert box.process is not None
    box.process.terminate()
    assert box.process.wait(10) == 0
    assert not (box.path / "s").exists()
    box.start()
    eventually(lambda: box.token.status().state == "operational")
