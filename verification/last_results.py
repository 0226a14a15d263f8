"""Writes the last result of each program, with its conditions, into README.md here, from what is recorded in results/.

python verification/last_results.py            # write
python verification/last_results.py --check    # exit with 1 where README.md differs from what is recorded
"""

import re
import sys
from collections.abc import Callable

from recording import HERE, recorded

PAGE = HERE / "README.md"
PLACE = re.compile(r"(<!-- = results -->\n).*?(<!-- \. -->)", re.DOTALL)
Rows = list[dict[str, str]]


def main() -> int:
    """-> 1 where the page differs and was not to be written"""
    text = PAGE.read_text(encoding="utf-8")
    written = PLACE.sub(lambda place: place[1] + table() + place[2], text)
    if written == text:
        return 0
    if "--check" in sys.argv:
        print(f"{PAGE}: differs from {PAGE.parent / 'results'}. Run python verification/last_results.py.")
        return 1
    PAGE.write_text(written, encoding="utf-8")
    return 0


def table() -> str:
    """A line for each file of results."""
    lines = [f"| `{name}` | {said(recorded(name))} | {conditions(recorded(name))} |" for name, said in RESULTS.items()]
    return "\n".join(["| recorded | result | conditions |", "|---|---|---|", *lines, ""])


def conditions(rows: Rows) -> str:
    """When, where, with what and how something was recorded; of several commands the last."""
    row = rows[-1]
    when, where = row.get("started", row.get("time", ""))[:10], row.get("machine", row.get("processor", ""))
    versions = f"PyTorch {row['torch']}" if "torch" in row else f"Slurm {row['slurm']}, {row['system']}"
    commit = f", commit {row['commit'][:8]}" if "commit" in row else ""
    command = f": `{row['command']}`" if "command" in row else ""
    return f"{when}, {where}, {versions}{commit}{command}"


def total(rows: Rows, *columns: str) -> str:
    """The sum of some columns, as digits in groups."""
    return f"{round(sum(float(row[column] or 0) for row in rows for column in columns)):,}"


def hostile(rows: Rows) -> str:
    """How all cases ended."""
    ends = f"{total(rows, 'success')} end in success, {total(rows, 'refusal')} in a refusal"
    return f"{total(rows, 'cases')} cases: {ends}, {total(rows, 'failure')} otherwise; peak {peak(rows)} MiB"


def peak(rows: Rows) -> str:
    """The most memory."""
    columns = [name for name in rows[0] if name.startswith("peak_")]
    return f"{max(float(row[name]) for row in rows for name in columns if row[name]):,.0f}"


def fuzz(rows: Rows) -> str:
    """How many inputs, and how many failed."""
    rows = [row for row in rows if row["reader"] != "all"]
    return f"{total(rows, 'inputs')} inputs in {total(rows, 'seconds')} s, {total(rows, 'failure')} failures"


def kills(rows: Rows) -> str:
    """How many kills, and what they cost."""
    lost = f"{total(rows, 'half_files')} half files, {total(rows, 'different')} differences"
    return f"{total(rows, 'kills')} kills, {total(rows, 'within_a_write')} of them within a write: {lost}"


def determinism(rows: Rows) -> str:
    """Whether trainings were equal, and how far other threads were."""
    equal = sum(row["again"] == "equal" for row in rows)
    drift = max(float(row["drift"]) for row in rows)
    return f"{equal} of {len(rows)} trainings equal when done again; other threads: up to {drift:.2g} away"


def memory(rows: Rows) -> str:
    """The most memory and files, and how they grow."""
    growth = f"{float(rows[-1]['growth_kib_per_minute']):+,.0f} KiB a minute"
    return f"peak {peak(rows)} MiB, {growth}; at most {max(int(row['most_files']) for row in rows)} files"


def pictures(rows: Rows) -> str:
    """The most memory of each part."""
    parts = ", ".join(f"{row['what']} {float(row['peak_mib']):,.0f}" for row in rows)
    return f"{int(rows[0]['pictures']):,} pictures, peak MiB: {parts}"


def api(rows: Rows) -> str:
    """How many requests, and how many failed."""
    return f"{total(rows, 'requests')} requests in {total(rows, 'seconds')} s, {total(rows, 'failures')} failures"


def slurm(rows: Rows) -> str:
    """What became of each scenario."""
    return "; ".join(f"{row['scenario']}: {row['equal']} of {row['runs']} runs equal" for row in rows)


RESULTS: dict[str, Callable[[Rows], str]] = {
    "hostile": hostile,
    "fuzz": fuzz,
    "fuzz_guided": fuzz,
    "kill_anywhere": kills,
    "determinism": determinism,
    "soak_explorer": memory,
    "soak_training": memory,
    "soak_pictures": pictures,
    "api_fuzz": api,
    "slurm": slurm,
}

if __name__ == "__main__":
    sys.exit(main())
