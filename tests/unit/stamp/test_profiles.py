"""Profiles as data: strict, and never more than text in, text out."""

from __future__ import annotations

import pytest

from signer.errors import ProfileInvalid, ProfileUnknown
from signer.stamp import profiles

pytestmark = pytest.mark.web

OWN = """
name = "co-quan-mau"
source = "Quy chế mẫu"
title = { vi = "Cơ quan mẫu", en = "Sample office" }
[looks.duyet]
title = { vi = "Duyệt", en = "Approved" }
lines = ["{signer}", "Số {number}, {title}"]
"""
LOOKS = {
    "nguoi-ky", "dau", "phu-luc", "sao-y", "sao-luc", "trich-sao", "so-hoa", "van-ban-den", "gop-y", "ky-nhay",
}  # fmt: skip


@pytest.mark.parametrize("name", profiles.SHIPPED)
def test_both_profiles_have_every_look(name):
    """With titles in both languages."""
    profile = profiles.load(name)
    assert set(profile.looks) == LOOKS
    assert name == profile.name
    assert all(look.title["vi"] and look.title["en"] for look in profile.looks.values())
    assert profiles.parse(profile.text) == profile


@pytest.mark.parametrize("name", profiles.SHIPPED)
def test_the_rules_that_are_known(name):
    """A hand where it is put, a seal over it, an attachment without picture in 10 points at the top right."""
    looks = profiles.load(name).looks
    assert ("signature", "given", ()) == (looks["nguoi-ky"].shows, looks["nguoi-ky"].place, looks["nguoi-ky"].lines)
    assert ("seal", "over-signature", ()) == (looks["dau"].shows, looks["dau"].place, looks["dau"].lines)
    for look in (looks["phu-luc"], looks["so-hoa"]):
        assert ("none", "top-right", 10.0, 10.0, "black") == (
            look.shows, look.place, look.font_size, look.smallest, look.colour,
        )  # fmt: skip
        assert "{time_iso}" in look.lines
    for kind, word in (("sao-y", "SAO Y"), ("sao-luc", "SAO LỤC"), ("trich-sao", "TRÍCH SAO")):
        assert ("seal", "top-right", word) == (looks[kind].shows, looks[kind].place, looks[kind].lines[0])


def test_an_office_has_its_own():
    """By its text, in a process that opens no file."""
    assert ("{signer}", "Số {number}, {title}") == profiles.find(OWN, "duyet").lines


def test_values_are_text_alone():
    """A brace in a value is a brace; a line whose values are all empty is left out."""
    look = profiles.find(OWN, "duyet")
    assert ("{number}{0.__class__}", "Số 1, ") == look.text({"signer": "{number}{0.__class__}", "number": "1"})
    assert ("A",) == look.text({"signer": "A"})


WRONG = {
    "not TOML": ("name = ", "end of document"),
    "name": (OWN.replace("co-quan-mau", "Cơ quan"), "name"),
    "a key": (OWN + "colour_of_hope = 1\n", "looks.duyet.colour_of_hope"),
    "a key above": ("kind = 1\n" + OWN, "kind"),
    "no looks": (OWN[: OWN.index("[looks")], "looks"),
    "no title": (OWN.replace('title = { vi = "Duyệt", en = "Approved" }\n', ""), "looks.duyet.title"),
    "one title": (OWN.replace(', en = "Approved"', ""), "looks.duyet.title"),
    "colour": (OWN + 'colour = "green"\n', "looks.duyet.colour"),
    "size": (OWN + "font_size = 3\n", "looks.duyet.font_size"),
    "truth for a number": (OWN + "font_size = true\n", "looks.duyet.font_size"),
    "sizes": (OWN + "font_size = 9\nsmallest = 10\n", "looks.duyet.smallest"),
    "margins": (OWN + "margin_mm = [1]\n", "looks.duyet.margin_mm"),
    "place": (OWN + 'place = "anywhere"\n', "looks.duyet.place"),
    "placeholder": (OWN.replace("{signer}", "{secret}"), "looks.duyet.lines"),
    "attribute": (OWN.replace("{signer}", "{signer.__class__}"), "looks.duyet.lines"),
    "layout": (OWN.replace("{signer}", "{signer:>99999999}"), "looks.duyet.lines"),
    "brace": (OWN.replace("{signer}", "{signer"), "looks.duyet.lines"),
    "asks for what is known": (OWN + 'requires = ["signer"]\n', "looks.duyet.requires"),
    "text over a signature": (OWN + 'place = "over-signature"\nshows = "seal"\n', "looks.duyet.place"),
    "a hand in the corner": (OWN + 'place = "top-right"\nshows = "signature"\n', "looks.duyet.place"),
    "shows nothing": (OWN[: OWN.index("lines")], "looks.duyet"),
    "too long": (OWN + "#" * 70_000, "size"),
    "deep": ("a = " + "[" * 20_000 + "\n", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name):
    """With the place in the file."""
    text, where = WRONG[name]
    with pytest.raises(ProfileInvalid) as refused:
        profiles.parse(text)
    assert where in str(refused.value.facts["where"])
    assert "operator" == refused.value.actor


@pytest.mark.parametrize(
    ("profile", "look"), [("dang", "khong-co"), ("khong-co", "dau"), ("../dang", "dau"), (OWN, "dau")]
)
def test_what_is_not_there_is_refused(profile, look):
    """Whoever asks is told what there is."""
    with pytest.raises(ProfileUnknown) as refused:
        profiles.find(profile, look)
    assert refused.value.facts["known"]
