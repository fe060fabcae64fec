"""`make bench`: every benchmark in one run, a table of ratios, and the raw numbers in KYSO_HOME/bench/*.json."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests import appliance
from tests.benchmarks import documents, load, longterm, signing, softhsm
from tests.documents import pdf

HTTP_SECONDS = 15.0
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


def bench_http(folder: Path, *, raw: float) -> dict[str, object]:
    """Signatures a second through HTTP, load generator included, as a share of the module's raw rate."""
    document = pdf(folder / "http.pdf", ballast=100_000).read_bytes()
    with appliance.running(folder / "home") as served:
        api_key = (served.home / "demo" / "client.key").read_text().strip()
        order = {"key": "demo-official", "format": "PAdES", "level": "B-B"}
        message = load.request(f"localhost:{served.port}", api_key=api_key, order=order, document=document)
        load.run(served.port, message, connections=HTTP_CONNECTIONS, seconds=2)
        outcome = load.run(served.port, message, connections=HTTP_CONNECTIONS, seconds=HTTP_SECONDS)
    return {
        "per_second": round(outcome.rate, 1),
        "share_of_raw": round(outcome.rate / raw, 3),
        "median_ms": round(1000 * statistics.median(outcome.latencies), 1),
        "statuses": outcome.statuses,
        "connections": HTTP_CONNECTIONS,
        "seconds": HTTP_SECONDS,
    }


def show(core: dict[str, object], http: dict[str, object]) -> None:
    table = Table("what", "measured", "target", "met", title="Kyso beside pyHanko and the floor, medians of one run")

    def row(what: str, measured: str, target: str, *, met: bool) -> None:
        table.add_row(what, measured, target, "yes" if met else "[red]no[/]")

    sizes = {size["size"]: size for size in core["sizes"]}
    small, large = sizes["100 kB"], sizes["100 MB"]
    for size in core["sizes"]:
        console.print(
            f"B-B {size['size']:>7}: floor {size['floor_ms']} ms · kyso {size['kyso_ms']} ms · "
            f"pyHanko {size['pyhanko_ms']} ms CPU ({size['rounds']} rounds)"
        )
    row("CPU, 100 kB: pyHanko / Kyso", f"{small['pyhanko_over_kyso']} ×", "≥ 5 ×", met=small["pyhanko_over_kyso"] >= 5)
    row("CPU, 100 MB: Kyso / floor", f"{large['kyso_over_floor']} ×", "≤ 1.7 ×", met=large["kyso_over_floor"] <= 1.7)
    peak = core["memory_100_mb"]["peak_mb"]
    row("memory, 100 MB", f"{peak} MB", "< 150 MB", met=peak < 150)
    archive = core["b_lta"]
    row(
        "CPU, B-LTA 100 kB, warm: Kyso / pyHanko",
        f"{archive['kyso_over_pyhanko']} × ({archive['kyso_ms']} / {archive['pyhanko_ms']} ms)",
        "≤ 0.25 ×",
        met=archive["kyso_over_pyhanko"] <= 0.25,
    )
    shapes = core["documents"]
    row(
        "CPU, 5,000 pages: Kyso / floor",
        f"{shapes['pages_over_floor']} × ({shapes['pages_kyso_ms']} / {shapes['pages_floor_ms']} ms)",
        "≤ 5 ×",
        met=shapes["pages_over_floor"] <= 5,
    )
    row(
        "CPU, tenth / second signature",
        f"{shapes['tenth_over_second']} × ({shapes['tenth_ms']} / {shapes['second_ms']} ms)",
        "≤ 1.3 ×",
        met=shapes["tenth_over_second"] <= 1.3,
    )
    share = http["share_of_raw"]
    row("HTTP / raw C_Sign", f"{share} ({http['per_second']}/s)", "≥ 0.15", met=share >= 0.15)
    console.print(table)


def main() -> int:
    results = Path(os.environ.get("KYSO_HOME") or "var") / "bench"
    results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kyso-bench-") as name, console.status("measuring …"):
        folder = Path(name)
        core = bench_core(folder)
        http = bench_http(folder, raw=core["raw_c_sign_per_second"])
    for name, result in (("core", core), ("http", http)):
        document = {"at": datetime.now(UTC).isoformat(), "cores": os.cpu_count(), **result}
        (results / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    show(core, http)
    return 0


if __name__ == "__main__":
    sys.exit(main())
