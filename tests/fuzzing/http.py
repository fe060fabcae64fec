"""What schemathesis makes of our own OpenAPI, sent to a running appliance: every answer must be one that was promised.

    python -m tests.fuzzing.http [COUNT] [SEED]

starts an appliance of its own, sends COUNT requests (3,000), as an administrator, as a client and as nobody, half of them
in keeping with the description and half against it, and prints a table. What counts as a finding:

1. a 5xx that is no problem document with a code which `api.problems` declares as such, or any 500;
2. a refusal that is no problem document, or one whose code, status and type do not belong together;
3. a status, content type, header or body that the description does not have (schemathesis's own checks);
4. nobody being let in where the description asks for a credential;
5. no answer at all.

Drawn from a seed: the same COUNT and SEED send the same requests. What is stored by earlier ones may change answers.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import problems
from tests.appliance import Appliance, running

COUNT = 3_000
KEY = "demo-official"
PATIENCE = 60
"""Seconds that one answer may take; a timestamp authority in the demo is quick."""
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
schemathesis.serializer.alias("application/timestamp-query", "application/octet-stream")
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
UNAVAILABLE = (503, 507)
"""What an operator can mend; whatever else begins with 5 is a defect of ours."""


@dataclass(frozen=True)
class Finding:
    """An answer that must not be, and how to ask again."""

    operation: str
    who: str
    what: str
    again: str

    def __str__(self) -> str:
        return f"{self.operation} as {self.who}: {self.what}\n    {self.again}"


@dataclass
class Told:
    """What came of a campaign."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        return sum(sum(counter.values()) for counter in self.statuses.values())

    def table(self) -> str:
        """For people: a line for each operation, the codes that were met, and the findings."""
        families = ("2xx", "3xx", "4xx", "5xx", "none")
        width = max(map(len, self.statuses), default=0)
        lines = [f"{'':{width}}  " + "  ".join(f"{name:>5}" for name in families)]
        for operation, counter in sorted(self.statuses.items()):
            by_family = Counter(dict.fromkeys(families, 0))
            for status, times in counter.items():
                by_family[f"{status // 100}xx" if status else "none"] += times
            lines.append(f"{operation:{width}}  " + "  ".join(f"{by_family[name]:>5}" for name in families))
        found = "  ".join(f"{code} {times}" for code, times in self.codes.most_common())
        heads = f"\n{self.sent} requests to {len(self.statuses)} operations in {self.seconds:.0f} s"
        return "\n".join([*lines, heads, f"codes: {found}", *map(str, self.findings), f"findings {len(self.findings)}"])


