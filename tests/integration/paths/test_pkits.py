"""NIST's PKITS: 246 questions about paths and revocation whose answers are known, by RFC 5280 alone (policy `pkits`).

`pytest -s tests/integration/paths` prints the counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import pem

from verify import engine, policy
from verify.fetcher import Offline
from verify.path_inputs import PathInputs
from verify.trust import Trust

pytestmark = pytest.mark.judging

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ANCHOR = "TrustAnchorRootCertificate.crt"
ANCHORS_LIST = "TrustAnchorRootCRL.crl"
SWITCHES = {
    "initial_explicit_policy": "--explicit-policy",
    "initial_policy_mapping_inhibit": "--inhibit-mapping",
    "initial_any_policy_inhibit": "--inhibit-any",
}
ON_THE_COMMAND_LINE = (
    "valid_dsa_parameter_inheritance_test5",
    "all_certs_same_policy_test1_with_constraint_mismatch",
    "invalid_separate_certificate_and_crl_keys_test21",
)
"""A handful, one for each kind of answer and option; a process for each of all the 246 would take minutes."""


@pytest.fixture(scope="module")
def pkits(corpus: Path) -> Path:
    return corpus / "path" / "pkits"


def cases(pkits: Path) -> list[dict[str, Any]]:
    return json.loads((pkits / "pkits.json").read_text())


def read(path: Path) -> bytes:
    octets = path.read_bytes()
    return pem.unarmor(octets)[2] if pem.detect(octets) else octets


def asked(case: dict[str, Any]) -> PathInputs:
    given = case.get("params", {})
    return PathInputs(
        tuple(given.get("user_initial_policy_set", ())),
        explicit_policy=given.get("initial_explicit_policy", False),
        inhibit_mapping=given.get("initial_policy_mapping_inhibit", False),
        inhibit_any=given.get("initial_any_policy_inhibit", False),
    )


_JUDGED: dict[str, engine.CertificateReport] = {}
"""Each case is judged once for all tests."""


def judged(case: dict[str, Any], pkits: Path) -> engine.CertificateReport:
    if case["name"] not in _JUDGED:
        _JUDGED[case["name"]] = judge(case, pkits)
    return _JUDGED[case["name"]]


def judge(case: dict[str, Any], pkits: Path) -> engine.CertificateReport:
    return engine.judge_certificate(
        read(pkits / "certs" / case["cert"]),
        chain=tuple(read(pkits / "certs" / name) for name in case.get("other_certs", ())),
        trust=Trust(
            (read(pkits / "certs" / ANCHOR),),
            (),
            tuple(read(pkits / "crls" / name) for name in (*case.get("crls", ()), ANCHORS_LIST)),
        ),
        policy=policy.load("pkits").asking(asked(case)),
        at=NOW,
        fetcher=Offline(),
        purpose="signing",
    )


def test_all_answers_are_right(pkits: Path) -> None:
    """Every valid path passes, no invalid one does."""
    wrong = []
    for case in cases(pkits):
        report = judged(case, pkits)
        if (report.indication == "TOTAL_PASSED") != ("error" not in case):
            wrong.append((case["id"], case["name"], report.sub_indication, report.checks))
    total = len(cases(pkits))
    print(f"\nPKITS: {total - len(wrong)} of {total}")
    assert total == 246
    assert wrong == []


def test_reasons_are_those_of_the_suite(pkits: Path) -> None:
    """What the suite calls revoked is revoked here, what it calls unknown or old is unknown, a bad path a bad path."""
    of_the_suite = {
        "RevokedError": {"REVOKED_NO_POE", "REVOKED_CA_NO_POE"},
        "InsufficientRevinfoError": {"TRY_LATER"},
        "StaleRevinfoError": {"TRY_LATER"},
    }
    others = set[str]().union(*of_the_suite.values())
    for case in cases(pkits):
        if "error" in case:
            found = judged(case, pkits).sub_indication
            expected = of_the_suite.get(case["error"]["class"])
            assert found in expected if expected else found not in others, (case["name"], found)


@pytest.mark.parametrize("name", ON_THE_COMMAND_LINE)
def test_the_command_line_says_the_same(name: str, pkits: Path, tmp_path: Path) -> None:
    """`kyso cert verify` with the options of the public interface: status and indication, in a locked-down worker."""
    case = next(one for one in cases(pkits) if one["name"] == name)
    options = ["--trust", pkits / "certs" / ANCHOR, "--crl", pkits / "crls" / ANCHORS_LIST]
    for one in case.get("other_certs", ()):
        options += ["--chain", pkits / "certs" / one]
    for one in case.get("crls", ()):
        options += ["--crl", pkits / "crls" / one]
    for one in case.get("params", {}).get("user_initial_policy_set", ()):
        options += ["--initial-policy", one]
    options += [switch for key, switch in SWITCHES.items() if case.get("params", {}).get(key)]
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-c",
                "from api.cli import main; main()",
                "cert",
                "verify",
                pkits / "certs" / case["cert"],
            ),
            *(*options, "--policy", "pkits", "--at", NOW.isoformat(), "--offline", "--format", "json"),
        ],
        env={"KYSO_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    answer = json.loads(done.stdout)
    expected = judged(case, pkits)
    assert (done.returncode, answer["indication"], answer["sub_indication"], tuple(answer["path"])) == (
        0 if "error" not in case else 2,
        expected.indication,
        expected.sub_indication,
        expected.path,
    )
    assert {check["outcome"] for check in answer["checks"]} <= {"PASSED", "FAILED", "WARNING", "SKIPPED"}
