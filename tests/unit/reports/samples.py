"""Reports made by hand: one signature of each kind, and one made by somebody who means harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from api.sandbox.calls import BeforeAfter, Compared, Mark, Picture, Portrait
from api.sandbox.rendering import png
from verify.report import (
    Algorithms,
    Changes,
    Check,
    DocumentFacts,
    Report,
    SignatureReport,
    SignerFacts,
    TimestampReport,
    Warning_,
)

AT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
STAMPED = AT - timedelta(hours=1)
SUBJECT = "CN=Nguyễn Văn An,O=Chi bộ thôn Mẫu,C=VN"
HOSTILE = '<img src=x onerror=alert(1)>\u202egpj.exe#import "/etc/passwd"{{7*7}}$x$\x1b[2J王'


def signature(name: str = "ChuKy1", **other: object) -> SignatureReport:
    """A signature that holds, with a timestamp; `other` replaces members."""
    revocation = {"subject": SUBJECT, "state": "good", "kind": "ocsp", "issued": AT.isoformat()}
    stamp = TimestampReport(
        f"{name}#signature-0", "signature", STAMPED, True, "TOTAL_PASSED", None, "CN=TSA Mẫu,O=Cục Mẫu,C=VN", ()
    )
    made = SignatureReport(
        id=name,
        format="PAdES",
        level="PAdES-BASELINE-T",
        parent=None,
        indication="TOTAL_PASSED",
        sub_indication=None,
        intact=True,
        scope="FULL",
        signer=SignerFacts(
            subject=SUBJECT,
            common_name="Nguyễn Văn An",
            organization="Chi bộ thôn Mẫu",
            issuer="CN=CA Mẫu,O=Ban Cơ yếu Mẫu,C=VN",
            serial="1f",
            not_before=AT - timedelta(days=365),
            not_after=AT + timedelta(days=365),
        ),
        claimed_time=STAMPED,
        best_signature_time=STAMPED,
        algorithms=Algorithms("sha256", "rsassa_pkcs1v15", 2048),
        changes=Changes(),
        timestamps=(stamp,),
        checks=(
            Check("FORMAT", "EN 319 102-1 §5.2.2", "PASSED", {"field": name, "covers": 1000}),
            Check("INTEGRITY", "EN 319 102-1 §5.2.7", "PASSED", {}),
            Check("REVOCATION", "EN 319 102-1 §5.2.5", "PASSED", dict(revocation)),
            Check("WITH_TIME", "EN 319 102-1 §5.5", "PASSED", {"best_signature_time": STAMPED.isoformat()}),
        ),
    )
    return replace(made, **other)


def changed(**other: object) -> SignatureReport:
    """A signature after which the page was changed."""
    return signature(
        indication="TOTAL_FAILED",
        sub_indication="FORMAT_FAILURE",
        changes=Changes(modified=True, kind="forbidden", details=("revision 2: undefined-change",)),
        checks=(
            Check("FORMAT", "EN 319 102-1 §5.2.2", "PASSED", {"covers": 1000}),
            Check("CHANGES", "EN 319 102-1 §5.2.2", "FAILED", {"kind": "forbidden"}),
        ),
        **other,
    )


def undetermined(**other: object) -> SignatureReport:
    """A signature of which it is not known whether its certificate is trusted, without a timestamp."""
    return signature(
        indication="INDETERMINATE",
        sub_indication="NO_CERTIFICATE_CHAIN_FOUND",
        timestamps=(),
        best_signature_time=AT,
        checks=(Check("CERTIFICATE_PATH", "EN 319 102-1 §5.2.6", "FAILED", {"reason": "no-path"}),),
        **other,
    )


def hostile() -> SignatureReport:
    """Every text that comes from the document is an attack."""
    made = signature(id=HOSTILE)
    assert made.signer is not None
    signer = replace(made.signer, subject=HOSTILE, common_name=HOSTILE, organization=HOSTILE, issuer=HOSTILE)
    checks = (*made.checks, Check("NEW_" + HOSTILE, HOSTILE, "WARNING", {HOSTILE: HOSTILE, "reason": HOSTILE}))
    return replace(made, signer=signer, level=HOSTILE, checks=checks, algorithms=Algorithms(HOSTILE, HOSTILE, 1))


def report(*signatures: SignatureReport, name: str = "giấy.pdf", warnings: tuple[str, ...] = ()) -> Report:
    """A report on these signatures; its verdict is the worst of theirs."""
    worst = ("TOTAL_FAILED", "INDETERMINATE", "TOTAL_PASSED", "NO_SIGNATURE")
    found = {one.indication for one in signatures} or {"NO_SIGNATURE"}
    return Report(
        document=DocumentFacts(name, "ab" * 32, "PDF", 104857),
        verdict=next(verdict for verdict in worst if verdict in found),
        validated_at=AT,
        policy="default",
        signatures=signatures,
        warnings=tuple(Warning_(code) for code in warnings),
    )


def portrait(name: str = "ChuKy1") -> Portrait:
    """One page with the signature's place, one comparison, one page that was added."""
    picture = Picture(1, png(b"\xff" * 30_000, width=100, height=100, channels=3), 100, 100)
    after = replace(picture, marks=(Mark("", (10, 10, 50, 20)),))
    pages = (BeforeAfter(1, picture, after), BeforeAfter(2, None, picture))
    return Portrait(3, (replace(picture, marks=(Mark(name, (20, 60, 80, 90)),)),), (Compared(name, pages),))
