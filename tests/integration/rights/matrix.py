"""Who may ask what: every route of the application against every role, asked for real.

    python -m tests.integration.rights.matrix

prints it as a table. What a route needs is what it declares (`api.auth.needs`); whether the application keeps to it is
found by asking: nobody gets 401, a role without the permission 403, everybody else anything but these.
"""

from __future__ import annotations

import inspect
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api import auth
from api.sandbox.pool import Sandbox
from api.store import callers
from api.store.callers import ROLES, Caller, CallerId
from tests.http_support import House, house

ROOT = Path(__file__).parents[3]
NOBODY = "nobody"
LOCAL = "administrator of one organisation"
COLUMNS = (NOBODY, *ROLES, LOCAL)
ORGANISATION = "org_somewhere"


@dataclass(frozen=True)
class Endpoint:
    """One method of one route, and where it is written."""

    method: str
    path: str
    need: auth.Need | None
    where: str

    @property
    def mend(self) -> str:
        """What to do about a declaration that is missing."""
        return f'{self.method} {self.path} declares nothing: write @needs("…") below its @router line ({self.where})'

    def allowed(self, column: str) -> bool:
        """What the declaration and the table of roles say."""
        if self.need in ("nothing", "a-session"):
            return True
        if self.need is None or column == NOBODY:
            return False
        return auth.may(_as(column), self.need)


def endpoints(app: Any) -> tuple[Endpoint, ...]:
    """Every method of every route of the application, in the order of their paths."""
    found = {(one.path, one.method): one for route in _routes(app.routes) for one in _of(route)}
    return tuple(found[key] for key in sorted(found))


def outcome(home: House, endpoint: Endpoint, column: str) -> int:
    """The status that somebody of this column gets; things that the path names do not exist."""
    path = re.sub(r"\{[^}]*\}", "nothing-of-this-name", endpoint.path.replace("{page}", "1"))
    body = {} if endpoint.method in ("GET", "DELETE") else {"content": b"{}"}
    name = None if column == NOBODY else column
    headers = {"Content-Type": "application/json"} if body else {}
    return home.ask(endpoint.method, path, name=name, headers=headers, **body).status_code


def furnished(folder: Path) -> House:
    """A service with a caller of each column."""
    home = house(folder)
    # Readiness asks the pool of workers; there is none behind it here, and it says so.
    home.documents.sandbox = Sandbox(home.services.settings.workers_socket)  # type: ignore[attr-defined]
    for column in COLUMNS[1:]:
        chosen = _as(column)
        home.secrets[column] = home.services.database.write(
            callers.create, name=column, role=chosen.role, keys=("*",), organisation=chosen.organisation
        )
    return home


def table(lines: Iterable[tuple[Endpoint, dict[str, int]]]) -> str:
    """The matrix for people: ● allowed, · not."""
    found = list(lines)
    width = max(len(f"{one.method} {one.path}") for one, _ in found)
    needs = max(len(str(one.need)) for one, _ in found)
    heads = [column if column != LOCAL else "administrator*" for column in COLUMNS]
    rows = [f"{'':{width}}  {'needs':{needs}}  " + "  ".join(heads)]
    for one, statuses in found:
        cells = "  ".join(
            f"{'·' if statuses[c] in (401, 403) else '●':^{len(h)}}" for c, h in zip(COLUMNS, heads, strict=True)
        )
        rows.append(f"{f'{one.method} {one.path}':{width}}  {one.need!s:{needs}}  {cells}")
    return "\n".join([*rows, "", f"● asked and let in   · 401 or 403   * {LOCAL}"])


def _as(column: str) -> Caller:
    if column == LOCAL:
        return Caller(CallerId("x"), "x", "administrator", ("*",), organisation=ORGANISATION)
    return Caller(CallerId("x"), "x", column, ("*",))


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    """Routes, also of routers within routers."""
    for route in routes:
        inner = getattr(route, "original_router", None) or (route if hasattr(route, "routes") else None)
        if inner is not None:
            yield from _routes(inner.routes)
        else:
            yield route


def _of(route: Any) -> Iterator[Endpoint]:
    for method in sorted(set(route.methods) - {"HEAD"}):
        yield Endpoint(method, route.path, auth.need_of(route.endpoint), _where(route.endpoint))


def _where(endpoint: Any) -> str:
    code = inspect.unwrap(endpoint).__code__
    file = Path(code.co_filename)
    return f"{file.relative_to(ROOT) if file.is_relative_to(ROOT) else file.name}:{code.co_firstlineno}"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = furnished(Path(folder))
        asked = [(one, {column: outcome(home, one, column) for column in COLUMNS}) for one in endpoints(home.app)]
    print(table(asked))
    wrong = [one.mend for one, _ in asked if one.need is None]
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
