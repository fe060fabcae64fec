"""Requests that no client means, over the whole interface: each is refused with its code, none harms the next one."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from api import problems
from tests.appliance import Appliance

pytestmark = pytest.mark.appliance

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
NAMES = (
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "..%5c..%5cwindows",
    "%2e%2e",
    "%00",
    "a%00b",
    "%ff%fe",
    "%ed%a0%80",
    "%e2%80%ae",
    "x" * 3000,
    "%27%20OR%201%3d1--",
    "{identity}",
    "*",
)
TEXTS = {
    "NUL": '"a\\u0000b"',
    "lone surrogate": '"\\ud800"',
    "surrogates in the wrong order": '"\\udc00\\ud800"',
    "right to left": '"a\\u202eb"',
    "huge number": "1" + "0" * 4000,
    "huge exponent": "1e400",
    "not a number": "NaN",
    "infinity": "-Infinity",
    "minus one": "-1",
    "nothing": "null",
    "long": '"' + "x" * 9000 + '"',
    "list in list": "[" * 2000 + "]" * 2000,
    "object in object": '{"a":' * 2000 + "1" + "}" * 2000,
}
BODIES = {
    "deep": b"[" * 8000,
    "UTF-16": '{"name": "n"}'.encode("utf-16"),
    "UTF-32": '{"name": "n"}'.encode("utf-32"),
    "Latin-1": '{"name": "Văn"}'.encode("cp1258", "replace"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "cut off": b'{"name": "n',
    "two": b"{}{}",
    "empty": b"",
    "nothing": b"null",
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
}


@pytest.fixture(scope="module")
def administrator(appliance: Appliance) -> httpx.Client:
    return appliance.as_role("administrator")


@pytest.fixture(scope="module")
def described(administrator: httpx.Client) -> dict[str, Any]:
    return administrator.get("/openapi.json").json()


def is_refusal(answer: httpx.Response) -> bool:
    """A problem document of the caller's own making, whose code and status belong together."""
    kind = answer.headers.get("content-type", "")
    return (
        400 <= answer.status_code < 500
        and kind.startswith(problems.MEDIA_TYPE)
        and problems.STATUS.get(answer.json()["code"]) == answer.status_code
    )


def filled(path: str, name: str = "nothing") -> str:
    return re.sub(r"\{[^}]*\}", lambda _: name, path)


def test_a_method_that_an_address_does_not_take_is_405(administrator: httpx.Client, described: dict[str, Any]) -> None:
    """On every address; Allow names those that it takes (RFC 9110 §15.5.6)."""
    wrong = []
    for path in described["paths"]:
        takes = {
            method.upper()
            for template, found in described["paths"].items()
            if _fits(template, path)
            for method in found
        }
        allow = ", ".join(sorted(takes | ({"HEAD"} if "GET" in takes else set())))
        for method in set(METHODS) - takes:
            answer = administrator.request(method, filled(path))
            said = answer.json().get("code") if answer.content else None
            found = (answer.status_code, said, answer.headers.get("allow"))
            if found != (405, "not-allowed-method", allow):
                wrong.append((method, path, found))
    assert [] == wrong


def _fits(template: str, path: str) -> bool:
    """Whether a path with nothing made up in it leads to this template, too: /v1/rights/try is a rule's name as well."""
    return re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), path) is not None


def test_head_answers_as_get_does_without_a_body(administrator: httpx.Client, described: dict[str, Any]) -> None:
    """RFC 9110 §9.3.2: the same status and type, also of refusals."""
    for path in (path for path, operations in described["paths"].items() if "get" in operations):
        asked, head = administrator.get(filled(path)), administrator.head(filled(path))
        said = [(one.status_code, one.headers.get("content-type")) for one in (asked, head)]
        assert said[0] == said[1], path
        assert b"" == head.content


def _operations(described: dict[str, Any], *, kind: str | None = None) -> Iterator[tuple[str, str]]:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if kind is None or kind in operation.get("requestBody", {}).get("content", {}):
                yield method.upper(), path


def test_no_name_leads_out_of_where_it_belongs(administrator: httpx.Client, described: dict[str, Any]) -> None:
    """Paths, NULs, octets that are no text and SQL in the place of every name: there is no such thing, and no more."""
    wrong = []
    for method, path in _operations(described):
        if "{" not in path:
            continue
        for name in NAMES:
            answer = administrator.request(method, filled(path, name))
            if not is_refusal(answer) or "root:" in answer.text:
                wrong.append((method, path, name[:40], answer.status_code, answer.text[:100]))
    assert [] == wrong


def test_json_that_is_none_is_400(administrator: httpx.Client, described: dict[str, Any]) -> None:
    """Another character set, another depth, broken or none: for every call that takes JSON."""
    wrong = []
    for method, path in _operations(described, kind="application/json"):
        for name, body in BODIES.items():
            answer = administrator.request(
                method, filled(path), content=body, headers={"Content-Type": "application/json; charset=utf-16"}
            )
            if not is_refusal(answer):
                wrong.append((method, path, name, answer.status_code, answer.text[:100]))
    assert [] == wrong


