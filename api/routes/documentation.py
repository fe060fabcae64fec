"""The OpenAPI description completed, and `/docs`: the same as a page, without a script or a request to anywhere.

The page is made from the OpenAPI of the running application, so that it cannot differ from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from api import links
from api.identity import described
from api.routes import bodies
from api.schema_activation import AssertionRequest
from api.schemas import OrderRequest, ValueRequest, VerifyOptions

OPEN = ("/tsa", "/health/alive", "/health/ready", "/metrics", "/", "/docs", "/style.css")
"""Calls without an API key."""
VISITED = "/v1/verifications"
"""The call that visitors make, where `[verification] public` lets them in."""


def describe(app: FastAPI) -> None:
    """Let the application describe itself with the parts of multipart bodies and the API key."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _description(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # how FastAPI wants it done


def _description(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    if root := app.state.services.settings.server.root_path:
        found["servers"] = [{"url": root}]
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (OrderRequest, ValueRequest, VerifyOptions, AssertionRequest):
        schemas.update(_schemas(model))
    for declared in bodies.DESCRIBED.values():
        schemas.update(_schemas(declared))
    components["securitySchemes"] = described.schemes(app.state.services.settings)
    ways: list[dict[str, list[str]]] = [{name: []} for name in components["securitySchemes"]]
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            if path not in OPEN and method != "options":  # what is understood is no secret
                operation["security"] = ways
            if path == VISITED and app.state.services.settings.verification.public:
                operation["security"] = [*ways, {}]  # a visitor needs none of them
            for answer in operation.get("responses", {}).values():
                _as_problem(answer)
    return found


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _as_problem(answer: dict[str, Any]) -> None:
    """FastAPI takes every answer for application/json; problems have a type of their own (RFC 9457 §3)."""
    content = answer.get("content", {})
    if "ProblemAnswer" in json.dumps(content.get("application/json", {})):
        content["application/problem+json"] = content.pop("application/json")


def page(description: dict[str, Any]) -> str:
    """HTML of the description."""
    return "\n".join(_page(description))


def _page(description: dict[str, Any]) -> Iterator[str]:
    yield "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    yield f"<title>{escape(description['info']['title'])} API</title><link rel=stylesheet href={links.to('/style.css')}><main>"
    yield f"<h1>{escape(description['info']['title'])} API</h1><p>{escape(description['info']['description'])}</p>"
    yield f"<p><a href={links.to('/openapi.json')}>openapi.json</a> · <a href={links.to('/')}>/</a></p>"
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield from _operation(method.upper(), path, operation)
    yield "<h2>Schemas</h2>"
    for name, schema in sorted(description["components"]["schemas"].items()):
        yield f"<h3 id='{escape(name)}'>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p>"
        yield from _properties(schema)
    yield "</main></html>"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<section><h2><code>{method} {escape(path)}</code></h2><p>{escape(operation.get('summary', ''))}"
    yield "</p>" if operation.get("security") else " · no API key</p>"
    for parameter in operation.get("parameters", ()):
        where, text = escape(parameter["in"]), escape(parameter.get("description", ""))
        yield f"<p><code>{escape(parameter['name'])}</code> ({where}) {text}</p>"
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(kind)}</code></p>{_example(body)}"
    for status, answer in operation.get("responses", {}).items():
        kinds = ", ".join(f"<code>{escape(kind)}</code>" for kind in answer.get("content", {}))
        yield f"<p><b>{escape(status)}</b> {escape(answer.get('description', ''))} {kinds}</p>"
        for body in answer.get("content", {}).values():
            yield _example(body)
    yield "</section>"


def _example(body: dict[str, Any]) -> str:
    example = body.get("example")
    if example is None:
        return ""
    text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=2)
    return f"<pre>{escape(text)}</pre>"


def _properties(schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    if not schema.get("properties"):
        return
    yield "<table><tr><th>Member<th>Type<th>Meaning</tr>"
    for name, one in schema["properties"].items():
        mark = "" if name in required else " (optional)"
        kind = escape(_type(one))
        yield f"<tr><td><code>{escape(name)}</code>{mark}<td>{kind}<td>{escape(one.get('description', ''))}</tr>"
    yield "</table>"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " | ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    return str(schema.get("const", schema.get("type", "any")))
