"""The ledger: journal and audit trail in one, an append-only Merkle log whose lines are durable before a key is used.

What it is not: a log of requests, or a place for document content. It proves that no line was edited, removed, moved or
added *against its own head*, which lies in the same database; who replaces both is found out by a state that was noted
elsewhere (`verify(known=…)`), which is what signed checkpoints are for (`note`, `kept`).

>>> import tempfile
>>> from api.store.database import open_database
>>> ledger = Ledger(open_database(f"sqlite:///{tempfile.mkdtemp()}/kyso.db"))
>>> intent = ledger.append("INTENT", {"key": "seal", "caller": "c", "signature": "sig_1"})
>>> [line.number for line in ledger.open_intents()]
[1]
>>> ledger.append("DONE", {"intent": intent, "value": "…"})
2
>>> ledger.open_intents(), ledger.verify().size
((), 2)
"""

from api.ledger.examine import Examination, Finding, examine_export, verify_export
from api.ledger.line import KINDS, Kind, Line, canonical
from api.ledger.log import Ledger, append_within, state_within
from api.ledger.merkle import LedgerState

__all__ = [
    "KINDS",
    "Examination",
    "Finding",
    "Kind",
    "Ledger",
    "LedgerState",
    "Line",
    "append_within",
    "canonical",
    "examine_export",
    "state_within",
    "verify_export",
]
