"""Drives everything that the appliance offers, with secrets in it: each operation of its OpenAPI, as each role, well formed
and badly; what it answered is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.appliance import Appliance


@dataclass
class Answers:
    """Everything that came back: bodies and headers of refusals; of what went well, how much it was."""

    refusals: dict[str, bytes] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)

    def note(self, name: str, answer: httpx.Response) -> httpx.Response:
        self.statuses.append(answer.status_code)
        if answer.status_code >= 400:
            where = f"{len(self.statuses)} {name} {answer.status_code}"
            self.refusals[where] = answer.content + str(dict(answer.headers)).encode()
        return answer


def every_operation(appliance: Appliance, answers: Answers, *, secrets: Mapping[str, str], document: bytes) -> int:
    """Each path and method of the OpenAPI with a right API key, a wrong one, a token, none; with bodies of every kind.
    Gives the number of operations."""
    description = httpx.get(f"{appliance.url}/openapi.json").json()
    operations = [
        (method, path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        # Whoever ends sessions or callers ends the test's own.
        if not (method == "delete" and "callers" in path)
    ]
    for method, path, operation in operations:
        address = path.replace("{identity}", answers.signatures[0] if answers.signatures else "sig_x")
        address = address.replace("{name}", "x").replace("{login}", "x")
        for number, (who, headers) in enumerate(_callers(appliance, secrets)):
            for body in _bodies(operation, secrets, document) if number == 0 else [{}]:
                name = f"{method} {path} as {who}"
                with httpx.Client(base_url=appliance.url, timeout=60) as client:
                    answers.note(name, client.request(method, address, headers=headers, **body))
    return len(operations)


def _callers(appliance: Appliance, secrets: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    administrator = (appliance.home / "demo" / "administrator.key").read_text().strip()
    yield "administrator", {"Authorization": f"Bearer {administrator}", "Cookie": f"kyso_audit={secrets['cookie']}"}
    client = (appliance.home / "demo" / "client.key").read_text().strip()
    yield "client", {"Authorization": f"Bearer {client}"}
    yield "a wrong API key", {"Authorization": f"Bearer {secrets['api key']}"}
    yield "a token", {"Authorization": f"Bearer {secrets['bearer token']}"}
    yield "basic", {"Authorization": f"Basic {secrets['basic']}"}
    yield "nobody", {}


def _bodies(operation: dict[str, Any], secrets: Mapping[str, str], document: bytes) -> Iterator[dict[str, Any]]:
    """Nothing, something of the right type with secrets in it, something broken with secrets in it."""
    yield {}
    kinds = operation.get("requestBody", {}).get("content", {})
    password = secrets["document password"]
    if "multipart/form-data" in kinds:
        order = {"key": "demo-official", "format": "PAdES", "level": "B-B", "password": password}
        for given in (order, {**order, "level": "B-X"}, {**order, "password": [password]}):
            yield {
                "files": {"document": ("a.pdf", document, "application/pdf")},
                "data": {"order": json.dumps(given), "options": json.dumps({"password": password, "x": 1})},
            }
        yield {"content": b"--x\r\n" + document[:500]}
    for kind in kinds:
        if kind != "multipart/form-data":
            text = secrets["document text"]
            yield {"content": json.dumps({"password": password, "value": text, "secret": password}).encode()}
            yield {"content": f'{{"password": "{password}", "x": '.encode()}
            yield {"content": b"\xff\xfe" + text.encode()}
