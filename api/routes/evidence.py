"""`GET /v1/signatures/{id}/evidence`: a ZIP that an auditor can check offline, also without Kyso."""

from __future__ import annotations

from contextlib import ExitStack
from typing import BinaryIO

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.auth import needs
from api.routes import common, files
from api.routes.common import PROBLEMS
from api.workflows import carrying

router = APIRouter(prefix="/v1/signatures", tags=["signatures"])

ZIP = "application/zip"


@router.get(
    "/{identity}/evidence",
    summary="Everything that the judgement of the signed document rests on, to be checked offline",
    responses={
        200: {
            "content": {ZIP: {}},
            "description": "A ZIP: the document, the reports, certificates, OCSP answers, lists, timestamps, the policy, "
            "the ledger's lines with proofs, and pages that say how to check it with openssl and pdfsig. "
            "`kyso verify FILE.zip --offline` judges it anew.",
        },
        **PROBLEMS,
    },
)
@needs("verify")
async def evidence(request: Request, identity: str) -> Response:
    caller = await common.caller(request)
    common.accepted(request, (ZIP,))
    services = common.services(request)

    def work() -> BinaryIO:
        with ExitStack() as opened:
            file = opened.enter_context(services.work.file(size=0))
            carrying.write(services, caller, identity, file)
            opened.pop_all()
        return file

    file = await common.room(request).run(work)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{identity}.evidence.zip"',
    }
    return files.of_open(file, headers=headers, kind=ZIP)
