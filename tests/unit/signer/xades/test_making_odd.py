"""Documents of every odd shape, made at random from a fixed seed: what we sign, xmlsec1 and we verify."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from signer.xades.plan import XmlPlan
from tests.unit.signer.xades.making_support import found, hand, xmlsec1

pytestmark = pytest.mark.xades

_TEXTS = (
    "",
    "x",
    " \n\t",
    "&amp;",
    "&#xD;\r\n",
    "đ",
    "<![CDATA[<>&]]]]>",
    "<!-- c -->",
    "<?p d?>",
    "é&lt;&gt;\"'",
    "&#10;",
)
_BESIDE = ("\n", "<!-- m </a> -->", "<?q <x/>?>", " ")
_ATTRIBUTES = (
    ' xmlns="urn:0"',
    ' xmlns=""',
    ' xmlns:ds="urn:other"',
    ' xml:lang="vi"',
    ' xml:space="preserve"',
    ' xml:base="http://x.example/b/"',
    ' b="&quot;&#9;&#10;&amp;đ>/"',
    " p:b='\"'",
)


class _Writer:
    """Writes one document; `ids` are those of its elements."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.ids: list[str] = []

    def document(self) -> str:
        return self.element(0) + "".join(self.random.choices(_BESIDE, k=self.random.randint(0, 3)))

    def element(self, depth: int) -> str:
        pick = self.random
        name = pick.choice(("a", "p:a", "Signature", "a-b", "x.y"))
        names = {one.split("=")[0]: one for one in pick.sample(_ATTRIBUTES, pick.randint(0, 4))}
        declared = ' xmlns:p="urn:p"' if depth == 0 else ""
        if pick.random() < 0.5:
            self.ids.append(f"i{len(self.ids)}")
            names["Id"] = f' Id="{self.ids[-1]}"'
        content = "".join(
            self.element(depth + 1) if depth < 4 and pick.random() < 0.5 else pick.choice(_TEXTS)
            for _ in range(pick.randint(0, 4))
        )
        tag = f"<{name}{declared}{''.join(names.values())}"
        return f"{tag}/>" if not content and pick.random() < 0.5 else f"{tag}>{content}</{name} >"


@pytest.mark.parametrize("method", ["exclusive", "inclusive", "inclusive11"])
@pytest.mark.parametrize("seed", range(12))
def test_any_document_can_be_signed(tmp_path: Path, seed: int, method: str):
    """In each packaging, whole or by elements, in UTF-8 and UTF-16."""
    writer = _Writer(seed)
    text = writer.document()
    data = text.encode("utf-16" if seed % 4 == 3 else "utf-8")
    packaging = ("enveloped", "enveloping", "detached")[seed % 3]
    elements = tuple(writer.ids[:2]) if seed % 2 else ()
    plan = XmlPlan(packaging, elements, canonicalization=method, name="a.xml", roles=("đ & <x>",))
    made = hand("p256", "ecdsa_sha256").sign(data, plan)
    (one,) = found(made, detached={"a.xml": data})
    assert one.integrity.failure is None, (one.integrity, text)
    assert xmlsec1(tmp_path, made, signature=one.id, files={"a.xml": data}), text
