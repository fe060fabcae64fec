"""One suite for every kind of token that this machine has: SoftHSM, p11-kit, a PIV card, a TPM, opencryptoki."""

from __future__ import annotations

import datetime
import os
import subprocess
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509.oid import NameOID

from hsm.errors import HsmError, TokenLocked, TokenNotAvailable
from hsm.keys import MECHANISMS, KeyInfo, Mechanism
from hsm.mechanisms import check_value
from tests.hsm_support import PIN, WRONG_PIN, Box, eventually, key_named, signed_attributes
from tests.integration.hsm.pivcard import PUK
from tests.integration.hsm.worlds import WORLDS, World

pytestmark = [pytest.mark.pades, pytest.mark.timeout(60)]

EXPECTED: dict[str, dict[str, tuple[Mechanism, ...]]] = {
    "softhsm": {
        "ed25519": ("ed25519",),
        "p256": ("ecdsa_sha256", "ecdsa_sha384"),
        "p384": ("ecdsa_sha384", "ecdsa_sha256"),
        "rsa2048": MECHANISMS[:6],
        "rsa3072": MECHANISMS[:6],
    },
    "p11-kit": {"p256": ("ecdsa_sha256", "ecdsa_sha384"), "rsa2048": MECHANISMS[:6]},
    "piv": {
        "CARD AUTH key": ("ecdsa_sha384", "ecdsa_sha256"),
        "KEY MAN key": MECHANISMS[:6],
        "PIV AUTH key": ("ecdsa_sha256", "ecdsa_sha384"),
        "SIGN key": MECHANISMS[:6],
    },
    "tpm-p256": {"p256": ("ecdsa_sha256", "ecdsa_sha384")},
    "tpm-rsa2048": {"rsa2048": MECHANISMS[:3]},
    "opencryptoki": {"rsa2048": MECHANISMS[:6]},
}
"""What each token's keys can do: probed, not believed."""


