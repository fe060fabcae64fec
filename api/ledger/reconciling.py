"""The ledger against the keepers' logs of uses: two records of the same thing, kept by processes that do not trust each
other.

1. Each use in a keeper's log has an INTENT line with its number, key, mechanism and digest of the bytes.
2. Each DONE line that answers an INTENT has a use that is done, with the same value.
3. No FAILED line is about a use that is done.

Uses with ledger number 0 are an operator's own (certification requests) and need no line. A DONE line of a value that
came from elsewhere names no INTENT, and no keeper knows of it.

    reconciliation = Reconciliation({"hsm": history(path)})
    ledger.examine(observer=reconciliation.see)
    reconciliation.finish()              # the findings
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from api.ledger.examine import Finding
from api.ledger.line import Line
from hsm.uselog import KeyUse


def misfit(intent: Line | None, use: KeyUse, *, module: str, twins: Mapping[str, str]) -> Finding | None:
    """1. What is wrong with a use, by the line of its number."""
    facts = {"key": use.key, "module": module, "number": use.ledger_number}
    if intent is None or intent.kind != "INTENT":
        detail = f"key {use.key} was used for line {use.ledger_number}, which is no INTENT of the ledger"
        return Finding("USE_WITHOUT_LINE", detail, use.ledger_number, facts=facts)
    alias = str(intent.facts.get("key"))
    same_key = use.key == alias or twins.get(alias) == f"{module}/{use.key}"
    said = (intent.facts.get("mechanism"), intent.facts.get("tbs_sha256"))
    if same_key and said == (use.mechanism, use.tbs_sha256):
        return None
    detail = f"line {intent.number} is about another key, mechanism or digest than the keeper's use"
    return Finding("USE_DIFFERS", detail, intent.number, facts=facts)


def contradiction(line: Line, use: KeyUse | None) -> Finding | None:
    """2 and 3. What is wrong with a line that says what became of a use."""
    facts = {"key": str(line.facts.get("key", use.key if use else "")), "number": int(line.facts.get("intent", 0))}
    done = use is not None and use.state == "done"
    if line.kind == "FAILED" and done:
        return Finding("USE_DENIED", f"line {line.number} denies a use that the keeper made", line.number, facts=facts)
    if line.kind != "DONE":
        return None
    if not done:
        return Finding("LINE_WITHOUT_USE", f"no keeper knows the use of line {line.number}", line.number, facts=facts)
    if use is not None and base64.b64encode(use.value or b"").decode() != line.facts.get("value"):
        detail = f"line {line.number} has another value than the keeper gave"
        return Finding("USE_DIFFERS", detail, line.number, facts=facts)
    return None


def closes(line: Line) -> bool:
    """Whether the line says what became of an INTENT."""
    return line.kind in ("DONE", "FAILED") and isinstance(line.facts.get("intent"), int)


class Reconciliation:
    """All uses of all keepers against all lines, which are shown one by one. Of each kind the first finding of each key is
    kept."""

    def __init__(
        self, uses: Mapping[str, Iterable[KeyUse]], *, twins: Mapping[str, str] | None = None, since: int = 0
    ) -> None:
        self._twins = twins or {}
        self._since = since
        self._waiting: dict[int, list[tuple[str, KeyUse]]] = {}
        self._known: dict[int, KeyUse] = {}
        self.uses = 0
        """How many uses needed a line."""
        self.findings: list[Finding] = []
        for module, found in uses.items():
            for use in found:
                if use.ledger_number > since:
                    self.uses += 1
                    self._waiting.setdefault(use.ledger_number, []).append((module, use))

    def see(self, line: Line) -> None:
        """A line of the ledger, in its order."""
        if line.kind == "INTENT":
            for module, use in self._waiting.pop(line.number, ()):
                wrong = misfit(line, use, module=module, twins=self._twins)
                if wrong is None:
                    self._known[line.number] = use
                else:
                    self._find(wrong)
        elif closes(line) and line.facts["intent"] > self._since:
            wrong = contradiction(line, self._known.pop(line.facts["intent"], None))
            if wrong is not None:
                self._find(wrong)

    def finish(self) -> list[Finding]:
        """The findings, when all lines were seen."""
        for number in sorted(self._waiting):
            for module, use in self._waiting[number]:
                wrong = misfit(None, use, module=module, twins=self._twins)
                if wrong is not None:
                    self._find(wrong)
        return self.findings

    def _find(self, finding: Finding) -> None:
        of = (finding.code, finding.facts.get("key"))
        if all((one.code, one.facts.get("key")) != of for one in self.findings):
            self.findings.append(finding)
