"""Writes the guides: `python -m api.guides FOLDER [HOTLINE [ORIGIN]]`."""

from __future__ import annotations

import sys
from pathlib import Path

from api.guides import ROLES, build


def main(arguments: list[str]) -> int:
    """Exit status 0, or 64."""
    if not 1 <= len(arguments) <= 3:
        print("FOLDER [HOTLINE [ORIGIN]]", file=sys.stderr)
        return 64
    folder, hotline, origin = (*arguments, "", "")[:3]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for role in ROLES:
        (Path(folder) / f"{role}.pdf").write_bytes(build(role, hotline=hotline, origin=origin))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
