"""Names of keys: by label, else by label and id; once given, kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from hsm.names import Entry, Names

pytestmark = pytest.mark.pades

SEAL, OTHER = Entry(b"key one", "seal", b"\1"), Entry(b"key two", "seal", b"\2")


def test_a_key_keeps_its_name_when_another_of_its_label_comes(tmp_path: Path) -> None:
    """Across restarts too; the newcomer gets the longer name, wherever the token lists it."""
    file = tmp_path / "names"
    assert Names(file).give([SEAL]) == ["seal"]
    assert Names(file).give([OTHER, SEAL]) == ["seal#02", "seal"]
    assert Names(file).give([OTHER]) == ["seal#02"]


def test_two_that_come_together_are_both_told_apart() -> None:
    """No order on the token decides which is the plain one."""
    assert Names(None).give([SEAL, OTHER]) == ["seal#01", "seal#02"]


def test_a_locked_token_that_labels_otherwise_shows_the_known_name(tmp_path: Path) -> None:
    """Known again by the public key; what is seen while locked is not remembered."""
    names = Names(tmp_path / "names")
    names.give([Entry(b"key", "SIGN key", b"\2")])
    public = [Entry(b"key", "SIGN pubkey", b"\2"), Entry(b"new", "NEW pubkey", b"\3")]
    assert names.give(public, remember=False) == ["SIGN key", "NEW pubkey"]
    assert names.give([Entry(b"new", "NEW key", b"\3")]) == ["NEW key"]


def test_a_new_key_of_the_same_label_takes_the_name_when_the_old_one_is_gone() -> None:
    """The name is the operator's, not the dead key's."""
    names = Names(None)
    names.give([SEAL])
    assert names.give([OTHER]) == ["seal"]


def test_keys_that_cannot_be_told_apart_get_no_name() -> None:
    """Same label and same id, or neither: a search on the token would find both."""
    assert Names(None).give([SEAL, Entry(b"key three", "seal", b"\1")]) == [None, None]
    assert Names(None).give([Entry(b"1", "", b""), Entry(b"2", "", b"")]) == [None, None]
    assert Names(None).give([Entry(b"1", "", b"\7")]) == ["#07"]


def test_a_label_that_looks_like_a_longer_name_is_nobody_elses() -> None:
    """The first to come has it; the other has none rather than the same."""
    given = Names(None).give([Entry(b"0", "seal#01", b"\5"), SEAL, OTHER])
    assert given.count("seal#01") == 1


def test_a_broken_file_costs_memory_and_nothing_else(tmp_path: Path) -> None:
    """Names are given anew."""
    file = tmp_path / "names"
    file.write_text("{")
    assert Names(file).give([SEAL]) == ["seal"]
    assert Names(file).give([SEAL, OTHER]) == ["seal", "seal#02"]
