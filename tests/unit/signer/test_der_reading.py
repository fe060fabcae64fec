"""The self-check's reader of DER takes what asn1crypto takes of well-formed DER, and nothing else."""

from __future__ import annotations

import contextlib

import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st

from signer import der_reading

pytestmark = pytest.mark.spine


class _Octets(core.SequenceOf):
    _child_spec = core.OctetString


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_a_structure_is_its_elements(values: list[bytes]) -> None:
    """What asn1crypto puts into a SEQUENCE comes out again, element by element."""
    element = _Octets(values).dump()
    assert [der_reading.content(part, tag=0x04) for part in der_reading.parts(element, tag=0x30)] == values


@given(st.binary(max_size=200), st.binary(max_size=30))
def test_an_element_ends_where_its_length_says(value: bytes, behind: bytes) -> None:
    """Padding behind an element is no part of it."""
    element = core.OctetString(value).dump()
    assert der_reading.first(element + behind) == element


@given(st.binary(max_size=40))
def test_never_anything_but_a_value_error(octets: bytes) -> None:
    """Any octets are read, or refused with ValueError."""
    with contextlib.suppress(ValueError):
        der_reading.parts(octets, tag=0x30)


@pytest.mark.parametrize(
    "element",
    [
        "",
        "30",
        "3080040161" + "0000",
        "308103040161",
        "30820003040161",
        "3004040161",
        "3003040261",
        "300304016100",
        "1f0100",
    ],
    ids=["empty", "cut", "indefinite", "long-form", "leading-zero", "too-long", "inner-too-long", "behind", "high-tag"],
)
def test_what_is_not_der_is_refused(element: str) -> None:
    """Indefinite and roundabout lengths, and elements that do not fill what holds them, are refused."""
    with pytest.raises(ValueError, match=r"element|length"):
        der_reading.parts(bytes.fromhex(element), tag=0x30)
