"""A keeper without a PIN of its own: an operator types it, locks it, mistypes it; a restart forgets it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from hsm import wire
from hsm.errors import PinUnreadable, TokenLocked
from hsm.lifecycle import PinSource
from tests.hsm_support import PIN, WRONG_PIN, Box, a_box, a_faulty_box, build_shim, calls, signed_attributes

pytestmark = pytest.mark.appliance


@pytest.fixture
def box() -> Iterator[Box]:
    with a_box(pin=PinSource(credential="none-here")) as made:
        made.make_token()
        made.start()
        yield made


def typed(pin: str) -> bytearray:
    return bytearray(pin.encode())


def test_a_typed_pin_opens_the_token_and_a_restart_forgets_it(box: Box):
    """The PIN lives in the keeper's memory alone: what a restart finds is a locked token, and nothing of it on disk."""
    with box.admin as admin:
        assert "locked" == admin.status().state
        assert "operational" == admin.unlock(typed(PIN)).state
        admin.create_key("seal", "p256")
    tbs = signed_attributes(b"1")
    assert box.sign(box.token, tbs, key="seal", mechanism="ecdsa_sha256")
    box.stop()
    for file in box.path.rglob("*"):
        if file.is_file() and file.name != "pin":
            assert PIN.encode() not in file.read_bytes(), file
    box.start()
    with box.admin as admin:
        assert ("locked", "pin-unreadable") == (admin.status().state, admin.status().reason)


def test_a_wrong_pin_is_one_attempt_however_often_it_is_typed(tmp_path):
    """A mistyped PIN costs one of the token's tries; the same one again costs none; the right one then opens it."""
    with a_faulty_box(build_shim(tmp_path), pin=PinSource(credential="none-here")) as (box, _):
        box.make_token()
        box.start()
        with box.admin as admin:
            admin.status()
            for _ in range(3):
                status = admin.unlock(typed(WRONG_PIN))
                assert ("locked", "pin-refused") == (status.state, status.reason)
            assert 1 == calls(box, "C_Login")
            assert "operational" == admin.unlock(typed(PIN)).state
            assert 2 == calls(box, "C_Login")


def test_nobody_locks_an_open_token_by_mistyping(box: Box):
    """A wrong PIN for a token that is open is not tried at all."""
    with box.admin as admin:
        admin.unlock(typed(PIN))
        assert "operational" == admin.unlock(typed(WRONG_PIN)).state
    box.create("seal", "p256")
    assert box.sign(box.token, signed_attributes(b"2"), key="seal", mechanism="ecdsa_sha256")


def test_what_is_no_pin_is_not_tried(box: Box):
    """Nothing, two lines or a page of text never reach the token."""
    with box.admin as admin:
        for wrong in ("", "1\n2", "1" * 300):
            with pytest.raises(PinUnreadable):
                admin.unlock(typed(wrong))
        assert "operational" == admin.unlock(typed(PIN + "\n")).state


def test_locked_by_an_operator_stays_locked_over_restarts_although_its_pin_lies_there():
    """`lock` outlives keepers: only `unlock` ends it, by the PIN in its place or by a typed one."""
    with a_box() as box:
        box.make_token()
        box.start()
        box.create("seal", "p256")
        with box.admin as admin:
            assert ("locked", "locked-by-operator") == (admin.lock().state, admin.status().reason)
            with pytest.raises(TokenLocked):
                box.sign(box.token, signed_attributes(b"3"), key="seal", mechanism="ecdsa_sha256")
        box.kill()
        box.start()
        with box.admin as admin:
            assert "locked-by-operator" == admin.status().reason
            assert "pin-refused" == admin.unlock(typed(WRONG_PIN)).reason
        box.stop()
        box.start()
        with box.admin as admin:
            assert "locked-by-operator" == admin.status().reason  # a wrong PIN has not opened the lock either
            assert "operational" == admin.unlock().state
        box.stop()
        box.start()
        assert "operational" == box.token.status().state


def test_the_sign_socket_neither_unlocks_nor_locks(box: Box):
    """Both are the operator's, over the management socket; the api's socket does not know them."""
    with pytest.raises(msgspec.ValidationError):
        wire.decoder.decode(wire.encoder.encode(wire.Unlock(typed(PIN))))
    with pytest.raises(msgspec.ValidationError):
        wire.decoder.decode(wire.encoder.encode(wire.Lock()))
    assert PIN not in repr(wire.Unlock(typed(PIN)))
