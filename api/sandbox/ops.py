"""What a document worker does: the core's doors, one operation each, and what is made ready before the first fork.

Nothing is decided here. Arguments and answers are the values of `calls`; documents are open files; what is needed from
outside is asked of the fetcher. An operation may be run again until it has returned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

import verify.policy
from api.sandbox import calls, portraits, rendering, viewing, warmup
from api.sandbox.worker import Operation
from signer import pipeline
from signer import timestamp as timestamps
from signer.extending import Grounds
from signer.model import Extended, Prepared, Signed
from verify import dissection, engine, secrecy
from verify.dissected import Dissected
from verify.document import Limits
from verify.errors import PolicyUnusable
from verify.fetcher import Fetcher
from verify.policy import Policy
from verify.report import Report

Files = tuple[BinaryIO, ...]

_policies: Final[dict[str, Policy]] = {}
"""Filled before the first fork: a worker cannot open a policy's file."""


def prepare(args: calls.Prepare, files: Files, _: Fetcher) -> Prepared:
    source, out, *further = files
    return pipeline.prepare(
        source,
        args.order,
        out=out,
        original_sha256=args.original_sha256,
        nonce=args.nonce,
        detached=_named(args.detached, further),
    )


def require_unmarked(args: calls.RequireUnmarked, files: Files, _: Fetcher) -> None:
    secrecy.require_unmarked(files, password=args.password)


def restore(args: calls.Restore, files: Files, _: Fetcher) -> None:
    source, out = files
    pipeline.restore(source, args.prepared, out=out)


def complete(args: calls.Complete, files: Files, fetcher: Fetcher) -> Signed:
    out, *further = files
    grounds = None
    if args.trust is not None and args.at is not None:
        grounds = Grounds(args.trust, _document_policy(args.policy), args.at)
    return pipeline.complete(
        args.prepared,
        args.value,
        out=out,
        fetcher=fetcher,
        grounds=grounds,
        detached=_named(args.detached, further),
    )


def extend(args: calls.Extend, files: Files, fetcher: Fetcher) -> Extended:
    source, out, *further = files
    return pipeline.extend(
        source,
        args.level,
        trust=args.trust,
        policy=_document_policy(args.policy),
        out=out,
        fetcher=fetcher,
        authorities=args.authorities,
        nonce=args.nonce,
        at=args.at,
        timestamp_policy=args.timestamp_policy,
        allow_degraded=args.allow_degraded,
        only_new=args.only_new,
        password=args.password,
        detached=_named(args.detached, further),
    )


def verify_document(args: calls.Verify, files: Files, fetcher: Fetcher) -> Report:
    document, *further = files
    return engine.judge(
        document,
        name=args.name,
        trust=args.trust,
        policy=_document_policy(args.policy),
        at=args.at,
        fetcher=fetcher,
        password=args.password,
        limits=Limits() if args.pictures == "drawn" else Limits(drawing=0),
        detached=_named(args.detached, further),
    )


def judge_certificate(args: calls.JudgeCertificate, _: Files, fetcher: Fetcher) -> engine.CertificateReport:
    return engine.judge_certificate(
        args.certificate,
        chain=args.chain,
        trust=args.trust,
        policy=_policy(args.policy),
        at=args.at,
        fetcher=fetcher,
        purpose=args.purpose,
    )


def timestamp(args: calls.Timestamp, _: Files, fetcher: Fetcher) -> calls.Timestamped:
    token = timestamps.obtain(
        imprint=args.imprint,
        digest=args.digest,
        authorities=args.authorities,
        nonce=args.nonce,
        policy=args.policy,
        fetcher=fetcher,
    )
    return calls.Timestamped(token.der, token.time, f"{token.serial:x}", token.policy, token.tsa_name)


def render(args: calls.Render, files: Files, _: Fetcher) -> calls.Rendered:
    (document,) = files
    return rendering.render(document, page=args.page, longest=args.longest)


def portray(args: calls.Portray, files: Files, _: Fetcher) -> calls.Portrait:
    (document,) = files
    return portraits.portray(document, order=args)


def dissect(args: calls.Dissect, files: Files, _: Fetcher) -> Dissected:
    (document,) = files
    cuts = dissection.cuts(document, limits=Limits(), password=args.password)
    nodes = dissection.nodes(document, limits=Limits())
    return Dissected(cuts, *dissection.speaks(args.ocsps, args.crls, pairs=args.pairs), nodes)


def survey(args: calls.Survey, files: Files, _: Fetcher) -> calls.Surveyed:
    (document,) = files
    return viewing.survey(document, args)


def draw(args: calls.Look, files: Files, _: Fetcher) -> calls.Drawn:
    (document,) = files
    return viewing.draw(document, args)


def outline(args: calls.Outline, files: Files, _: Fetcher) -> calls.Outlined:
    (document,) = files
    return viewing.outline(document, args)


TABLE: Mapping[str, Operation] = {
    "prepare": Operation(prepare, calls.Prepare, ("rb", "r+b"), detached=True),
    "require_unmarked": Operation(require_unmarked, calls.RequireUnmarked, ("rb",), detached=True),
    "restore": Operation(restore, calls.Restore, ("rb", "r+b")),
    "complete": Operation(complete, calls.Complete, ("r+b",), detached=True),
    "extend": Operation(extend, calls.Extend, ("rb", "r+b"), detached=True),
    "verify": Operation(verify_document, calls.Verify, ("rb",), detached=True),
    "judge_certificate": Operation(judge_certificate, calls.JudgeCertificate),
    "timestamp": Operation(timestamp, calls.Timestamp),
    "render": Operation(render, calls.Render, ("rb",)),
    "portray": Operation(portray, calls.Portray, ("rb",)),
    "dissect": Operation(dissect, calls.Dissect, ("rb",)),
    "survey": Operation(survey, calls.Survey, ("rb",)),
    "draw": Operation(draw, calls.Look, ("rb",)),
    "outline": Operation(outline, calls.Outline, ("rb",)),
}


def warm_up() -> None:
    """Read the policies; sign, judge and render a sample. Raises whatever goes wrong: then no worker would do better."""
    for file in sorted(Path(verify.policy.__file__).parent.glob("*.toml")):
        _policies[file.stem] = verify.policy.load(file.stem)
    engine.preload()
    warmup.run(_policy("default"))


def _policy(given: str) -> Policy:
    """By name, or from the whole text of a policy."""
    if "\n" in given:
        return _parsed(given)
    try:
        return _policies[given]
    except KeyError:
        raise PolicyUnusable("the policy is not known", policy=given) from None


@lru_cache(maxsize=8)
def _parsed(text: str) -> Policy:
    return verify.policy.parse(text)


def _named(names: Sequence[str], files: Sequence[BinaryIO]) -> dict[str, BinaryIO]:
    """Detached contents as the core takes them. An operation may be run again: they are rewound."""
    for file in files:
        file.seek(0)
    return dict(zip(names, files, strict=True))


def _document_policy(given: str) -> Policy:
    """One by which documents may be judged; a suite for certificates believes what nobody should."""
    policy = _policy(given)
    if not policy.for_documents:
        raise PolicyUnusable("this policy is for certificates alone", policy=policy.name)
    return policy
