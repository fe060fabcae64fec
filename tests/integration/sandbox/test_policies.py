"""Policies in a locked-down worker, which can open no file."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.sandbox import calls, start
from api.sandbox.errors import WorkerRefusal
from api.sandbox.pool import SandboxLimits
from tests.unit.verify.world import World, blank_pdf, revocation_list
from verify import policy
from verify.fetcher import Offline
from verify.report import Report
from verify.trust import Anchor, Trust

pytestmark = pytest.mark.judging


def test_a_worker_judges_by_the_policy_and_trust_it_is_told(tmp_path: Path) -> None:
    """A policy as its whole text, and a narrowed anchor, count in the sandbox as they do outside; what is for
    certificates alone judges no document."""
    world, now = World(), datetime.now(UTC)
    file = tmp_path / "a.pdf"
    file.write_bytes(world.sign(blank_pdf()))
    lists = tuple(revocation_list(one, issued=now) for one in (world.root, world.issuing))
    everybody = Trust((world.root.der,), crls=lists)
    stamps = Trust((world.root.der,), crls=lists, named=(Anchor(world.root.der, "r", ("timestamping",)),))
    ours = policy.parse('extends = "vietnam"\nname = "ours"\n[signatures]\necdsa = { 384 = "" }\n')

    with start.private(sandbox=SandboxLimits(workers=1)) as sandbox:

        def judge(trust: Trust, asked: str) -> Report:
            with file.open("rb") as document, sandbox.worker("caller") as worker:
                return worker.call(
                    "verify",
                    calls.Verify("a.pdf", trust, asked, now),
                    files=[document.fileno()],
                    fetcher=Offline(),
                    result=Report,
                )

        plain = judge(everybody, "vietnam")
        assert (plain.verdict, plain.policy) == ("TOTAL_PASSED", "vietnam")
        assert plain.policy_details is not None
        assert io.StringIO(plain.policy_details.text).readline() == 'name = "vietnam"\n'
        strict = judge(everybody, ours.shipped)
        assert (strict.signatures[0].sub_indication, strict.policy) == ("CRYPTO_CONSTRAINTS_FAILURE", "ours")
        assert strict.policy_details is not None
        assert strict.policy_details.sha256 == ours.sha256
        assert judge(stamps, "vietnam").signatures[0].sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
        for asked in ("pkits", policy.load("pkits").text, "no\npolicy"):
            with pytest.raises(WorkerRefusal) as refusal:
                judge(everybody, asked)
            assert refusal.value.code == "policy-unusable"
