"""One world, and three documents signed in it: what most tests of evidence look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents import pdf
from tests.evidence_support import Carried, carry
from tests.longterm_support import World


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pdf(tmp_path_factory.mktemp("plain") / "plain.pdf")


def signed(world: World, plain: Path, level: str, kind: str = "p256", mechanism: str = "ecdsa_sha256") -> bytes:
    out = plain.with_name(f"{level}-{kind}.pdf")
    world.hand(kind, mechanism).sign(plain, out, level=level)
    return out.read_bytes()


@pytest.fixture(scope="session")
def stamped(world: World, plain: Path) -> bytes:
    """B-T, by RSA: everything about revocation must be fetched."""
    return signed(world, plain, "B-T", "rsa2048", "rsassa_pkcs1v15_sha256")


@pytest.fixture(scope="session")
def archived(world: World, plain: Path) -> bytes:
    """B-LTA, by P-256: everything is in the document."""
    return signed(world, plain, "B-LTA")


@pytest.fixture(scope="session")
def fetched(world: World, stamped: bytes) -> Carried:
    return carry(stamped, trust=world.trust(), at=world.at, fetcher=world.hand().net)


@pytest.fixture(scope="session")
def complete(world: World, archived: bytes) -> Carried:
    return carry(archived, trust=world.trust(), at=world.at)
