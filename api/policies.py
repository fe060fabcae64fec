"""Validation policies by name: those that come with the program, the operator's in `KYSO_HOME/policies`, a bundle's.

What a policy says is `verify.policy`'s; here is only where it lies. A worker opens no file, so that a policy that did
not come with the program is shipped to it as its whole text. Files are looked at each time they are asked for: a policy
that was added is there at once.

    policies = Policies(settings.policies, settings.trust)
    worker.verify(…, policy=policies.shipped("vietnam"))
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from verify import bundle, policy, trust, trust_rules
from verify.errors import PolicyUnusable, TrustUnusable
from verify.policy import LARGEST, Policy


class Policies:
    """The policies of an appliance. A name of the program's own is never given to another."""

    def __init__(self, folder: Path, trusted: Path) -> None:
        self._folder = folder
        self._trusted = trusted
        self._known: tuple[tuple[object, ...], dict[str, str]] = ((), {})

    def names(self) -> tuple[str, ...]:
        """All there are, whether or not they can be read."""
        own = {file.stem for file in self._folder.glob("*.toml")}
        return tuple(sorted({*policy.names(), *own, *self._bundled()}))

    def load(self, name: str) -> Policy:
        """Raises PolicyUnusable, with the names there are, or with what is wrong with the file."""
        return (
            policy.load(name) if name in policy.names() else policy.parse(self._find(name), name=name, find=self._find)
        )

    def shipped(self, name: str) -> str:
        """What a worker is told: a name that it knows, or the whole text. Raises PolicyUnusable."""
        return self.load(name).shipped

    def all(self) -> Iterator[Policy | PolicyUnusable]:
        """Every policy, or what is wrong with it."""
        for name in self.names():
            try:
                yield self.load(name)
            except PolicyUnusable as error:
                yield error

    def from_file(self, file: Path) -> Policy:
        """A policy that the caller names by its file; it may extend any that is known here. Raises PolicyUnusable."""
        try:
            return policy.parse(_read(file), unnamed=file.stem, find=self._find)
        except PolicyUnusable as error:
            raise PolicyUnusable(f"{file.name}: {error}", policy=file.name) from error

    def from_text(self, text: str, *, name: str) -> Policy:
        """A policy of this name as it would be; it may extend any that is known here. Raises PolicyUnusable."""
        return policy.parse(text, name=name, find=self._find)

    def _find(self, name: str) -> str:
        file = self._folder / f"{name}.toml"
        if name in policy.names():
            return policy.packaged(name)
        if file.parent == self._folder and file.is_file():
            return _read(file)
        bundled = self._bundled()
        if name not in bundled:
            known = ", ".join(self.names())
            raise PolicyUnusable(f"no policy is called {name[:40]}; there are: {known}", policy=name[:40])
        return bundled[name]

    def _bundled(self) -> dict[str, str]:
        """Those of an installed bundle. One that cannot be read is told where trust is asked for, and brings none."""
        try:
            files = sorted(self._trusted.glob(f"*{bundle.SUFFIX}"))
            if not files:
                return {}
            rules = self._trusted / trust_rules.RULES_FILE
            marks = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in (*files, rules))
            if marks != self._known[0]:
                signers = trust_rules.read(rules.read_bytes()).bundle_signers
                opened = [bundle.open_(trust.read_whole(file), signers=signers, name=file.name) for file in files]
                self._known = marks, {name: text for one in opened for name, text in one.policies.items()}
        except (TrustUnusable, OSError):
            return {}
        return self._known[1]


def reserved(folder: Path) -> tuple[str, ...]:
    """Files in the folder that take a name of the program's own, and are therefore not read."""
    return tuple(sorted(file.name for file in folder.glob("*.toml") if file.stem in policy.names()))


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > 4 * LARGEST:
            raise PolicyUnusable(f"{file.name}: too long for a policy", policy=file.stem)
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyUnusable(f"{file.name}: cannot be read", policy=file.stem) from error
