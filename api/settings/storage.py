"""How documents lie on the disk, how long they stay there, and where copies of everything go."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from api.settings.section import MIB, Section


class Storage(Section):
    """`[storage]`: the key under which documents, drafts and small secrets are encrypted, and where they are worked on.

    Without a key documents lie in plain: then the disk itself has to be encrypted.
    """

    key_file: Path | None = None
    """File with the storage keys (`kyso storage init` makes it), absolute or relative to KYSO_HOME."""
    key_credential: str | None = None
    """Name of the systemd credential with the storage keys, instead of `key_file`; it may be sealed by a TPM."""
    kept_by: str = Field(default="", max_length=200)
    """Who keeps the copy of the storage keys, by post: somebody else than who keeps the backups. `kyso backup` reminds of it."""
    work: Path | None = None
    """Folder for the plain bytes of documents larger than `memory` while they are worked on; files there have no name.
    None takes the system's tmpfs (/dev/shm). Never a folder of a disk that is not encrypted."""
    memory: int = Field(default=16 * MIB, ge=0)
    """Largest document, in bytes, whose plain bytes are in a file that is memory and nothing else (memfd)."""

    @model_validator(mode="after")
    def _one_place_for_keys(self) -> Storage:
        if self.key_file is not None and self.key_credential is not None:
            raise ValueError("either key_file or key_credential")
        return self

    @property
    def encrypts(self) -> bool:
        """Whether a key is configured."""
        return self.key_file is not None or self.key_credential is not None


class Retention(Section):
    """`[retention]`: for how many days what is kept stays; None is for ever. The ledger is never shortened.

    Uploads, documents that were only verified, evidence and drafts of what was refused are never kept in the first place;
    files that are sent in pieces until `[uploads] hours` are over.
    """

    signed: float | None = Field(default=None, gt=0)
    """Days for a signed document and what belongs to it: contents it refers to, what was prepared, what the order said."""
    callers: dict[str, float] = Field(default_factory=dict)
    """Days for the documents of single callers (by id), before `signed`."""
    procedures: dict[str, float] = Field(default_factory=dict)
    """Days for documents whose order named a profile, before `callers`."""
    idempotency: float = Field(default=7.0, gt=0)
    """Days for which an Idempotency-Key is remembered after its answer."""
    jobs: float = Field(default=30.0, gt=0)
    """Days for which a job that is done can still be looked at."""

    @property
    def shortest(self) -> float | None:
        """The fewest days after which any document may go."""
        return min((self.signed, *self.callers.values(), *self.procedures.values()), key=_days, default=None)

    def days(self, *, caller: str, procedure: str | None) -> float | None:
        """Days for one document."""
        return self.procedures.get(procedure or "", self.callers.get(caller, self.signed))


def _days(days: float | None) -> float:
    return float("inf") if days is None else days


class Backup(Section):
    """`[backup]`: copies of the whole appliance, encrypted to somebody else."""

    recipients: tuple[str, ...] = ()
    """Public keys that open a backup: age (`age1…`) or SSH (`ssh-ed25519 …`); their secret keys belong elsewhere."""
    folder: Path | None = None
    """Folder for backups made at intervals, absolute or relative to KYSO_HOME; best another mount."""
    every: float = Field(default=86_400.0, ge=60)
    """Seconds between two of them."""
    keep: int = Field(default=14, ge=1)
    """How many of them stay."""
    include: tuple[Path, ...] = ()
    """What is left out otherwise and should be in: `softhsm` for a demo whose tokens lie below KYSO_HOME."""

    @model_validator(mode="after")
    def _somebody_can_open_it(self) -> Backup:
        if self.folder is not None and not self.recipients:
            raise ValueError("recipients: a backup is never written in plain")
        return self
