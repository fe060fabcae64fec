"""x509-limbo: paths for TLS, most of them hostile. All answers are the same but for those whose reason stands here.

`pytest -s tests/integration/paths` prints the counts.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import pem

from verify import engine, policy
from verify.errors import TrustUnusable
from verify.fetcher import Offline
from verify.trust import Trust

pytestmark = pytest.mark.judging

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SECONDS = 2.0
"""CPU seconds that no case may take; the slowest takes a tenth of that."""

SERVER_NAME = "whether a certificate is for a server of this name; a signer is no server"
BROWSERS = "a rule of the CA/Browser Forum for TLS certificates, beyond RFC 5280"
OTHERWISE: dict[str, str] = {
    "rfc5280::eku::ee-wrong-eku": "asks for serverAuth; what a signer's certificate must be for is the policy's to say",
    "rfc5280::san::underscore-dns": SERVER_NAME,
    "rfc5280::san::ip-in-dns": SERVER_NAME,
    "webpki::san::*": SERVER_NAME,
    "webpki::cn::*": SERVER_NAME,
    "webpki::eku::*": BROWSERS,
    "webpki::aki::root-with-aki-*": BROWSERS,
    "webpki::forbidden-rsa-*not-divisible-by-8-in-*": BROWSERS,
    "pathlen::validation-ignores-pathlen-in-leaf": "the last certificate is a CA's: a CA does not sign documents",
    "rfc5280::ca-as-leaf": "the last certificate is a CA's: a CA does not sign documents; limbo's webpki::ca-as-leaf agrees",
    "rfc5280::aki::cross-signed-root-missing-aki": (
        "pedantic in limbo's own word: an anchor is a name and a key (RFC 5280 §6.1.1 (d)), who issued it is no matter"
    ),
    "rfc5280::nc::permitted-dns-match-noncritical": (
        "name constraints bind, critical or not; limbo's webpki::nc::permitted-dns-match-noncritical agrees"
    ),
    "rfc5280::validity::expired-root": (
        "an anchor is believed for the window that the trust store gives it, not for its certificate's period"
        " (RFC 5280 §6.1.1 (d), EN 319 102-1 §5.2.6.2): signatures outlive roots"
    ),
}
"""Cases, or patterns of them, that may be answered otherwise, and why."""


@pytest.fixture(scope="module")
def limbo(corpus: Path) -> list[dict[str, Any]]:
    return json.loads((corpus / "path" / "x509-limbo.json").read_text())["testcases"]


def der(text: str) -> bytes:
    return bytes(pem.unarmor(text.encode())[2])


def judged(case: dict[str, Any]) -> str:
    """SUCCESS or FAILURE, by every rule there is; revocation counts where the case has lists."""
    rules = policy.load("limbo")
    if case["crls"]:
        rules = replace(rules, revocation={**rules.revocation, "signer": "require"})
    depth = case["max_chain_depth"]
    if depth is not None and depth <= rules.paths.intermediates:
        rules = replace(rules, paths=replace(rules.paths, intermediates=depth))
    anchors, lists = tuple(map(der, case["trusted_certs"])), tuple(map(der, case["crls"]))
    try:
        report = engine.judge_certificate(
            der(case["peer_certificate"]),
            chain=tuple(map(der, case["untrusted_intermediates"])),
            trust=Trust(anchors, (), lists),
            policy=rules,
            at=datetime.fromisoformat(case["validation_time"]) if case["validation_time"] else NOW,
            fetcher=Offline(),
            purpose="signing",
        )
    except TrustUnusable:
        return "FAILURE"
    return "SUCCESS" if report.indication == "TOTAL_PASSED" else "FAILURE"


def excused(name: str) -> str | None:
    return next((reason for pattern, reason in OTHERWISE.items() if fnmatchcase(name, pattern)), None)


def test_all_answers_are_the_same_but_for_a_reason(limbo: list[dict[str, Any]]) -> None:
    """Every case that is no matter of TLS agrees; each that does not has its reason written down, and none is idle.

    A hundred intermediates, thousands of name constraints: the search and the comparisons are bounded.
    """
    wrong, reasons, slowest = [], Counter[str](), (0.0, "")
    for case in limbo:
        found, seconds = timed(case)
        slowest = max(slowest, (seconds, case["id"]))
        if found != case["expected_result"]:
            reason = excused(case["id"])
            if reason is None:
                wrong.append(case["id"])
            else:
                reasons[reason] += 1
    print(f"\nx509-limbo: {len(limbo) - sum(reasons.values()) - len(wrong)} of {len(limbo)} agree")
    for reason, count in reasons.most_common():
        print(f"  {count:3} otherwise: {reason}")
    print(f"  the slowest case takes {slowest[0]:.2f} s CPU: {slowest[1]}")
    assert wrong == []
    assert set(reasons) == set(OTHERWISE.values())
    assert slowest[0] < SECONDS, slowest


def timed(case: dict[str, Any]) -> tuple[str, float]:
    """The answer and its CPU seconds; of several tries the best, where a busy machine made the first one slow."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        found = judged(case)
        best = min(best, time.process_time() - start)
        if best < SECONDS / 4:
            break
    return found, best