def test_no_text_or_number_breaks_what_reads_it(administrator: httpx.Client, described: dict[str, Any]) -> None:
    """In every member of every body: NUL, lone surrogates, numbers beyond all bounds, depth."""
    schemas = described["components"]["schemas"]
    wrong = []
    for method, path in _operations(described, kind="application/json"):
        schema = described["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
        members = schemas[schema["$ref"].rpartition("/")[2]]["properties"] if "$ref" in schema else {"people": {}}
        for member in members:
            for name, text in TEXTS.items():
                body = f'{{{json.dumps(member)}: {text}, "name": "n"}}'
                answer = administrator.request(
                    method, filled(path), content=body, headers={"Content-Type": "application/json"}
                )
                if answer.status_code >= 500 or (answer.status_code >= 400 and not is_refusal(answer)):
                    wrong.append((method, path, member, name, answer.status_code, answer.text[:100]))
    assert [] == wrong


def test_no_text_or_number_breaks_an_order(appliance: Appliance) -> None:
    """The same in the members of an order and of the options of a verification."""
    document = (appliance.home / "demo" / "giay-gioi-thieu.pdf").read_bytes()
    wrong = []
    parts = {
        "/v1/signatures": ("order", ("key", "field", "reason", "place", "stamp", "head", "xml", "fill", "level")),
        "/v1/verifications": ("options", ("at", "password", "policy")),
        "/v1/batches": ("order", ("key",)),
    }
    for path, (part, members) in parts.items():
        for member in members:
            for name, text in TEXTS.items():
                answer = appliance.client.post(
                    path, files={"document": ("a.pdf", document)}, data={part: f"{{{json.dumps(member)}: {text}}}"}
                )
                if answer.status_code >= 500 or (answer.status_code >= 400 and not is_refusal(answer)):
                    wrong.append((path, member, name, answer.status_code, answer.text[:100]))
    assert [] == wrong


@pytest.mark.parametrize(
    "query",
    [
        "limit=1&limit=2",
        "limit=" + "9" * 5000,
        "limit=-1",
        "limit=1e3",
        "after=%00",
        "after=%ff",
        "after=" + "x" * 9000,
        "under=%00",
        "state=%00&state=x",
        "since=" + "9" * 30,
        "signature=%00",
        "lang=%00",
        "&".join(f"a{number}=1" for number in range(5000)),
        "%",
        "=&&==&%zz=%",
    ],
)
def test_no_query_breaks_what_reads_it(administrator: httpx.Client, described: dict[str, Any], query: str) -> None:
    """Twice the same name, numbers without end, no text at all: for every call that is asked."""
    for path in (path for path, operations in described["paths"].items() if "get" in operations):
        answer = administrator.get(f"{filled(path)}?{query}")
        assert answer.status_code < 400 or is_refusal(answer), (path, answer.status_code, answer.text[:200])


@pytest.mark.parametrize("parts", [17, 2000])
def test_a_form_of_many_parts_is_refused(appliance: Appliance, parts: int) -> None:
    """Before it fills anything."""
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n' % number for number in range(parts)
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for path in ("/v1/signatures", "/v1/verifications", "/v1/extensions", "/v1/batches"):
        assert is_refusal(appliance.client.post(path, content=body + b"--x--\r\n", headers=headers)), path


BOTH = b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nGET /v1/callers HTTP/1.1\r\nHost: localhost\r\n\r\n"
RAW = {
    "length and chunks": b"POST /v1/callers HTTP/1.1\r\nHost: localhost\r\n" + BOTH,
    "two lengths": b"POST /v1/callers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a negative length": b"POST /v1/callers HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "a length without end": b"POST /v1/callers HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
    + b"9" * 40
    + b"\r\n\r\n",
    "another coding": b"POST /v1/callers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "a chunk of no size": b"POST /v1/callers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk without end": b"POST /v1/callers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"f" * 40
    + b"\r\n",
    "a space before the colon": b"GET /v1/keys HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a folded header": b"GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n",
    "NUL in a header": b"GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nA: b\0c\r\n\r\n",
    "no Host": b"GET /v1/keys HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nHost: elsewhere.example\r\n\r\n",
    "another Host": b"GET /v1/keys HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
    "an address elsewhere": b"GET http://elsewhere.example/v1/keys HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "CONNECT": b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an upgrade": b"GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("160301020001000100"),
    "no HTTP": b"\0\1\2\3\r\n\r\n",
    "HTTP/9": b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "octets in the path": b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a long path": b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a large header": b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 200_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    "two credentials": b"GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Basic b\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_octets_that_are_no_request_end_in_a_refusal(appliance: Appliance, name: str) -> None:
    """Each answer is a 4xx, or the connection ends; nothing is smuggled behind the first request, and the next is served."""
    said = _said(appliance.port, RAW[name])
    statuses = [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]
    assert all(400 <= status < 500 for status in statuses), said[:500]
    assert 200 == appliance.client.get("/health/alive").status_code


def _said(port: int, octets: bytes) -> bytes:
    """What the server answers until it closes or is silent."""
    said = b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as connection:
        try:
            connection.sendall(octets)
            connection.settimeout(1.0)
            while chunk := connection.recv(65_536):
                said += chunk
        except (ConnectionError, TimeoutError):
            pass
    return said
