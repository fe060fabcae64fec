"""What a backup says of itself, last in its tar: every file with its digest, and which state of the ledger it is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

NAME = "MANIFEST.json"
FORMAT = 1


class File(BaseModel):
    """One file, by its path below KYSO_HOME."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """The whole. `database` is the kind of database: its snapshot is the first file, under that name."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int = FORMAT
    made_at: str
    program: str
    database: str
    schema_version: str
    ledger_size: int
    ledger_root: str
    checkpoint: str | None
    """The newest signed checkpoint that was there, as a signed note."""
    storage_keys: tuple[str, ...]
    """Ids of the storage keys; whether they are in the backup stands among the files."""
    files: tuple[File, ...]
