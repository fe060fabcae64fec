"""Pages for people: `/`, which says what this is, and `/docs`. No script, no cookie, nothing from elsewhere."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api import locale
from api.routes import documentation

router = APIRouter(include_in_schema=False)

STYLE = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
pre { overflow: auto; padding: .75rem; border-radius: .4rem; background: color-mix(in srgb, currentColor 8%, transparent); }
code { overflow-wrap: anywhere; }
section { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .2rem .5rem; vertical-align: top; }
"""

HOME = {
    "vi": """<!doctype html><html lang=vi><meta charset=utf-8><meta name=viewport content='width=device-width'>
<title>Kyso – ký số</title><link rel=stylesheet href=/style.css><main>
<h1>Kyso</h1>
<p>Thiết bị ký số: ký tài liệu PDF bằng khóa lưu trong HSM hoặc token PKCS#11, cấp dấu thời gian (RFC 3161)
và kiểm tra chữ ký số theo EN 319 102-1.</p>
<ul><li><a href=/docs>Tài liệu API</a> (<a href=/openapi.json>openapi.json</a>)</li>
<li><a href=/health/ready>Trạng thái hệ thống</a></li></ul>
</main></html>""",
    "en": """<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>
<title>Kyso – digital signatures</title><link rel=stylesheet href=/style.css><main>
<h1>Kyso</h1>
<p>A signing appliance: it signs PDF documents with keys in an HSM or PKCS#11 token, issues timestamps (RFC 3161)
and verifies signatures by EN 319 102-1.</p>
<ul><li><a href=/docs>API documentation</a> (<a href=/openapi.json>openapi.json</a>)</li>
<li><a href=/health/ready>State of the system</a></li></ul>
</main></html>""",
}


@router.get("/")
async def home(request: Request) -> Response:
    language = locale.choose(request.headers.get("accept-language"), default=request.app.state.language)
    return HTMLResponse(HOME[language])


@router.get("/docs")
async def docs(request: Request) -> Response:
    return HTMLResponse(documentation.page(request.app.openapi()))


@router.get("/style.css")
async def style() -> Response:
    return Response(STYLE, media_type="text/css")
