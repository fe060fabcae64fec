"""`/v1/rights`: rules on the use of keys, and what an order would get by them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from api.auth import needs
from api.errors import RequestInvalid
from api.rights import Use
from api.rights.rule import Rule
from api.rights.text import RuleText, sensible
from api.routes import common
from api.routes.bodies import described, parsed
from api.routes.common import PROBLEMS
from api.routes.reports import language_of
from api.schema_base import Hex256, Input, Line
from api.workflows import rights as workflow
from hsm.keys import Mechanism
from signer.model import Format, Level
from signer.xades.plan import Packaging

router = APIRouter(prefix="/v1/rights", tags=["rights"])

EXAMPLE: dict[str, Any] = {
    "name": "dau-van-thu",
    "version": 2,
    "rule": {"callers": "role:client", "keys": "seal-*", "levels": ["B-T"], "hours": ["07:30-17:30"], "per_day": 500},
    "sha256": "5f2a…",
    "set_by": "3f…",
    "set_at": "2026-11-22T02:00:00+00:00",
    "ended_by": None,
    "ended_at": None,
}


class TrialRequest(Input):
    """An order to be tried, as it would be of this caller; nothing is signed or counted."""

    caller: Line
    """Id of the caller whose order it is."""
    key: Line | None = None
    """Either this or `certificate_sha256`."""
    certificate_sha256: Hex256 | None = None
    level: Level = "B-B"
    format: Format | None = None
    packaging: Packaging | None = None
    mechanism: Mechanism | None = None
    procedure: Line | None = None
    size: int = Field(default=0, ge=0, le=2**53)
    """Bytes of the document."""
    at: Annotated[datetime, AfterValidator(sensible)] | None = None
    """When, with its offset from UTC; none is now."""
    name: str | None = Field(default=None, max_length=40)
    """With `rule`: its name; the rule in force of that name is left out."""
    rule: RuleText | None = None
    """A rule that is not set yet, tried as if it were."""

    def use(self) -> Use:
        """Raises RequestInvalid."""
        if (self.key is None) == (self.certificate_sha256 is None):
            raise RequestInvalid("either `key` or `certificate_sha256`", field="key")
        return Use(
            key=self.key or f"certificate:{self.certificate_sha256}",
            level=self.level,
            format=self.format,
            packaging=self.packaging,
            mechanism=self.mechanism,
            procedure=self.procedure,
            size=self.size,
        )


def _answers(description: str, example: object) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {"application/json": {"example": example}}}, **PROBLEMS}


@router.get("", summary="The rules in force", responses=_answers("By name", [EXAMPLE]))
@needs("see-rights")
async def listed(request: Request) -> Response:
    await common.caller(request)
    found = await common.side_room(request).run(workflow.of(common.services(request)).listed)
    return common.json([workflow.kept_json(kept) for kept in found])


@router.post(
    "/try",
    summary="What an order would get, without doing it",
    responses=_answers(
        "`outcome` is `signed` or `refused`, with every reason",
        {
            "outcome": "refused",
            "rule": {"name": "dau-van-thu", "version": 2, "sha256": "5f2a…"},
            "refusals": [{"code": "right-hours", "title": "…", "detail": "…", "facts": {"rule": "dau-van-thu"}}],
            "counts": {"in_minute": 0, "in_hour": 0, "in_day": 12, "in_all": 4711},
        },
    ),
    openapi_extra=described(TrialRequest),
)
@needs("see-rights")
async def attempt(request: Request) -> Response:
    await common.caller(request)
    wanted = parsed(TrialRequest, await request.body())
    services = common.services(request)
    at = services.clock() if wanted.at is None else wanted.at.astimezone(services.settings.zone)
    candidate: Rule | None = None
    if wanted.rule is not None:
        candidate = wanted.rule.rule(wanted.name or "thu", zone=services.settings.zone)
    use = wanted.use()
    found = await common.side_room(request).run(
        lambda: workflow.of(services).attempt(wanted.caller, use, at=at, candidate=candidate)
    )
    return common.json(workflow.trial_json(found, language=language_of(request)))


@router.get("/{name}", summary="A rule and its versions", responses=_answers("The newest first", [EXAMPLE]))
@needs("see-rights")
async def history(request: Request, name: str) -> Response:
    await common.caller(request)
    found = await common.side_room(request).run(workflow.of(common.services(request)).history, name)
    return common.json([workflow.kept_json(kept) for kept in found])


@router.put(
    "/{name}",
    summary="Set a rule",
    responses=_answers("As it is in force now", EXAMPLE),
    openapi_extra=described(RuleText),
)
@needs("administer")
async def put(request: Request, name: str) -> Response:
    caller = await common.caller(request)
    rule = parsed(RuleText, await request.body())
    rules = workflow.of(common.services(request))
    kept = await common.side_room(request).run(lambda: rules.put(name, rule, by=caller.id))
    return common.json(workflow.kept_json(kept))


@router.delete("/{name}", status_code=204, summary="Remove a rule: it narrows nothing any more", responses=PROBLEMS)
@needs("administer")
async def remove(request: Request, name: str) -> Response:
    caller = await common.caller(request)
    rules = workflow.of(common.services(request))
    await common.side_room(request).run(lambda: rules.remove(name, by=caller.id))
    return Response(status_code=204)
