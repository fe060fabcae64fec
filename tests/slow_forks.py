"""Operations for a fork server whose forks take long: it says so, and waits in the hook before each."""

from __future__ import annotations

import os
import sys
import time

from tests.sandbox_support import TABLE

__all__ = ["TABLE", "warm_up"]


def warm_up() -> None:
    os.register_at_fork(before=_slowly)


def _slowly() -> None:
    print("forking", file=sys.stderr, flush=True)
    time.sleep(1)
