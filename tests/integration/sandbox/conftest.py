"""A fork server with the tests' operations, and pools of it."""

from __future__ import annotations

import pytest

from api.sandbox import start
from api.sandbox.pool import Sandbox, SandboxLimits
from tests.sandbox_support import OPS


@pytest.fixture(scope="session")
def workers_socket(tmp_path_factory):
    """The socket of a fork server that all tests of this folder share."""
    path = tmp_path_factory.mktemp("run") / "workers.sock"
    with start.listen(path) as listener:
        server = start.start(listener, extra=OPS)
        yield path
        server.terminate()
        assert server.wait(10) == 0


@pytest.fixture
def pool(workers_socket):
    """Makes pools with the limits that a test asks for."""
    made = []

    def make(**limits) -> Sandbox:
        made.append(Sandbox(workers_socket, limits=SandboxLimits(**limits)))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.close()


@pytest.fixture
def sandbox(pool) -> Sandbox:
    return pool(workers=4)
