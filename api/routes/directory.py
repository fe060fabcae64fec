"""`/v1/organisations`, `/v1/people`, and `/v1/directory/imports`: who is who, as far as the caller may see it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api import locale, problems
from api.auth import needs
from api.directory import records
from api.directory.faults import DirectoryImportRefused
from api.directory.reading import LARGEST
from api.errors import RequestInvalid
from api.refusals import MediaTypeNotSupported, RequestTooLarge
from api.routes import common
from api.routes.common import PROBLEMS
from api.workflows import directory
from api.workflows.directory import Asked

router = APIRouter(prefix="/v1", tags=["directory"])

After = Annotated[
    str, Query(max_length=64, description="The code behind which the page begins: `next` of the last one")
]
Limit = Annotated[int, Query(ge=1, le=1000)]
KindName = Literal["organisations", "people", "posts", "roles", "delegations", "certificates", "keys"]
FORMS: dict[str, Literal["json", "csv"]] = {"application/json": "json", "text/csv": "csv"}

IMPORT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "object"}}},
                "example": {
                    "organisations": [{"code": "DU-MAU", "name": "Đảng ủy xã Mẫu", "kind": "dang-uy-co-so"}],
                    "people": [{"code": "M-001", "name": "Nguyễn Văn Mẫu"}],
                    "posts": [{"person": "M-001", "organisation": "DU-MAU", "title": "Bí thư", "rank": "chief"}],
                },
            },
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


def _example(description: str, example: object) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {"application/json": {"example": example}}}}


ORGANISATIONS = _example(
    "Organisations that exist now, by their codes; `next` is given to `after`",
    {
        "organisations": [
            {"id": "org_1f…", "code": "DU-MAU", "name": "Đảng ủy xã Mẫu", "kind": "dang-uy-co-so", "parent": None}
        ],
        "next": None,
    },
)
PEOPLE = _example("People, by their codes", {"people": [{"id": "per_9a…", "code": "M-001", "name": "…"}], "next": None})
PERSON = _example("A person with posts, roles and delegations", {"id": "per_9a…", "code": "M-001", "posts": []})
IMPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What a trial (`dry_run`) would do",
        "content": {"application/json": {"example": {"dry_run": True, "counts": {"people": {"new": 2, "same": 40}}}}},
    },
    201: {"description": "All of it is in the directory", "content": {"application/json": {}}},
}


@router.get("/organisations", summary="Organisations that the caller sees", responses=ORGANISATIONS | PROBLEMS)
@needs("see-directory")
async def organisations(
    request: Request,
    *,
    under: Annotated[
        str | None, Query(max_length=64, description="Id or code of an organisation: it and those below")
    ] = None,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    caller = await common.caller(request)
    services = common.services(request)
    work = common.side_room(request).run(
        directory.organisations, services, caller, under=under, after=after, limit=limit
    )
    return common.json(await work)


@router.get("/people", summary="People who hold a post or a role where the caller sees it", responses=PEOPLE | PROBLEMS)
@needs("see-directory")
async def people(request: Request, *, after: After = "", limit: Limit = 100) -> Response:
    caller = await common.caller(request)
    services = common.services(request)
    return common.json(
        await common.side_room(request).run(directory.people, services, caller, after=_text(after), limit=limit)
    )


@router.get("/people/{identity}", summary="A person with what they hold", responses=PERSON | PROBLEMS)
@needs("see-directory")
async def person(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    return common.json(
        await common.side_room(request).run(directory.person, common.services(request), caller, identity)
    )


@router.post(
    "/directory/imports",
    summary="Take records into the directory: all of them, or none",
    responses=IMPORTED | PROBLEMS,
    openapi_extra=IMPORT,
)
@needs("change-directory")
async def import_(
    request: Request,
    *,
    dry_run: bool = False,
    as_of: Annotated[str | None, Query(max_length=40, description="Date from which changes without one hold")] = None,
    kind: Annotated[KindName | None, Query(description="What a CSV holds, unless it has a column `table`")] = None,
) -> Response:
    caller = await common.caller(request)
    services = common.services(request)
    key = common.idempotency_key(request)
    form = FORMS.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
    if form is None:
        raise MediaTypeNotSupported(expected=", ".join(FORMS))
    asked = Asked(
        await _body(request),
        form,
        records.kind_of(kind) if kind is not None else None,
        None if as_of is None else directory.day(as_of, services.settings.zone),
        is_trial=dry_run,
    )
    try:
        done = await common.room(request).run(directory.import_, services, caller, asked, idempotency_key=key)
    except DirectoryImportRefused as refused:
        return _refusal(request, refused)
    headers = {"Cache-Control": "no-store", **({"Idempotency-Replayed": "true"} if done.is_repeated else {})}
    return Response(done.text, 200 if dry_run else 201, headers, "application/json")


def _refusal(request: Request, refused: DirectoryImportRefused) -> Response:
    """The problem document with every fault beside it."""
    language = locale.choose(request.headers.get("accept-language"), default=request.app.state.language)
    found = problems.problem(refused, language=language, request_id=request.scope.get("kyso.request_id", "-"))
    request.scope["kyso.code"] = refused.code
    body = {**found.body, "faults": directory.faults_json(refused, language=language)}
    return Response(msgspec.json.encode(body), found.status, found.headers, problems.MEDIA_TYPE)


async def _body(request: Request) -> bytes:
    """The whole body, within what an import may hold."""
    data = bytearray()
    try:
        async for piece in request.stream():
            data += piece
            if len(data) > LARGEST:
                raise RequestTooLarge(limit=LARGEST)
    except ClientDisconnect:
        raise RequestInvalid("the connection ended before the body did") from None
    return bytes(data)


def _text(value: str) -> str:
    if "\0" in value:  # PostgreSQL takes none in a text
        raise RequestInvalid("after: not a code", field="after")
    return value
