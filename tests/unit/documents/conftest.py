"""The hand that signs, as in the signer's tests."""

from tests.unit.signer.conftest import authority, hand

__all__ = ["authority", "hand"]
