"""What is signed as XML: level × packaging × algorithm × path, and a few shapes beside. A case is a name and an order.

>>> len([case for case in CASES if case.shape.name == "enveloped"])
24
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from signer.model import LEVELS
from tests.interop.cases import ALGORITHMS, PATHS, Case

_BY_KIND = {one.kind: one for one in ALGORITHMS}
DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<!-- phiếu thu -->
<receipt xmlns="urn:kyso:demo" xmlns:p="urn:person" xml:lang="vi">
  <p:payer p:kind="person">Nguyễn Văn A</p:payer>
  <item Id="item">Lệ phí &amp; <b>phí</b><![CDATA[ <hai mươi> ]]></item>
  <total currency="VND">1000000</total>
</receipt>
"""


@dataclass(frozen=True)
class Shape:
    """A way to sign, as `order.xml` says it. `features` are what not every reader knows."""

    name: str
    xml: Mapping[str, object] = field(default_factory=dict, hash=False)
    features: frozenset[str] = frozenset()

    @property
    def is_detached(self) -> bool:
        return self.xml.get("packaging") == "detached" and "elements" not in self.xml


ENVELOPED = Shape("enveloped", {"packaging": "enveloped"}, frozenset({"xpath"}))
ENVELOPING = Shape("enveloping", {"packaging": "enveloping"})
DETACHED = Shape("detached", {"packaging": "detached"}, frozenset({"detached"}))
OTHERS = (
    Shape("enveloped-alone", {"packaging": "enveloped", "leaves_out": "itself"}),
    Shape("element", {"packaging": "enveloped", "elements": ["item"]}),
    Shape("beside-element", {"packaging": "detached", "elements": ["item"]}),
    Shape("inclusive", {"packaging": "enveloped", "canonicalization": "inclusive"}, frozenset({"xpath", "inclusive"})),
    Shape(
        "inclusive11",
        {"packaging": "enveloped", "canonicalization": "inclusive11"},
        frozenset({"xpath", "inclusive11"}),
    ),
)


@dataclass(frozen=True)
class XmlCase(Case):
    """One signature to be made over `DOCUMENT`."""

    shape: Shape = ENVELOPED

    @property
    def name(self) -> str:
        return f"{super().name}-{self.shape.name}"

    @property
    def features(self) -> frozenset[str]:
        return self.shape.features | {self.algorithm.kind}


def beside(case: XmlCase, document: Path) -> dict[str, Path]:
    """The files that a reader of the signed document needs, by name."""
    return {document.name: document} if case.shape.is_detached else {}


CASES = (
    *(
        XmlCase(level, _BY_KIND[kind], path, shape)
        for level, shape, kind, path in itertools.product(
            LEVELS, (ENVELOPED, ENVELOPING, DETACHED), ("rsa2048", "p256"), PATHS
        )
    ),
    *(
        XmlCase(level, _BY_KIND[kind], "server", shape)
        for kind, shape, level in itertools.product(
            ("rsa3072", "p384", "ed25519"), (ENVELOPED, ENVELOPING), ("B-B", "B-LTA")
        )
    ),
    *(XmlCase(level, _BY_KIND["rsa2048"], "server", shape) for shape in OTHERS for level in ("B-B", "B-LTA")),
)
SMALL = tuple(
    case
    for case in CASES
    if (case.path == "server" and case.shape in (ENVELOPED, ENVELOPING, DETACHED) and case.level in ("B-B", "B-LTA"))
    or (case.level == "B-LTA" and case.shape in OTHERS)
)
"""For every run of the tests."""
