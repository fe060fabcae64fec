"""The same document, signed and certified, for all attacks."""

from __future__ import annotations

import pytest
from pyhanko.sign.fields import MDPPerm

from tests.unit.verify.attacks.scene import shadow_ready
from tests.unit.verify.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def signed(world: World) -> bytes:
    return world.sign(shadow_ready(), field_name="Một")


@pytest.fixture(scope="module")
def certified(world: World) -> dict[MDPPerm, bytes]:
    plain = shadow_ready()
    return {level: world.sign(plain, field_name="Một", certify=True, docmdp_permissions=level) for level in MDPPerm}
