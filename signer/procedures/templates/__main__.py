"""Writes a document of a procedure: `python -m signer.procedures.templates NAME FILE [FIELD=VALUE]...`."""

from __future__ import annotations

import sys
from pathlib import Path

from signer.errors import SignerError
from signer.procedures.templates import TEMPLATES, build


def main(arguments: list[str]) -> int:
    """Exit status 0, or 64 for what cannot be made as it was asked for."""
    if len(arguments) < 2 or any("=" not in one for one in arguments[2:]):
        print(f"NAME FILE [FIELD=VALUE]...; NAME is one of {', '.join(TEMPLATES)}", file=sys.stderr)
        return 64
    try:
        made = build(arguments[0], values=dict(one.split("=", 1) for one in arguments[2:]))
    except SignerError as error:
        print(f"{error.code}: {error} {error.facts}", file=sys.stderr)
        return 64
    Path(arguments[1]).write_bytes(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
