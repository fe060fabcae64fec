"""What all modules of tables share: the one metadata, and the type of whole numbers."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""A 64-bit whole number; on SQLite the only type that makes a primary key the row's own address."""
