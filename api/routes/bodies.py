"""JSON bodies that are read once the caller is known: described for OpenAPI, and parsed strictly.

FastAPI parses a body that is an endpoint's parameter before the endpoint runs, and would tell strangers what is wrong with
it. An endpoint that takes the request alone asks who it is first:

    @router.put("/{name}", openapi_extra=described(RuleText))
    @needs("administer")
    async def put(request: Request, name: str) -> Response:
        caller = await common.caller(request)
        rule = parsed(RuleText, await request.body())
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from api.errors import RequestInvalid
from api.schema_base import Input

Model = TypeVar("Model", bound=Input)
DESCRIBED: dict[str, type[Input]] = {}
"""Models that OpenAPI has to hold (`documentation`)."""


def described(model: type[Input], *, required: bool = True) -> dict[str, Any]:
    """What a route says of its body in `openapi_extra`."""
    DESCRIBED[model.__name__] = model
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def parsed(model: type[Model], raw: bytes) -> Model:
    """Raises RequestInvalid, which names the member that is wrong."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise RequestInvalid(f"{where}: {fault['msg']}" if where else fault["msg"], field=where) from None
