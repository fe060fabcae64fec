"""The tables of the directory: who is who in which organisation, and since when.

All of them are kept in two times. `valid_from` and `valid_to` (Unix seconds, the end excluded, none is open) say when a
thing holds in the world; `recorded` and `superseded` name the changes of the directory (`directory_change`) by which the
appliance learnt it and learnt better. A row is written once: only `superseded` is set later, and erasing a person takes
the name away. `row` is the change's number and a place in it (`api.directory.applying`).

`id` names the thing and is the same in all its rows: an organisation that was renamed, a post that ended.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from api.store.metadata import Number, metadata

directory_change = sa.Table(
    "directory_change",
    metadata,
    sa.Column("number", Number, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),  # import, erasure
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("as_of", Number, nullable=False),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("ledger_number", Number, nullable=False),
    sa.Column("rows_sha256", sa.Text, nullable=False),  # of the rows that it wrote, without names: also in the ledger
    sa.Column("counts_json", sa.Text, nullable=False),
)


def _table(name: str, *columns: sa.Column[Any], indexed: tuple[str, ...]) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("row", Number, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        *columns,
        sa.Column("valid_from", Number, nullable=False),
        sa.Column("valid_to", Number),
        sa.Column("recorded", Number, nullable=False),
        sa.Column("superseded", Number),
        *(sa.Index(f"{name}_{column}", column) for column in ("id", *indexed)),
    )


organisation = _table(
    "organisation",
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("parent", sa.Text),
    sa.Column("merged_into", sa.Text),
    indexed=("code", "parent"),
)
person = _table(
    "person",
    sa.Column("code", sa.Text),  # none once the person was erased
    sa.Column("name", sa.Text),
    indexed=("code",),
)
person_subject = _table(
    "person_subject",
    sa.Column("subject", sa.Text),  # by which an identity provider knows the person
    sa.Column("person", sa.Text, nullable=False),
    indexed=("subject", "person"),
)
post = _table(
    "post",
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("organisation", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("rank", sa.Text, nullable=False),  # chief, deputy, member
    indexed=("person", "organisation"),
)
person_role = _table(
    "person_role",
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("organisation", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    indexed=("person", "organisation"),
)
delegation = _table(
    "delegation",
    sa.Column("form", sa.Text, nullable=False),  # KT, TL, TUQ, TM
    sa.Column("giver", sa.Text, nullable=False),
    sa.Column("receiver", sa.Text, nullable=False),
    sa.Column("organisation", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),  # of the paper it rests on
    indexed=("receiver", "organisation"),
)
certificate = _table(
    "certificate",
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("person", sa.Text),
    sa.Column("organisation", sa.Text),  # of an organisation's seal
    sa.Column("public_key_sha256", sa.Text),
    sa.Column("subject_sha256", sa.Text),  # of issuer and subject, where the subject names one person
    indexed=("sha256", "public_key_sha256", "subject_sha256", "person"),
)
key_owner = _table(
    "key_owner",
    sa.Column("ref", sa.Text, nullable=False),
    sa.Column("organisation", sa.Text, nullable=False),
    sa.Column("person", sa.Text),
    indexed=("ref", "organisation"),
)
