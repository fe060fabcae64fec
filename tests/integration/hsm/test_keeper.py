"""A real keeper before a SoftHSM token: what it signs, for whom, and what an operator does with it."""

from __future__ import annotations

import datetime
import hashlib
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import NameOID

from hsm.errors import (
    CertificateMismatch,
    CertificateUnreadable,
    HsmError,
    KeeperNotAvailable,
    KeyExists,
    KeyNotFound,
    MechanismNotSupported,
    PermitRefused,
    RequestMalformed,
    ShapeRefused,
    SubjectInvalid,
    TokenExists,
    TokenNotAvailable,
)
from hsm.keeper import KeyConfig
from hsm.keys import Mechanism, NewKey
from hsm.lifecycle import PinSource
from hsm.mechanisms import check_value
from hsm.token import Token
from tests.hsm_support import OID_TST_INFO, PIN, SO_PIN, Box, a_box, eventually, key_named, signed_attributes

pytestmark = pytest.mark.spine

KEYS: dict[str, NewKey] = {
    "rsa": "rsa2048",
    "p256": "p256",
    "p384": "p384",
    "ed": "ed25519",
    "tsa": "p256",
    "raw": "p256",
}
EC: Mechanism = "ecdsa_sha256"


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A token with one key of each kind; one keeper for this file."""
    settings = {"tsa": KeyConfig(shapes=("tst-attributes",)), "raw": KeyConfig(shapes=("bare-digest",))}
    with a_box(keys=settings) as box:
        box.make_token()
        box.start()
        for ref, algorithm in KEYS.items():
            box.create(ref, algorithm)
        yield box


@pytest.fixture
def token(box: Box) -> Iterator[Token]:
    """A client."""
    with box.token as token:
        assert isinstance(token, Token)
        yield token


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


def test_new_keys_cannot_leave_the_token(box: Box) -> None:
    """Sensitive, not extractable, made for signing only."""
    script = """
import sys; from hsm.cryptoki import Cryptoki; from pkcs11 import Attribute as A, ObjectClass
c = Cryptoki(sys.argv[1]); c.initialise(); slot = next(s for s in c.slots() if c.token_info(s).label == "box")
s = c.open_session(slot); c.login(s, bytearray(sys.argv[2].encode()))
for h in c.find(s, {A.CLASS: ObjectClass.PRIVATE_KEY}):
    print([c.attribute(s, h, a) for a in (A.SENSITIVE, A.EXTRACTABLE, A.SIGN, A.DECRYPT, A.UNWRAP, A.DERIVE)],
          c.attribute(s, h, A.PRIVATE_EXPONENT), c.attribute(s, h, A.VALUE))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(box.library), PIN],
        env=os.environ | box.environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(KEYS)
    for line in lines:
        assert line.startswith(r"[b'\x01', b'\x00', b'\x01', b'\x00', b'\x00', b'\x00']"), line
        assert line.endswith("None None"), line


def certificate(
    subject: str, key: object, *, issuer: str, by: ec.EllipticCurvePrivateKey, days: int = 0
) -> x509.Certificate:
    """A certificate that begins `days` from now."""
    start = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)  # type: ignore[arg-type]  # any of cryptography's
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=30))
        .sign(by, hashes.SHA256())
    )


@pytest.mark.parametrize("ref", ["rsa", "p256", "p384", "ed"])
def test_a_request_for_a_certificate_is_signed_by_the_key(box: Box, ref: str) -> None:
    """PKCS#10 with a Vietnamese name, which a peer reads and verifies; recorded like any use."""
    with box.admin as admin:
        csr = x509.load_pem_x509_csr(admin.csr(ref, "CN=Nguyễn Văn Ánh,O=Ủy ban nhân dân,C=VN"))
        info = key_named(admin, ref)
    assert csr.is_signature_valid
    assert csr.subject.rfc4514_string() == "CN=Nguyễn Văn Ánh,O=Ủy ban nhân dân,C=VN"
    assert csr.public_key() == load_der_public_key(info.public_key)
    assert '"note":"csr"' in (box.path / "box.uses").read_text()
    with pytest.raises(SubjectInvalid), box.admin as admin:
        admin.csr(ref, "no name")


