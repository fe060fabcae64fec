"""The level of an XML signature: what its form promises and its timestamps keep."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.pki import NOW
from tests.unit.verify.xml import xades
from verify import levels
from verify.found import FoundSignature, FoundTimestamp, Integrity, TimestampType
from verify.report import Changes, TimestampReport
from verify.timing import JudgedTimestamp

pytestmark = pytest.mark.xades

FOUND = FoundSignature(
    id="S",
    format="XAdES",
    integrity=Integrity(None),
    signer=None,
    binding="matched",
    changes=Changes(),
    covers=0,
    profile="XAdES-BASELINE-B",
)
SIGNATURE, REFERENCES, ARCHIVE = 1, 4, 7
"""Places of properties."""


def found(*kinds: tuple[TimestampType, int], **fields) -> FoundSignature:
    stamps = tuple(
        FoundTimestamp(f"S#{kind}-{place}", kind, b"", lambda name: b"", covers=place) for kind, place in kinds
    )
    return replace(FOUND, timestamps=stamps, **fields)


def level(signature: FoundSignature, *, broken: tuple[TimestampType, ...] = (), time: datetime = NOW) -> str | None:
    judged = [
        JudgedTimestamp(
            one,
            TimestampReport(one.id, one.type, time, one.type not in broken, "INDETERMINATE", None, None),
        )
        for one in signature.timestamps
    ]
    return levels.of(signature, own=judged, document=())


T = ("signature", SIGNATURE)
X = ("vri", REFERENCES)
A = ("archive", ARCHIVE)


@pytest.mark.parametrize(
    ("stamps", "fields", "expected"),
    [
        ((), {}, "XAdES-BASELINE-B"),
        ((T,), {}, "XAdES-BASELINE-T"),
        ((T,), {"kept_at": 3}, "XAdES-BASELINE-LT"),
        ((T, A), {"kept_at": 3}, "XAdES-BASELINE-LTA"),
        ((T, A), {"kept_at": 9}, "XAdES-BASELINE-LT"),
        ((T, A), {}, "XAdES-BASELINE-T"),
        ((A,), {"kept_at": 3}, "XAdES-BASELINE-B"),
        ((T, T), {}, "XAdES-T"),
        ((T,), {"profile": "XAdES-BES"}, "XAdES-T"),
        ((T,), {"profile": "XAdES-EPES", "kept_at": 3}, "XAdES-LT"),
        ((T, A), {"profile": "XAdES-BES", "kept_at": 3}, "XAdES-A"),
        ((T,), {"complete_references": True, "baseline_longterm": False}, "XAdES-C"),
        ((T, X), {"complete_references": True, "baseline_longterm": False}, "XAdES-X"),
        ((T, X), {"complete_references": True, "baseline_longterm": False, "kept_at": 5}, "XAdES-XL"),
        ((T,), {"complete_references": True, "baseline_longterm": False, "kept_at": 5}, "XAdES-C"),
        ((T, X, A), {"complete_references": True, "baseline_longterm": False, "kept_at": 5}, "XAdES-A"),
        ((T,), {"baseline_longterm": False, "kept_at": 5}, "XAdES-LT"),
        ((T, A), {"profile": "XML-NOT-ETSI", "kept_at": 3}, "XML-NOT-ETSI"),
        ((), {"profile": "XML-NOT-ETSI", "format": "XMLDSIG"}, "XML-NOT-ETSI"),
    ],
)
def test_the_ladder(stamps: tuple[tuple[TimestampType, int], ...], fields: dict, expected: str) -> None:
    """EN 319 132-1 §6 and EN 319 132-2: each step needs the one below it; evidence behind the archive timestamp seals
    nothing; what the baseline forbids makes it the extended form of the same step."""
    signature = found(*stamps, **fields)
    assert level(signature) == expected
    assert levels.form(signature) == expected


def test_a_broken_timestamp_lifts_nothing() -> None:
    """A timestamp over something else is none; the form still says what it was meant to be."""
    signature = found(T, A, kept_at=3)
    assert level(signature, broken=("archive",)) == "XAdES-BASELINE-LT"
    assert level(signature, broken=("signature",)) == "XAdES-BASELINE-B"
    assert levels.form(signature) == "XAdES-BASELINE-LTA"


def test_a_timestamp_after_the_end_of_the_certificate_lifts_nothing() -> None:
    """§6.3 (o): the value is stamped before the signer's certificate ends."""
    one = xades.signer()
    signature = found(T, signer=one.der)
    end = one.certificate.not_valid_after_utc.astimezone(UTC)
    assert level(signature, time=end - timedelta(seconds=1)) == "XAdES-BASELINE-T"
    assert level(signature, time=end) == "XAdES-BASELINE-B"