@dataclass(frozen=True)
class Campaign:
    """Requests to one appliance. `keys` has the API key of each who asks, None for nobody; `document` is a real one that
    takes the place of every other made-up one, so that orders are read at all; `things` are names of what there is, by the
    beginning of the path that leads there, and take the place of every third made-up one."""

    url: str
    keys: Mapping[str, str | None]
    document: bytes
    things: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    told: Told = field(default_factory=Told)

    def run(self, *, count: int, seconds: float) -> Told:
        """About `count` requests, spread evenly over how and what; whoever stands earlier in `keys` asks twice as much as
        the next. Every operation is asked once; after `seconds` no other turn is begun."""
        began = time.monotonic()
        load_all_checks()
        credential = next(key for key in self.keys.values() if key is not None)
        schema = schemathesis.openapi.from_url(f"{self.url}/openapi.json", headers=_bearer(credential))
        # Nothing is sent to where a generated Authorization header would say who asks.
        schema.config.generation.update(with_security_parameters=False)
        operations = [found.ok() for found in schema.get_all_operations()]
        first = next(iter(self.keys))
        shares = [2.0**-place for place in range(len(self.keys))]
        with requests.Session() as session:
            for (who, key), share in zip(self.keys.items(), shares, strict=True):
                each = max(1, round(count * share / sum(shares) / (len(operations) * len(MODES))))
                for mode in MODES:
                    for operation in operations:
                        is_first = who == first and mode == MODES[0]
                        if is_first or time.monotonic() < began + seconds:
                            self._ask(session, operation, who, key, mode, each)
        self.told.seconds = time.monotonic() - began
        return self.told

    def _ask(  # noqa: PLR0917 - one step of the loop above
        self,
        session: requests.Session,
        operation: Any,
        who: str,
        key: str | None,
        mode: GenerationMode,
        each: int,
    ) -> None:
        turn = 0

        @seed(self.seed)
        @settings(
            max_examples=each,
            phases=(Phase.generate,),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            nonlocal turn
            turn += 1
            self._make_real(case, turn)
            self._one(session, case, who, key)

        try:
            ask()
        except Exception as error:
            if "Unsatisfiable" not in type(error).__name__:  # nothing can be against a description that asks nothing
                raise

    def _make_real(self, case: Any, turn: int) -> None:
        """Something that exists in the place of something made up."""
        if turn % 2 and isinstance(case.body, dict) and "document" in case.body:
            several = isinstance(case.body["document"], list)
            case.body["document"] = [self.document] if several else self.document
            if isinstance(case.body.get("order"), dict):
                case.body["order"]["key"] = KEY
        if turn % 3 == 0:
            for path, identity in self.things.items():
                if case.path.startswith(f"{path}/{{"):
                    case.path_parameters = dict.fromkeys(case.path_parameters, identity)

    def _one(self, session: requests.Session, case: Any, who: str, key: str | None) -> None:
        name = f"{case.method.upper()} {case.path}"
        counter = self.told.statuses.setdefault(name, Counter())
        try:
            answer = case.call(self.url, session=session, headers=_bearer(key), timeout=PATIENCE, allow_redirects=False)
        except (requests.RequestException, ValueError) as error:
            counter[0] += 1
            if not isinstance(error, ValueError):  # a header or address that the client itself does not send
                self._found(name, who, f"no answer: {error}", case)
            return
        counter[answer.status_code] += 1
        for fault in faults(case, answer, is_known=key is not None):
            self._found(name, who, fault, case)
        if answer.status_code >= 400 and (code := _body(answer).get("code")):
            self.told.codes[code] += 1

    def _found(self, name: str, who: str, what: str, case: Any) -> None:
        again = case.as_curl_command(headers={"Authorization": f"Bearer <{who}>"})[:400]
        self.told.findings.append(Finding(name, who, what, again))


def faults(case: Any, answer: Any, *, is_known: bool) -> Iterator[str]:
    """What is wrong with an answer, by the numbers above."""
    status, body = answer.status_code, _body(answer)
    is_health = case.path == "/health/ready" and status == 503
    if status >= 500 and not is_health:  # 1
        code = body.get("code")
        if status not in UNAVAILABLE or problems.STATUS.get(str(code)) != status:
            yield f"{status} {code}"
    if status >= 400 and not is_health:  # 2
        if _media_type(answer) != problems.MEDIA_TYPE:
            yield f"{status} as {_media_type(answer)}"
        elif problems.STATUS.get(str(body.get("code"))) != status or body.get("status") != status:
            yield f"{status} with the code {body.get('code')} and the status {body.get('status')}"
        elif not (body.get("detail") and body.get("title") and body.get("instance")):
            yield f"{status} without title, detail or instance"
    ways = case.operation.definition.raw.get("security", [{}])  # an empty one lets visitors in (OpenAPI 3.1 §4.8.30)
    if not is_known and status < 400 and {} not in ways:  # 4
        yield f"{status} for nobody"
    try:  # 3
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as group:
        for failure in group.exceptions:
            yield f"{status}: {_said(failure)}"
    except Failure as failure:
        yield f"{status}: {_said(failure)}"


def _said(failure: BaseException) -> str:
    title = getattr(failure, "title", type(failure).__name__)
    return f"{title}: {getattr(failure, 'message', failure)}"[:300].replace("\n", " ")


def _body(answer: Any) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _media_type(answer: Any) -> str:
    given = answer.headers.get("content-type") or ""
    text = given[0] if isinstance(given, list) else given
    return str(text).partition(";")[0].strip()


def _bearer(key: str | None) -> dict[str, str]:
    return {"Accept-Language": "en"} | ({"Authorization": f"Bearer {key}"} if key else {})


def campaign(appliance: Appliance, *, chosen: int = 0) -> Campaign:
    """Against an appliance with the demo's callers, with one of each thing that a path can name."""
    demo = appliance.home / "demo"
    document = (demo / "giay-gioi-thieu.pdf").read_bytes()
    keys: dict[str, str | None] = {
        role: (demo / f"{role}.key").read_text().strip() for role in ("administrator", "client")
    }
    administrator = appliance.as_role("administrator")
    rule, change = {"callers": "*", "keys": "nothing"}, {"kind": "key-disable", "payload": {"key": KEY}}
    made = {
        "/v1/signatures": appliance.sign(document, field="o1_chi_uy"),
        "/v1/callers": administrator.post("/v1/callers", json={"name": "fuzz"}),
        "/v1/changes": administrator.post("/v1/changes", json={**change, "reason": "fuzz", "hold": True}),
        "/v1/rights": administrator.put("/v1/rights/fuzz", json=rule),
    }
    things = {path: str(answer.raise_for_status().json().get("id", "fuzz")) for path, answer in made.items()}
    return Campaign(appliance.url, {**keys, "nobody": None}, document, things, seed=chosen)


def main(arguments: list[str]) -> int:
    count, chosen = (*map(int, arguments), *(COUNT, 0)[len(arguments) :])
    with tempfile.TemporaryDirectory(prefix="kyso-") as folder, running(Path(folder) / "home") as appliance:
        told = campaign(appliance, chosen=chosen).run(count=count, seconds=3600)
        ready = appliance.client.get("/health/ready").status_code
    print(told.table())
    print(f"afterwards /health/ready answers {ready}")
    return int(bool(told.findings) or ready != 200)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
