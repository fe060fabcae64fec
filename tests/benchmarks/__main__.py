"""`make bench`: every benchmark in one run, a table of ratios, and the raw numbers in KYSO_HOME/bench/*.json.

    python -m tests.benchmarks                  # all of them
    python -m tests.benchmarks judging http     # some: core, judging, xml, http

Times are CPU, but for HTTP and for the batch of files, which are wall time and want a machine with nothing else to do.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests import appliance
from tests.benchmarks import documents, judging, load, longterm, signing, softhsm, xml
from tests.documents import pdf

HTTP_ROUNDS = 5
HTTP_SECONDS = 5.0
HTTP_CONNECTIONS = 16

console = Console()


def bench_core(folder: Path) -> dict[str, object]:
    """CPU and memory of the signing core, beside pyHanko and the floor."""
    held = softhsm.make(folder)
    rows = signing.measure(held, folder)
    large, out = pdf(folder / "large.pdf", ballast=100_000_000), folder / "large.out.pdf"
    return {
        "sizes": rows,
        "memory_100_mb": signing.memory(large, out),
        "raw_c_sign_per_second": round(held.rate()),
        "b_lta": longterm.measure(folder),
        "documents": documents.measure(held, folder),
    }


def bench_judging(folder: Path) -> dict[str, object]:
    """CPU and memory of judging, beside pyHanko; many files on all cores."""
    return {"alone": judging.measure(folder), "memory_100_mb": judging.memory(folder), "batch": judging.batch(folder)}


def bench_http(folder: Path) -> dict[str, object]:
    """Signatures a second through HTTP, load generator included, as a share of the module's raw rate: the median of rounds,
    each with both, for neither is the same from one minute to the next."""
    document = pdf(folder / "http.pdf", ballast=100_000).read_bytes()
    with appliance.running(folder / "home") as served:
        api_key = (served.home / "demo" / "client.key").read_text().strip()
        order = {"key": "demo-official", "format": "PAdES", "level": "B-B"}
        message = load.request(f"localhost:{served.port}", api_key=api_key, order=order, document=document)
        load.run(served.port, message, connections=HTTP_CONNECTIONS, seconds=2)
        rounds = []
        for _ in range(HTTP_ROUNDS):
            raw = softhsm.raw_rate()
            rounds.append((raw, load.run(served.port, message, connections=HTTP_CONNECTIONS, seconds=HTTP_SECONDS)))
    shares = [outcome.rate / raw for raw, outcome in rounds]
    latencies = [one for _, outcome in rounds for one in outcome.latencies]
    return {
        "per_second": round(statistics.median(outcome.rate for _, outcome in rounds), 1),
        "raw_c_sign_per_second": round(statistics.median(raw for raw, _ in rounds)),
        "share_of_raw": round(statistics.median(shares), 3),
        "shares": [round(share, 3) for share in shares],
        "median_ms": round(1000 * statistics.median(latencies), 1),
        "statuses": sum((Counter(outcome.statuses) for _, outcome in rounds), Counter()),
        "connections": HTTP_CONNECTIONS,
        "seconds": HTTP_SECONDS,
    }


class Rows:
    """The table of ratios."""

    def __init__(self) -> None:
        self.table = Table("what", "measured", "target", "met", title="Kyso beside its peers and the floor, medians")

    def add(self, what: str, measured: str, target: str, *, met: bool) -> None:
        self.table.add_row(what, measured, target, "yes" if met else "[red]no[/]")


def show_core(core: dict[str, object], rows: Rows) -> None:
    sizes = {size["size"]: size for size in core["sizes"]}
    small, large = sizes["100 kB"], sizes["100 MB"]
    for size in core["sizes"]:
        console.print(
            f"B-B {size['size']:>7}: floor {size['floor_ms']} ms · kyso {size['kyso_ms']} ms · "
            f"pyHanko {size['pyhanko_ms']} ms CPU ({size['rounds']} rounds)"
        )
    ratio = small["pyhanko_over_kyso"]
    rows.add("CPU, 100 kB: pyHanko / Kyso", f"{ratio} ×", "≥ 5 ×", met=ratio >= 5)
    ratio = large["kyso_over_floor"]
    rows.add("CPU, 100 MB: Kyso / floor", f"{ratio} ×", "≤ 1.7 ×", met=ratio <= 1.7)
    peak = core["memory_100_mb"]["peak_mb"]
    rows.add("memory, 100 MB", f"{peak} MB", "< 150 MB", met=peak < 150)
    archive = core["b_lta"]
    rows.add(
        "CPU, B-LTA 100 kB, warm: Kyso / pyHanko",
        f"{archive['kyso_over_pyhanko']} × ({archive['kyso_ms']} / {archive['pyhanko_ms']} ms)",
        "≤ 0.25 ×",
        met=archive["kyso_over_pyhanko"] <= 0.25,
    )
    shapes = core["documents"]
    rows.add(
        "CPU, 5,000 pages: Kyso / floor",
        f"{shapes['pages_over_floor']} × ({shapes['pages_kyso_ms']} / {shapes['pages_floor_ms']} ms)",
        "≤ 5 ×",
        met=shapes["pages_over_floor"] <= 5,
    )
    rows.add(
        "CPU, tenth / second signature",
        f"{shapes['tenth_over_second']} × ({shapes['tenth_ms']} / {shapes['second_ms']} ms)",
        "≤ 1.3 ×",
        met=shapes["tenth_over_second"] <= 1.3,
    )


def show_judging(found: dict[str, object], rows: Rows) -> None:
    alone, batch = found["alone"], found["batch"]
    rows.add(
        "CPU, judging B-B 100 kB: Kyso / pyHanko",
        f"{alone['kyso_over_pyhanko']} × ({alone['kyso_ms']} / {alone['pyhanko_ms']} ms)",
        "≤ 0.7 ×",
        met=alone["kyso_over_pyhanko"] <= 0.7,
    )
    each = alone["ms_a_signature"]
    rows.add(
        f"CPU a signature, judging {', '.join(each)} of them",
        f"{', '.join(map(str, each.values()))} ms; 50 / 5: {alone['fifty_over_five_each']} ×",
        "linear: ≤ 2 ×",
        met=alone["fifty_over_five_each"] <= 2,
    )
    peak = found["memory_100_mb"]["peak_mb"]
    rows.add("memory, judging 100 MB", f"{peak} MB", "< 200 MB", met=peak < 200)
    enough = 0.8 * batch["cores"]
    rows.add(
        f"kyso verify, {batch['files']} files on {batch['cores']} cores / one",
        f"{batch['speed_up']} × ({batch['one_core_s']} / {batch['all_cores_s']} s; one file {batch['one_file_s']} s)",
        f"≥ {enough:.1f} ×",
        met=batch["speed_up"] >= enough,
    )


def show_http(http: dict[str, object], rows: Rows) -> None:
    share = http["share_of_raw"]
    rows.add("HTTP / raw C_Sign", f"{share} ({http['per_second']}/s)", "≥ 0.15", met=share >= 0.15)


def show_xml(found: dict[str, object], rows: Rows) -> None:
    small, large = found["signing"]
    for size in (small, large):
        console.print(
            f"XAdES B-B {size['size']:>5}: floor {size['floor_ms']} ms ({size['bare_floor_ms']} without parsing) · "
            f"kyso {size['kyso_ms']} ms · signxml {size['signxml_ms']} ms CPU ({size['rounds']} rounds)"
        )
    ratio = small["signxml_over_kyso"]
    rows.add("CPU, XML 2 kB: signxml / Kyso", f"{ratio} ×", "≥ 1.5 ×", met=ratio >= 1.5)
    ratio = large["kyso_over_floor"]
    rows.add("CPU, XML 5 MB: Kyso / floor with parsing", f"{ratio} ×", "≤ 1.5 ×", met=ratio <= 1.5)
    judged, memory = found["judging"], found["memory_50_mb"]
    ratio = judged["kyso_over_signxml"]
    told = f"{ratio} × ({judged['kyso_ms']} / {judged['signxml_ms']} ms)"
    rows.add("CPU, judging XML 5 MB: Kyso / signxml", told, "≤ 0.33 ×", met=ratio <= 1 / 3)
    ratio = judged["kyso_over_signxml_memory"]
    told = f"{ratio} × ({judged['kyso_mb']} / {judged['signxml_mb']} MB; lxml's tree alone {judged['tree_mb']})"
    rows.add("memory, judging XML 5 MB: Kyso / signxml", told, "≤ 0.25 ×", met=ratio <= 0.25)
    told = f"sign {memory['sign_mb']} MB, judge {memory['verify_mb']} MB"
    rows.add("memory, XML 50 MB", told, "< 800 MB", met=max(memory.values()) < 800)


def main(asked: list[str]) -> int:
    unknown = set(asked) - set(PARTS)
    if unknown:
        console.print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 64
    results = Path(os.environ.get("KYSO_HOME") or "var") / "bench"
    results.mkdir(parents=True, exist_ok=True)
    rows = Rows()
    for part in asked or PARTS:
        with tempfile.TemporaryDirectory(prefix="kyso-bench-") as name, console.status(f"measuring: {part} …"):
            measure, show = PARTS[part]
            found = measure(Path(name))
        document = {"at": datetime.now(UTC).isoformat(), "cores": os.cpu_count(), **found}
        (results / f"{part}.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        show(found, rows)
    console.print(rows.table)
    return 0


PARTS = {
    "core": (bench_core, show_core),
    "judging": (bench_judging, show_judging),
    "xml": (xml.measure, show_xml),
    "http": (bench_http, show_http),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
