"""A permit is about one use, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hsm.errors import PermitRefused
from hsm.permit import check, issue

pytestmark = pytest.mark.spine

SECRET = bytes(range(32))
USE = {"key": "seal", "mechanism": "ecdsa_sha256", "tbs": b"bytes to sign"}
PERMIT = issue(SECRET, **USE, ledger_number=7, expires_at=1000.0)  # type: ignore[arg-type]  # one use as a mapping


def test_the_use_that_it_is_about_passes() -> None:
    """Up to the moment of its expiry."""
    check(SECRET, PERMIT, **USE, now=1000.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [{"key": "seal2"}, {"key": ""}, {"mechanism": "ecdsa_sha384"}, {"tbs": b"bytes to sigm"}, {"now": 1000.5}],
)
def test_another_use_is_refused(change: dict[str, object]) -> None:
    """Key, mechanism, bytes and time each matter."""
    with pytest.raises(PermitRefused):
        check(SECRET, PERMIT, **({"now": 0.0} | USE | change))  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"ledger_number": 8}, {"expires_at": 2000.0}, {"mac": bytes(32)}, {"mac": b""}])
def test_a_changed_permit_is_refused(change: dict[str, object]) -> None:
    """Ledger number, expiry and code each matter."""
    with pytest.raises(PermitRefused):
        check(SECRET, replace(PERMIT, **change), **USE, now=0.0)  # type: ignore[arg-type]


def test_another_secret_is_refused() -> None:
    """A permit does not outlive the secret of the start that issued it."""
    with pytest.raises(PermitRefused):
        check(bytes(32), PERMIT, **USE, now=0.0)  # type: ignore[arg-type]


def test_parts_cannot_be_shifted_between_fields() -> None:
    """A key's name that ends like a mechanism begins makes another code."""
    first = issue(SECRET, key="ab", mechanism="ed25519", tbs=b"", ledger_number=1, expires_at=1.0)
    second = issue(SECRET, key="a", mechanism="ed25519", tbs=b"", ledger_number=1, expires_at=1.0)
    assert first.mac != second.mac