@pytest.fixture(scope="module", params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A token with its keeper; the tests below run on it one after another."""
    with WORLDS[request.param]() as found:
        yield found


def sign(box: Box, ref: str, mechanism: Mechanism, *, seed: bytes = b"a document") -> None:
    """One signature, verified with the public key that the keeper lists."""
    digest = "sha512" if mechanism == "ed25519" else mechanism.rsplit("_", 1)[1]
    tbs = signed_attributes(seed, digest=digest)
    with box.token as token:
        value = box.sign(token, tbs, key=ref, mechanism=mechanism)
        public = load_der_public_key(key_named(token, ref).public_key)
    check_value(value, public_key=public, mechanism=mechanism, tbs=tbs)  # type: ignore[arg-type]  # any of cryptography's


def listed(box: Box) -> tuple[KeyInfo, ...]:
    """What the keeper lists."""
    with box.token as token:
        return token.keys()


def first_use(box: Box) -> tuple[str, Mechanism]:
    """A key and a mechanism that work."""
    info = next(info for info in listed(box) if info.mechanisms)
    return info.ref, info.mechanisms[0]


def state(box: Box) -> tuple[str, str | None]:
    """Of the keeper's token."""
    with box.token as token:
        status = token.status()
    return status.state, status.reason


def test_every_key_signs_with_every_mechanism_it_lists(world: World) -> None:
    """And lists what such a token is known to have; each value verifies."""
    infos = listed(world.box)
    assert EXPECTED[world.name] == {info.ref: info.mechanisms for info in infos}
    for info in infos:
        for mechanism in info.mechanisms:
            sign(world.box, info.ref, mechanism)


def test_certificates_are_found_and_stored(world: World) -> None:
    """A card that was issued brings its own; the others take one, with its chain."""
    if world.name == "piv":
        for info in listed(world.box):
            assert info.certificate is not None
            own = x509.load_der_x509_certificate(info.certificate).public_key()
            assert own.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == info.public_key
        return
    ref, _ = first_use(world.box)
    with world.box.admin as admin:
        public = load_der_public_key(key_named(admin, ref).public_key)
        issuer = ec.generate_private_key(ec.SECP256R1())
        root = _certificate("Gốc", issuer.public_key(), by=issuer)
        leaf = _certificate("Con dấu", public, by=issuer)
        stored = admin.import_certificate(ref, leaf.public_bytes(Encoding.DER), (root.public_bytes(Encoding.DER),))
    assert stored.certificate == leaf.public_bytes(Encoding.DER)
    assert stored.chain == (root.public_bytes(Encoding.DER),)
    assert x509.load_pem_x509_csr(_csr(world.box, ref)).is_signature_valid


def _csr(box: Box, ref: str) -> bytes:
    with box.admin as admin:
        return admin.csr(ref, "CN=Con dấu,C=VN")


def _certificate(subject: str, public: object, *, by: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gốc")]))
        .public_key(public)  # type: ignore[arg-type]  # any of cryptography's
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(by, hashes.SHA256())
    )


@pytest.mark.parametrize("world", ["softhsm", "p11-kit", "piv", "tpm-p256"], indirect=True)
def test_a_token_that_is_away_and_back_signs_again(world: World) -> None:
    """Unavailable meanwhile, with nothing signed; back without a restart, and with the same names."""
    assert world.pull is not None
    assert world.put_back is not None
    ref, mechanism = first_use(world.box)
    before = sorted(EXPECTED[world.name])
    world.pull()
    with pytest.raises(HsmError) as caught:
        sign(world.box, ref, mechanism)
    assert caught.value.code == "token-not-available"

    def given_up() -> bool:
        if state(world.box)[0] == "operational":  # a TPM that is away shows only in a use, and one may be an accident
            with pytest.raises(TokenNotAvailable):
                sign(world.box, ref, mechanism)
        return state(world.box)[0] == "unavailable"

    eventually(given_up)
    world.put_back()
    eventually(lambda: state(world.box)[0] == "operational", within=20)
    assert sorted(info.ref for info in listed(world.box)) == before
    sign(world.box, ref, mechanism)


@pytest.mark.parametrize("world", ["p11-kit", "tpm-p256", "opencryptoki"], indirect=True)
def test_a_wrong_pin_costs_one_try(world: World) -> None:
    """By the token's own count, through two restarts of the keeper; the right one in the file mends it."""
    box = world.box
    ref, mechanism = first_use(box)
    box.stop()
    at_first = world.refusals() if world.refusals else 0
    box.write_pin(WRONG_PIN)
    for _ in range(2):
        box.start()
        eventually(lambda: state(box)[0] == "locked", within=20)
        assert state(box)[1] in ("pin-refused", "pin-count-low")
        assert sorted(EXPECTED[world.name]) == sorted(info.ref for info in listed(box))
        with pytest.raises(TokenLocked):
            sign(box, ref, mechanism)
        box.stop()
    if world.refusals:
        assert world.refusals() == at_first + 1
    box.start()
    eventually(lambda: state(box)[0] == "locked", within=20)
    box.write_pin(PIN)
    eventually(lambda: state(box)[0] == "operational", within=20)
    sign(box, ref, mechanism)


@pytest.mark.parametrize("world", ["piv"], indirect=True)
def test_a_card_through_all_states_of_its_pin(world: World) -> None:
    """Wrong, wrong again in another way, the final try left alone, locked by somebody else, unblocked with the PUK.

    The card counts: the keeper presents each wrong PIN once, and never the last one.
    """
    box = world.box
    # Key 9C asks for the PIN before each signature (SP 800-73-4 part 1, table 4b): the keeper gives it.
    presented = world.tell("status")["verified"]
    for number in range(3):
        sign(box, "SIGN key", "rsassa_pkcs1v15_sha256", seed=bytes([number]))
    assert world.tell("status")["verified"] == presented + 3
    # Two PINs that the operator got wrong, one after the other: a try each.
    box.stop()
    box.write_pin(WRONG_PIN)
    box.start()
    eventually(lambda: state(box) == ("locked", "pin-refused"), within=15)
    box.write_pin("112233")
    eventually(lambda: world.tell("status")["pin_tries"] == 1, within=15)
    eventually(lambda: state(box)[0] == "locked")
    # One is left: not even the right one is tried.
    presented = world.tell("status")["verified"]
    box.write_pin(PIN)
    eventually(lambda: state(box) == ("locked", "pin-final-try"), within=15)
    assert (world.tell("status")["pin_tries"], world.tell("status")["verified"]) == (1, presented)
    # Somebody spends it with another tool.
    _pkcs11_tool(box, "--login", "--pin", "998877", "--list-objects", accepted=False)
    eventually(lambda: state(box) == ("locked", "pin-locked"), within=15)
    assert world.tell("status")["pin_tries"] == 0
    # The PUK gives the PIN back; the keeper notices, and needs nobody.
    _unblock(box)
    eventually(lambda: state(box)[0] == "operational", within=15)
    sign(box, "SIGN key", "rsassa_pkcs1v15_sha256")
    # Changed behind the keeper's back: the next use of 9C is refused, once, and locks.
    refused = world.tell("change-pin 246810")["refused"]
    for _ in range(2):
        with pytest.raises(TokenLocked):
            sign(box, "SIGN key", "rsassa_pkcs1v15_sha256")
    eventually(lambda: state(box) == ("locked", "pin-refused"))
    assert world.tell("status")["refused"] == refused + 1


def _tool(box: Box, *command: str) -> bool:
    done = subprocess.run(command, env=os.environ | box.environment, capture_output=True, check=False, timeout=20)
    return done.returncode == 0


def _pkcs11_tool(box: Box, *arguments: str, accepted: bool) -> None:
    assert _tool(box, "pkcs11-tool", "--module", str(box.library), *arguments) is accepted


def _unblock(box: Box) -> None:
    assert _tool(box, "pkcs15-tool", "--unblock-pin", "--auth-id", "01", "--puk", PUK, "--new-pin", PIN)
