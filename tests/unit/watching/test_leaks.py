"""The search for secrets finds them, in every form in which they could have been written: it can fail."""

from __future__ import annotations

import base64
import json

import pytest

from tests.integration.watching import leaks

pytestmark = pytest.mark.appliance

SECRET = "kanari-mật-khẩu-7391"


@pytest.mark.parametrize(
    "written",
    [
        f"pin={SECRET}".encode(),
        json.dumps({"pin": SECRET}).encode(),
        SECRET.encode().hex().encode(),
        SECRET.encode("utf-16-le"),
        *(base64.b64encode(b"x" * pad + SECRET.encode() + b"yy") for pad in range(4)),
    ],
)
def test_a_planted_secret_is_found_in_each_form(written: bytes):
    """As it is, in JSON, hexadecimal, UTF-16, and within base64 wherever it begins."""
    places = {"log": b"before " + written + b" after", "clean": b"nothing"}
    assert [("pin", "log")] == sorted({(leak.what, leak.where) for leak in leaks.found({"pin": SECRET}, places)})


def test_what_is_not_there_is_not_found():
    """A part of a secret is none."""
    assert [] == leaks.found({"pin": SECRET}, {"log": SECRET[:-2].encode()})
