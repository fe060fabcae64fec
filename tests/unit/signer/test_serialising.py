"""Objects are written to the octets that pyHanko writes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic

from signer import serialising

pytestmark = pytest.mark.pades

names = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12).map(
    lambda text: generic.NameObject("/" + text)
)
values = st.recursive(
    st.one_of(
        names,
        st.integers(-(2**40), 2**40).map(generic.NumberObject),
        st.floats(-1e6, 1e6).map(lambda number: generic.FloatObject(round(number, 3))),
        st.text(st.characters(exclude_categories=("Cs",)), max_size=20).map(generic.TextStringObject),
        st.binary(max_size=20).map(generic.ByteStringObject),
        st.builds(generic.IndirectObject, st.integers(1, 99), st.integers(0, 3), st.none()),
        st.booleans().map(generic.BooleanObject),
        st.just(generic.NullObject()),
    ),
    lambda inner: (
        st.lists(inner, max_size=4).map(generic.ArrayObject)
        | st.dictionaries(names, inner, max_size=4).map(generic.DictionaryObject)
    ),
    max_leaves=12,
)


@given(values)
def test_as_pyhanko_writes_it(value: generic.PdfObject) -> None:
    """Names, numbers, strings, references and what holds them come out octet for octet as from pyHanko."""
    ours, theirs = io.BytesIO(), io.BytesIO()
    serialising.write(value, ours)
    value.write_to_stream(theirs)
    assert ours.getvalue() == theirs.getvalue()


def test_a_stream_writes_itself() -> None:
    """A stream, which knows its length and filters, is written as ever."""
    stream = generic.StreamObject({"/Type": generic.NameObject("/XObject")}, stream_data=b"q Q")
    ours, theirs = io.BytesIO(), io.BytesIO()
    serialising.write(stream, ours)
    stream.write_to_stream(theirs, None)
    assert ours.getvalue() == theirs.getvalue()
