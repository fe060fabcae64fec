"""How the command line answers those who call it wrongly, and those who ask for help."""

from __future__ import annotations

import re
import sys

import pytest

from api import cli
from api.cli import console, verifying
from tests.cli_support import kyso

pytestmark = pytest.mark.spine


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("verify",),
        ("verify", "--frobnicate", "a.pdf"),
        ("verify", "a.pdf", "--format", "jpeg"),
        ("verify", "a.pdf", "--at", "yesterday"),
        ("verify", "a.pdf", "--trust", "/nowhere"),
        ("sign", "a.pdf"),
        ("sign", "a.pdf", "-o", "b.pdf", "--key", "k", "--page", "1"),
        ("sign", "a.pdf", "-o", "b.pdf", "--key", "k", "--page", "1", "--box", "1,2,3"),
        ("cert", "verify", "a.pem"),
        ("key", "create", "k", "--algorithm", "rsa1024"),
        ("audit", "verify", "--known", "12"),
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_told_in_one_line_and_ends_with_64(arguments, tmp_path, monkeypatch, capsys):
    """Status 64 is for whoever wrote the call; nothing on standard output can be mistaken for a result."""
    monkeypatch.setenv("KYSO_HOME", str(tmp_path / "home"))
    assert console.USAGE == cli.run(arguments)
    said = capsys.readouterr()
    assert "" == said.out
    assert [True] == [line.startswith("kyso: usage: ") for line in said.err.splitlines()], said.err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("language", "words"), [("vi", ("kiểm tra chữ ký số", "Lệnh")), ("en", ("judge the signatures", "Commands"))]
)
def test_help_speaks_both_languages(language, words, tmp_path):
    """`kyso --help` lists every command, in the language of the run or of --lang."""
    ran = kyso("--help", home=tmp_path, KYSO_LANG=language)
    assert ran == kyso("--lang", language, "--help", home=tmp_path)
    assert 0 == ran.status
    assert all(word in ran.out for word in words)
    for command in ("serve", "sign", "verify", "timestamp", "token", "key", "audit", "caller", "cert"):
        assert command in ran.out


@pytest.mark.parametrize(
    ("statuses", "status"),
    [((0,), 0), ((0, 3), 3), ((0, 3, 2), 2), ((2, 4, 3, 0), 4), ((4, 1, 2), 1), ((3, 3), 3)],
)
def test_of_several_files_the_worst_decides(statuses, status):
    """The order is 1, 4, 2, 3, 0: a failed signature outweighs a file that cannot be read."""
    assert status == verifying.worst(statuses)


def test_a_verdict_that_nobody_could_read_is_no_success(monkeypatch):
    """A broken pipe in mid-run ends with the status of SIGPIPE: 0 would say that every signature passed."""

    def cut_off(_arguments):
        raise BrokenPipeError

    monkeypatch.setattr(cli, "_application", cut_off)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # the command lets go of it
    assert 141 == cli.run(["verify", "a.pdf"])


def test_the_version_is_told(tmp_path, monkeypatch, capsys):
    """`kyso --version` for whoever reports a fault."""
    monkeypatch.setenv("KYSO_HOME", str(tmp_path / "home"))
    assert console.DONE == cli.run(["--version"])
    assert re.fullmatch(r"kyso \d+\.\d+\.\d+\n", capsys.readouterr().out)