def test_a_certificate_is_stored_with_its_chain_and_renewed(box: Box) -> None:
    """The key keeps its name; the chain goes upwards; a renewal replaces; a stranger's certificate is refused."""
    root_key, ca_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("Root", root_key.public_key(), issuer="Root", by=root_key)
    ca = certificate("CA", ca_key.public_key(), issuer="Root", by=root_key)
    with box.admin as admin:
        info = key_named(admin, "p384")
        public = load_der_public_key(info.public_key)
        first = certificate("Seal", public, issuer="CA", by=ca_key)
        second = certificate("Seal", public, issuer="CA", by=ca_key, days=1)
        foreign = certificate("Seal", root_key.public_key(), issuer="CA", by=ca_key)
        pem = b"".join(c.public_bytes(Encoding.PEM) for c in (root, ca))
        stored = admin.import_certificate("p384", first.public_bytes(Encoding.DER), (pem,))
        der = [c.public_bytes(Encoding.DER) for c in (first, ca, root)]
        assert (der[0], tuple(der[1:])) == (stored.certificate, stored.chain)
        renewed = admin.import_certificate("p384", second.public_bytes(Encoding.PEM))
        assert (second.public_bytes(Encoding.DER), tuple(der[1:])) == (renewed.certificate, renewed.chain)
        with pytest.raises(CertificateMismatch):
            admin.import_certificate("p384", foreign.public_bytes(Encoding.DER))
        with pytest.raises(CertificateUnreadable):
            admin.import_certificate("p384", b"nonsense")
        after = key_named(admin, "p384")
    assert renewed == after


def test_a_name_is_given_once(box: Box) -> None:
    """And is not empty, too long or full of control characters."""
    with box.admin as admin:
        with pytest.raises(KeyExists):
            admin.create_key("rsa", "p256")
        for bad in ("", "x" * 65, "a\nb", "a#b"):
            with pytest.raises(RequestMalformed):
                admin.create_key(bad, "p256")


def test_a_token_is_made_by_the_keeper_itself() -> None:
    """From unprovisioned to a signature; an existing token is never touched."""
    with a_box() as box:
        so_pin, pin = PinSource(file=str(box.path / "so")), PinSource(file=str(box.path / "pin"))
        with box.start() as token:
            assert ("unprovisioned", "token-absent") == (token.status().state, token.status().reason)
            with pytest.raises(TokenNotAvailable):
                token.keys()
            with box.admin as admin:
                assert [False] == [s.initialised for s in admin.slots()]
                made = admin.initialise("box", so_pin=so_pin, pin=pin)
                assert made.state == "operational"
                with pytest.raises(TokenExists):
                    admin.initialise("box", so_pin=so_pin, pin=pin)
                admin.create_key("first", "p256")
            assert isinstance(token, Token)
            assert box.sign(token, signed_attributes(b"x"), key="first", mechanism=EC)
        assert SO_PIN not in box.errors()


def test_two_keys_of_one_label_are_both_renamed(box: Box) -> None:
    """Neither is taken for the other."""
    with a_box() as other:
        other.make_token()
        for key_id in ("01", "02"):
            file = other.path / f"{key_id}.pem"
            subprocess.run(
                ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file],
                check=True,
                capture_output=True,
            )
            subprocess.run(
                ["softhsm2-util", "--import", file, "--token", "box", "--label", "twin", "--id", key_id, "--pin", PIN],
                env=os.environ | other.environment, check=True, capture_output=True,
            )  # fmt: skip
        with other.start() as token:
            infos = token.keys()
    assert ["twin#01", "twin#02"] == [info.ref for info in infos]


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
