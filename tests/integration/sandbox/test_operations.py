"""The real operations in real workers: nothing of the core needs a file, an import or a thread behind the lock-down."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import zlib
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from api.sandbox import calls, start
from api.sandbox.errors import DocumentTooCostly, WorkerDied, WorkerRefusal
from api.sandbox.pool import Sandbox, SandboxLimits
from signer.authority import Authority as TimestampAuthority
from signer.model import Place, Prepared, SignatureValue, Signed, SignOrder, Stamp
from tests import documents
from tests.pki import Authority, Signer
from verify.fetcher import FetchFailed, FetchRequest, Offline
from verify.report import Check, Report
from verify.trust import Trust

pytestmark = pytest.mark.spine
CORPUS = Path(__file__).parents[4] / "shared" / "corpus"
NOW = datetime.now(timezone(timedelta(hours=7))).replace(microsecond=0)


@pytest.fixture(scope="module")
def sandbox():
    with start.private(sandbox=SandboxLimits(workers=2)) as private:
        yield private


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.root("Sandbox Root")


@pytest.fixture(scope="module")
def signer(root) -> Signer:
    return root.authority("Sandbox CA").signer("Người ký thử", key="p256")


class Stamping:
    """A fetcher behind which a timestamp authority answers."""

    def __init__(self, root: Authority) -> None:
        self._tsa = root.signer("TSA", key="p256", timestamping=True)
        self._authority = TimestampAuthority(
            certificate=self._tsa.der,
            chain=(),
            policy="1.3.6.1.4.1.99999.1",
            mechanism="ecdsa_sha256",
            clock=lambda: datetime.now(NOW.tzinfo),
        )
        self.asked = 0

    def fetch(self, request: FetchRequest, /) -> bytes:
        if request.kind != "timestamp":
            raise FetchFailed("only timestamps")
        self.asked += 1
        return self._authority.respond(request.body, sign=lambda tbs: self._tsa.sign(tbs, "ecdsa_sha256"))


def order(signer: Signer, **more) -> SignOrder:
    return SignOrder(
        certificate=signer.der,
        chain=signer.chain,
        mechanism="ecdsa_sha256",
        signing_time=NOW,
        place=Place(1, (50, 50, 300, 120)),
        stamp=Stamp(),
        **more,
    )


def sign(sandbox: Sandbox, source: Path, out: Path, signer: Signer, *, fetcher, **more) -> Signed:
    with source.open("rb") as document, out.open("w+b") as output, sandbox.worker("caller") as worker:
        prepared = worker.call(
            "prepare",
            calls.Prepare(order(signer, **more), hashlib.sha256(source.read_bytes()).hexdigest(), 7),
            files=[document.fileno(), output.fileno()],
            fetcher=Offline(),
            result=Prepared,
        )
        value = SignatureValue(signer.sign(prepared.tbs, "ecdsa_sha256"), "ecdsa_sha256")
        return worker.call(
            "complete", calls.Complete(prepared, value), files=[output.fileno()], fetcher=fetcher, result=Signed
        )


def judge(sandbox: Sandbox, file: Path, root: Authority) -> Report:
    with file.open("rb") as document, sandbox.worker("caller") as worker:
        return worker.call(
            "verify",
            calls.Verify(file.name, Trust((root.der,)), "default", datetime.now(NOW.tzinfo)),
            files=[document.fileno()],
            fetcher=Offline(),
            result=Report,
        )


def test_a_document_is_signed_timestamped_and_judged_in_workers(sandbox, root, signer, tmp_path):
    """Two visible signatures, the second at B-T by the dialogue that lets the worker go, both found intact."""
    source, once, twice = documents.pdf(tmp_path / "a.pdf"), tmp_path / "once.pdf", tmp_path / "twice.pdf"
    first = sign(sandbox, source, once, signer, fetcher=Offline())
    stamping = Stamping(root)
    second = sign(
        sandbox, once, twice, signer, fetcher=stamping, level="B-T", timestamp_authorities=("http://tsa.test/",)
    )
    report = judge(sandbox, twice, root)

    assert (first.level, second.level, stamping.asked) == ("B-B", "B-T", 1)
    assert second.timestamp is not None
    assert second.sha256 == hashlib.sha256(twice.read_bytes()).hexdigest() == report.document.sha256
    assert twice.read_bytes().startswith(once.read_bytes())
    assert [found.intact for found in report.signatures] == [True, True]
    assert first.signing_time.isoformat() == NOW.isoformat()


def test_an_output_is_laid_out_again_for_another_worker(sandbox, signer, tmp_path):
    """`restore` makes of the original what `prepare` made, and completion goes on from it."""
    source = documents.pdf(tmp_path / "a.pdf")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    with (
        source.open("rb") as document,
        (tmp_path / "1").open("w+b") as lost,
        (tmp_path / "2").open("w+b") as out,
        sandbox.worker("caller") as one,
        sandbox.worker("another") as two,
    ):
        prepared = one.call(
            "prepare",
            calls.Prepare(order(signer), digest, 7),
            files=[document.fileno(), lost.fileno()],
            fetcher=Offline(),
            result=Prepared,
        )
        files = [document.fileno(), out.fileno()]
        two.call("restore", calls.Restore(prepared), files=files, fetcher=Offline(), result=type(None))
        assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
        value = SignatureValue(signer.sign(prepared.tbs, "ecdsa_sha256"), "ecdsa_sha256")
        signed = two.call(
            "complete", calls.Complete(prepared, value), files=files[1:], fetcher=Offline(), result=Signed
        )

    assert signed.size == (tmp_path / "2").stat().st_size


def test_a_certificate_is_judged(sandbox, root, signer):
    """A certificate below the trusted root has a path of three, in the words of the engine."""
    with sandbox.worker("kyso") as worker:
        verdict = worker.call(
            "judge_certificate",
            calls.JudgeCertificate(signer.der, signer.chain, Trust((root.der,)), "default", NOW, "signing"),
            files=[],
            fetcher=Offline(),
            result=dict,
        )

    assert len(verdict["path"]) == 3
    assert all(isinstance(Check(**check), Check) for check in verdict["checks"])


def test_a_timestamp_is_obtained(sandbox, root):
    """An imprint is stamped by the authority behind the fetcher."""
    imprint = hashlib.sha256(b"file").digest()
    with sandbox.worker("caller") as worker:
        stamped = worker.call(
            "timestamp",
            calls.Timestamp(imprint, "sha256", ("http://tsa.test/",), 2**64 - 1),
            files=[],
            fetcher=Stamping(root),
            result=calls.Timestamped,
        )

    assert imprint in stamped.der
    assert (stamped.policy, int(stamped.serial, 16).bit_length() > 32) == ("1.3.6.1.4.1.99999.1", True)


def test_a_page_is_rendered_within_its_bounds(sandbox, tmp_path):
    """The picture is a PNG whose longer side has the pixels asked for, of a page turned by 90 degrees."""
    source = documents.pdf(tmp_path / "a.pdf", pages=2, rotate=90)
    with source.open("rb") as document, sandbox.worker("caller") as worker:
        page = worker.call(
            "render", calls.Render(2, 400), files=[document.fileno()], fetcher=Offline(), result=calls.Rendered
        )

    assert page.png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack_from("!II", page.png, 16) == (page.width, page.height)
    assert (page.pages, max(page.width, page.height) - 400 in {0, 1}, page.width > page.height) == (2, True, True)
    start_of_data = page.png.index(b"IDAT") + 4
    (length,) = struct.unpack_from("!I", page.png, start_of_data - 8)
    pixels = zlib.decompress(page.png[start_of_data : start_of_data + length])
    assert len(pixels) == page.height * (3 * page.width + 1)


@pytest.mark.parametrize(
    ("page", "content", "code"), [(9, None, "page-not-found"), (1, b"%PDF-1.7 no", "document-broken")]
)
def test_what_cannot_be_rendered_is_refused(sandbox, tmp_path, page, content, code):
    """A page that is not there and a file that is no PDF are refused under their codes."""
    source = documents.pdf(tmp_path / "a.pdf")
    if content is not None:
        source.write_bytes(content)
    with source.open("rb") as document, sandbox.worker("caller") as worker, pytest.raises(WorkerRefusal) as refusal:
        worker.call("render", calls.Render(page), files=[document.fileno()], fetcher=Offline(), result=calls.Rendered)

    assert refusal.value.code == code


def test_a_policy_that_nobody_wrote_is_refused(sandbox, root, tmp_path):
    """A name that is not among the policies read at the start is refused, and no file is looked for."""
    source = documents.pdf(tmp_path / "a.pdf")
    arguments = calls.Verify("a.pdf", Trust((root.der,)), "../../etc/passwd", NOW)
    with source.open("rb") as document, sandbox.worker("caller") as worker, pytest.raises(WorkerRefusal) as refusal:
        worker.call("verify", arguments, files=[document.fileno()], fetcher=Offline(), result=Report)

    assert refusal.value.code == "policy-unusable"


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}")
def test_hostile_documents_are_judged_or_refused_and_crash_nothing(sandbox, root):
    """Every attack of the corpus ends in a report or a refusal with a meaning: no crash, and nothing that the
    lock-down got in the way of."""
    outcomes: Counter[str] = Counter()
    for file in sorted((CORPUS / "attacks").rglob("*.pdf")):
        try:
            outcomes[judge(sandbox, file, root).verdict] += 1
        except WorkerRefusal as refusal:
            outcomes[refusal.code] += 1
        except (WorkerDied, DocumentTooCostly) as error:
            pytest.fail(f"{file.name}: {error.code} {error.facts}")

    assert sum(outcomes.values()) > 10


def test_the_preloaded_parent_imports_no_service():
    """The fork server with the real operations knows no web framework, database, HTTP client or PKCS#11."""
    program = (
        "import sys; import api.sandbox.forkserver; from api.sandbox import ops; ops.warm_up();"
        "import os; print(len(os.listdir('/proc/self/task')), *{name.split('.')[0] for name in sys.modules})"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    threads, *modules = printed.split()

    forbidden = {"fastapi", "starlette", "uvicorn", "pydantic", "sqlalchemy", "alembic", "httpx", "pkcs11"}
    assert (threads, forbidden & set(modules)) == ("1", set())


def test_the_operations_cannot_be_chosen_by_configuration():
    """The supervisor's command for the fork server names no module of operations, and no setting does."""
    from api import children
    from api.settings import Settings

    assert "--ops" not in Path(start.__file__).read_text()
    assert "extra=" not in Path(children.__file__).read_text()
    assert not [name for name in Settings.model_fields if "ops" in name]
