"""The whole interface under made-up requests, in keeping with its description and against it."""

from __future__ import annotations

import pytest

from tests.appliance import Appliance
from tests.fuzzing.http import campaign

pytestmark = pytest.mark.appliance

SECONDS = 40
"""No turn is begun later; on an idle machine the campaign ends before."""


def test_every_answer_is_one_that_was_promised(appliance: Appliance) -> None:
    """No 5xx but the declared ones, problem documents with their codes, types and bodies as described; still ready."""
    told = campaign(appliance).run(count=300, seconds=SECONDS)
    assert [] == [str(one) for one in told.findings]
    described = appliance.as_role("administrator").get("/openapi.json").json()["paths"]
    asked = {operation.partition(" ")[2] for operation in told.statuses}
    assert asked == set(described)
    assert 200 == appliance.client.get("/health/ready").status_code
