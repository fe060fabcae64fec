"""Pages for people: `/`, where documents are verified in the browser, and `/docs`. No cookie, nothing from elsewhere."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from api import pages
from api.auth import needs
from api.errors import NotFound
from api.routes import common, documentation, reports

router = APIRouter(include_in_schema=False)

STYLE = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
pre { overflow: auto; padding: .75rem; border-radius: .4rem; background: color-mix(in srgb, currentColor 8%, transparent); }
code { overflow-wrap: anywhere; }
section { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .2rem .5rem; vertical-align: top; }
"""


@router.get("/")
@needs("nothing")
async def home(request: Request) -> Response:
    settings = common.services(request).settings
    page = pages.home(language=reports.language_of(request), settings=settings)
    return HTMLResponse(page, headers={"Content-Security-Policy": pages.CSP, "Cache-Control": "no-cache"})


def _asset(name: str, media_type: str) -> None:
    @needs("nothing")
    async def answer(_: Request) -> Response:
        return Response(pages.asset(name), media_type=media_type, headers={"Cache-Control": "no-cache"})

    router.add_api_route(f"/{name}", answer, methods=["GET"])


for _name, _type in {**pages.ASSETS, "report.css": "text/css"}.items():
    _asset(_name, _type)


@router.get("/docs")
@needs("nothing")
async def docs(request: Request) -> Response:
    await _may_read(request)
    return HTMLResponse(documentation.page(request.app.openapi()))


@router.get("/openapi.json")
@needs("nothing")
async def openapi(request: Request) -> Response:
    await _may_read(request)
    return JSONResponse(request.app.openapi())


async def _may_read(request: Request) -> None:
    """As `[server] documentation` has it. Raises NotFound, NotAuthenticated."""
    services = common.services(request)
    match services.settings.server.documentation:
        case "off":
            raise NotFound
        case "callers":
            found = services.gate.recall(request)
            if found is None:
                found = await common.side_room(request).run(services.gate.find, request)
            request.scope["kyso.caller"] = found.id


@router.get("/style.css")
@needs("nothing")
async def style() -> Response:
    return Response(STYLE, media_type="text/css")
