"""Every PDF of the corpus is signed by Kyso or refused with a reason; what is signed is put before the readers.

    python -m tests.interop.corpus [--java] [--keep FOLDER]

What is refused as broken is tried again with `repair`. Beside it pyHanko and DSS sign the same files, so that none is
refused which they sign rightly, without a reason. *Rightly*: the new signature is valid for Poppler and pyHanko and
covers the file, and former signatures are to Poppler and pyHanko what they were, or the signer was told that one is
broken.
"""

from __future__ import annotations

import gzip
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.appliance import ROOT
from tests.interop import newest, rival
from tests.interop.cases import ALGORITHMS, Case
from tests.interop.commands import Setting, main
from tests.interop.house import Refused
from tests.interop.java import Finding, Job

CORPUS = ROOT.parent / "shared" / "corpus"
CASE = Case("B-B", ALGORITHMS[0], "server")


@dataclass(frozen=True)
class Outcome:
    """What became of one file. `refused` is the code, with its reason, `repaired` what `repair` made of it; `said` is
    what readers say of the new signature; `kept` that former ones are found as before; `told` what the signer is warned
    of; `rivals` how other signers fared:
    "right", "wrong" or their error."""

    name: str
    refused: str | None = None
    repaired: str = ""
    said: dict[str, str] = field(default_factory=dict)
    kept: bool = True
    told: tuple[str, ...] = ()
    rivals: dict[str, str] = field(default_factory=dict)

    @property
    def is_well(self) -> bool:
        """Signed to everybody's satisfaction, or refused."""
        if self.refused is not None:
            return "✗" not in self.repaired
        return (self.kept or "SIGNATURE_BROKEN" in self.told) and set(self.said.values()) == {"✓"}


def files(folder: Path) -> list[Path]:
    """The corpus's PDFs, unpacked into `folder` where they are packed."""
    found = []
    for path in sorted([*(CORPUS / "pdf").iterdir(), *(CORPUS / "attacks").iterdir()]):
        if path.suffix == ".gz":
            unpacked = folder / path.stem
            unpacked.write_bytes(gzip.decompress(path.read_bytes()))
            found.append(unpacked)
        else:
            found.append(path)
    return found


def attempt(setting: Setting, source: Path) -> tuple[Outcome, Path]:
    """Kyso and pyHanko on one file; what the readers without Java say."""
    out = setting.folder / f"signed-{source.name}"
    rivals = {"pyHanko": rival.sign_by_pyhanko(setting.house, source, setting.folder / f"pyhanko-{source.name}")}
    try:
        told = setting.house.sign(CASE, source, out)
    except Refused as refused:
        repaired = _repaired(setting, source, out) if refused.code == "document-broken" else ""
        return Outcome(source.name, refused=str(refused), repaired=repaired, rivals=rivals), out
    said = {
        "pdfsig": "✓" if newest.by_poppler(out) else "✗",
        "pyHanko": "✓" if newest.by_pyhanko(out) else "✗",
    }
    kept, warnings = newest.is_kept(source, out), tuple(told["warnings"])
    return Outcome(source.name, said=said, kept=kept, told=warnings, rivals=rivals), out


def _repaired(setting: Setting, source: Path, out: Path) -> str:
    try:
        setting.house.sign(CASE, source, out, repair=True)
    except Refused as refused:
        return refused.code
    return "signed" if newest.by_poppler(out) and newest.by_pyhanko(out) else "✗ WRONG"


def with_java(setting: Setting, outcomes: list[tuple[Outcome, Path, Path]]) -> list[Outcome]:
    """The same with what DSS and PDFBox say of the new signature, and whether DSS finds former ones as before."""
    assert setting.java is not None
    signed = [(one, source, out) for one, source, out in outcomes if one.refused is None]
    evidence = setting.desk.evidence
    jobs = [Job("dss", path, evidence) for _, *paths in signed for path in paths]
    jobs += [Job("pdfbox", out, evidence) for *_, out in signed]
    rival_out = {source: setting.folder / f"dss-{source.name}" for _, source, _ in outcomes}
    jobs += [Job("dss-sign", source, target) for source, target in rival_out.items()]
    keys = rival.write_keys(setting.house, setting.folder / "rival.p12")
    answers = setting.java.ask(jobs, anchors=[setting.desk.root], keys=keys)
    found = []
    for one, source, out in outcomes:
        (by_rival,) = answers["dss-sign", source]
        fared = rival.judged(source, rival_out[source]) if by_rival.verdict == "good" else by_rival.words[:90]
        told = replace(one, rivals={**one.rivals, "DSS": fared})
        if one.refused is None:
            new, by_dss = newest.name(out), answers.get(("dss", out), ())
            said = {**one.said, "PDFBox": _of(new, answers.get(("pdfbox", out), ())), "DSS": _of(new, by_dss)}
            changed = _changed(answers.get(("dss", source), ()), by_dss)
            told = replace(told, said=said, kept=one.kept and not changed)
        found.append(told)
    return found


def _of(name: str, findings: tuple[Finding, ...]) -> str:
    mine = [one for one in findings if one.id == name] or [one for one in findings if not one.id]
    return "nothing" if not mine else "✓" if mine[-1].verdict == "good" else mine[-1].words


def _changed(before: tuple[Finding, ...], after: tuple[Finding, ...]) -> list[str]:
    """Former signatures of which DSS says something else now."""
    now = {one.id: one for one in after}
    return [one.id for one in before if one.id in now and now[one.id].verdict != one.verdict]


def table(setting: Setting) -> tuple[str, bool]:
    """The Markdown tables, and whether every file was signed well or refused."""
    if not CORPUS.is_dir():
        return "kyso: interop: not run: the corpus of test files is not here (../shared/corpus)", True
    tried = [(source, *attempt(setting, source)) for source in files(setting.folder)]
    outcomes = [one for _, one, _ in tried]
    if setting.java is not None:
        outcomes = with_java(setting, [(one, source, out) for source, one, out in tried])
    return markdown(outcomes), all(one.is_well for one in outcomes)


def markdown(outcomes: list[Outcome]) -> str:
    """Counts, then a line a file."""
    signed = [one for one in outcomes if one.refused is None]
    names, rivals = list(signed[0].said), list(outcomes[0].rivals)
    codes = Counter((one.refused or "").split(" ")[0] for one in outcomes if one.refused)
    lines = [f"{len(outcomes)} files: {len(signed)} signed, {len(outcomes) - len(signed)} refused."]
    lines += [f"- refused, {code}: {count}" for code, count in codes.most_common()]
    lines.append(f"- of those broken, signed when repair is asked for: {sum(o.repaired == 'signed' for o in outcomes)}")
    for name in rivals:
        right = [one for one in outcomes if one.rivals[name] == "right"]
        refused = sum(one.refused is not None and one.repaired != "signed" for one in right)
        lines.append(
            f"- {name} signs {len(right)} rightly; of these Kyso refuses {refused}, for the reason in its line"
        )
    heads = ["file", "Kyso", "with repair", *names, "former kept", *(f"{name} as signer" for name in rivals)]
    lines += ["", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for one in outcomes:
        cells = [one.refused or "signed", one.repaired, *(one.said.get(name, "") for name in names)]
        cells += ["yes" if one.kept else "no, told" if one.is_well else "✗ NO", *one.rivals.values()]
        lines.append(f"| {one.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(table, __doc__))
