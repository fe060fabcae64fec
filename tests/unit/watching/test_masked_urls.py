"""What a database's address says of its password is nobody's who helps."""

from __future__ import annotations

import pytest

from api.cli.diagnosing import masked

pytestmark = pytest.mark.appliance


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://kyso:bimat@db/kyso",
        "postgresql+psycopg://kyso:bi@mat@db/kyso",
        "postgresql+psycopg://db/kyso?user=kyso&password=bimat",
        "postgresql+psycopg://db/kyso?sslpassword=bimat&sslmode=require",
    ],
)
def test_a_password_in_an_address_is_masked(url: str) -> None:
    """Before the host, with signs that should have been escaped, and as a parameter."""
    told = masked({"database": url, "log": f"cannot reach {url}"})
    assert not {"bimat", "mat@"} & {part for part in ("bimat", "mat@") if part in str(told)}
    assert "db/kyso" in told["database"]


def test_an_address_that_is_itself_a_secret_is_masked() -> None:
    """Chat services put the token into the path of their webhooks."""
    told = masked({"alarms": {"webhook": "https://chat.example/hook/bimat", "webhook_secret_file": "secrets/hook"}})
    assert "bimat" not in str(told)
    assert "secrets/hook" == told["alarms"]["webhook_secret_file"]
