"""Times at the ends of the calendar: what anybody can claim, and what certificates without an end say."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from api.render import report_json
from api.reports import content, etsi, html
from api.reports.terminal import report_text
from tests.integration.verify.hostile_xml import people
from tests.integration.verify.hostile_xml.honest import RECEIPT
from tests.integration.verify.hostile_xml.making import enveloped
from verify import engine, policy
from verify.fetcher import Offline
from verify.report import Report

pytestmark = pytest.mark.xades

FIRST = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("claimed", [FIRST, LAST])
def test_every_form_of_report_tells_them(claimed: datetime):
    """RFC 5280 §4.1.2.5 has 99991231235959Z for a certificate without an end; neither it nor a time that was merely
    claimed keeps a report from being written, whatever its zone."""
    judged = engine.judge(
        io.BytesIO(enveloped(RECEIPT, by=people.signer()).encode()),
        name="a.xml",
        trust=people.trust(),
        policy=policy.load("default"),
        at=people.AT,
        fetcher=Offline(),
    )
    (signature,) = judged.signatures
    assert signature.signer is not None
    signer = replace(signature.signer, not_after=LAST)
    report = replace(judged, signatures=(replace(signature, claimed_time=claimed, signer=signer),))
    assert claimed.strftime("%d/%m/") in _told(report)


def _told(report: Report) -> str:
    assert report_json(report)["signatures"][0]["signer"]["not_after"].startswith("9999-12-31")
    assert etsi.report_xml(report)
    assert html.page(content.told(report, language="vi"))
    return report_text(report, language="vi")
