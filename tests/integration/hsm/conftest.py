"""A keeper before a token with one key of each kind, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hsm.keeper import KeyConfig
from hsm.token import Token
from tests.hsm_support import ONE_OF_EACH, Box, a_box


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A token with one key of each kind; one keeper for this file."""
    settings = {"tsa": KeyConfig(shapes=("tst-attributes",)), "raw": KeyConfig(shapes=("bare-digest",))}
    with a_box(keys=settings) as box:
        box.make_token()
        box.start()
        for ref, algorithm in ONE_OF_EACH.items():
            box.create(ref, algorithm)
        yield box


@pytest.fixture
def token(box: Box) -> Iterator[Token]:
    """A client."""
    with box.token as token:
        assert isinstance(token, Token)
        yield token
