"""The page: everything escaped, nothing from elsewhere, in an order that a screen reader can follow."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re

import lxml.html
import pytest

from api.reports import content, html
from tests.unit.reports.samples import HOSTILE, changed, hostile, portrait, report, signature, undetermined

pytestmark = pytest.mark.judging

ALL = (signature(), changed(), undetermined())


def page(*signatures, language="vi", **other) -> str:
    return html.page(content.told(report(*signatures, **other), language=language, portrait=portrait()))


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("one", ALL, ids=["good", "changed", "undetermined"])
def test_the_sentence_comes_before_everything_else(one, language):
    """Heading, one word, one sentence; then the rest."""
    tree = lxml.html.fromstring(page(one, language=language))
    assert language == tree.get("lang")
    main = tree.find(".//main")
    assert ["h1", "section"] == [child.tag for child in main][:2]
    told = content.told(report(one), language=language)
    assert [told.verdict, told.sentence] == [
        main.xpath("string(.//p[@class='word'])").strip(),
        main.xpath("string(.//p[@class='sentence'])").strip(),
    ]


def test_names_are_text_and_never_markup():
    """Names that hold tags, templates and direction marks are shown and do nothing."""
    made = page(hostile(), name=HOSTILE)
    tree = lxml.html.fromstring(made)
    assert [] == tree.xpath("//script | //img | //iframe | //object | //*[@onerror or @onload or @style]")
    assert "\u202e" not in made
    assert "\x1b" not in made
    assert "<img src=x" in tree.text_content()
    assert "{{7*7}}" in tree.text_content()


def test_the_page_needs_nothing_but_itself():
    """No address but `data:`, no script; its policy names its style by hash and allows no more."""
    made = page(*ALL)
    tree = lxml.html.fromstring(made)
    addresses = tree.xpath("//@href | //@src | //@action")
    assert addresses
    assert all(one.startswith("data:image/png;base64,") for one in addresses)
    (style,) = tree.xpath("//style/text()")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "url(" not in style
    assert "@import" not in style


def test_headings_follow_each_other_and_pictures_are_described():
    """No level of heading is skipped; each picture has a text in its place."""
    tree = lxml.html.fromstring(page(*ALL))
    levels = [int(heading.tag[1]) for heading in tree.xpath("//h1 | //h2 | //h3 | //h4")]
    assert 1 == levels.count(1)
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    pictures = tree.xpath("//svg[not(@aria-hidden)]")
    assert pictures
    assert all(one.get("role") == "img" and one.get("aria-label") for one in pictures)


def test_every_step_has_its_clause():
    """Whoever follows the standard finds each step's clause and code."""
    clauses = lxml.html.fromstring(page(signature())).xpath("//p[@class='clause']/text()")
    assert "EN 319 102-1 §5.2.2 · FORMAT" in clauses
    assert all("§" in one for one in clauses)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_contrast(scheme: int):
    """WCAG 2.2 asks for 4.5 : 1; every colour of text has it on every ground it stands on, in light and in dark."""
    block = re.findall(r":root \{(.*?)\}", html.style(), flags=re.S)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    grounds = {"paper": ("ink", "faint", "good", "bad", "unsure", "plain", "link"), "soft": ("ink", "faint", "link")}
    grounds |= {f"{tone}-soft": (tone, "ink", "faint") for tone in ("good", "bad", "unsure", "plain")}
    for ground, texts in grounds.items():
        for text in texts:
            bright, dark = sorted((_luminance(colours[ground]), _luminance(colours[text])), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, f"{text} on {ground}"
