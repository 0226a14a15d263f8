"""Writes numbers into README.md and the documentation: recorded by benchmarks, and the tables of what is measured.

    python docs/write_numbers.py            # write
    python docs/write_numbers.py --check    # exit with 1 where a page differs from what is recorded

A number stands between `<!-- = NAME -->` and `<!-- . -->`. NAME is one of `facts()`, or, of the quick plan,
`quick RUN NUMBER FORMAT`: `quick vae test_mse .4f` is a value, `quick vae test_mse ±.4f` half of its 95 % interval,
`quick vae test_mse images` how many images it is about; `quick gan sharpness_samples/sharpness_real .2f` is a ratio.
Without benchmarks/results/quick_plan.json, numbers of the quick plan stay as they are, and a line says so.
"""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import write_metric_tables

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
QUICK = RESULTS / "quick_plan.json"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACE = re.compile(r"(<!-- = ([^>]+?) -->).*?(<!-- \. -->)", re.DOTALL)
PRESETS = ("vae-64", "gan-64")  # as benchmarks/training.py names them; the AC-GAN's record is of an older training
FLOAT32, BFLOAT16 = "Keras on TensorFlow", "Keras on TensorFlow, bfloat16"  # the fastest of the others


def main() -> int:
    """Write every page, or say which differ.  -> 1 where one differs, or the record is missing, and --check is given"""
    known, differing = facts(), []
    if missing := not QUICK.exists():
        print(
            f"{QUICK.relative_to(ROOT)} is missing, so numbers of the quick plan stay as they are. "
            "Record it: python benchmarks/quick_plan.py"
        )
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        written = write_metric_tables.written(PLACE.sub(lambda place: filled(place, known), text))
        if written != text:
            differing.append(page)
            if "--check" not in sys.argv:
                page.write_text(written, encoding="utf-8")
    for page in differing:
        print(f"{page.relative_to(ROOT)}: {'differs from benchmarks/results' if '--check' in sys.argv else 'written'}")
    return int((bool(differing) or missing) and "--check" in sys.argv)


def filled(place: re.Match[str], known: dict[str, Callable[[], str]]) -> str:
    """A place with its number; as it is where the number is of the quick plan, which is not recorded."""
    if place[2].startswith("quick ") and not QUICK.exists():
        return place[0]
    return f"{place[1]}{number(place[2], known)}{place[3]}"


def number(name: str, known: dict[str, Callable[[], str]]) -> str:
    """A number in words."""
    if name in known:
        return known[name]()
    _, run, metric, form = name.split()
    numbers = quick()["runs"][run]["numbers"]
    if "/" in metric:
        above, below = (numbers[name]["value"] for name in metric.split("/"))
        return f"{above / below:{form}}"
    score = numbers[metric]
    if form == "images":
        return f"{score['images']:,}"
    if form.startswith("±"):
        return f"{(score['high'] - score['low']) / 2:{form[1:]}}"
    return f"{score['value']:{form}}".replace("%", " %")


def facts() -> dict[str, Callable[[], str]]:
    """What is not a single number of the quick plan, by name."""
    return {
        "quick minutes": lambda: f"{quick()['seconds'] / 60:.0f}",
        "quick machine": lambda: quick()["conditions"]["machine"].split(",")[0],
        "quick flip_rate lowest": lambda: f"{min(rates()):.1%}".replace("%", " %"),
        "speed over float32": lambda: extent(ratio(preset, FLOAT32) for preset in PRESETS),
        "speed over plain PyTorch": lambda: extent(ratio(preset, "plain PyTorch") for preset in PRESETS),
        "speed over bfloat16": lambda: extent(ratio(preset, BFLOAT16) for preset in PRESETS),
        "speed of the ceiling": lambda: ceilings(),
    }


def quick() -> dict[str, Any]:
    """What benchmarks/quick_plan.py recorded."""
    recorded: dict[str, Any] = json.loads(QUICK.read_text(encoding="utf-8"))
    return recorded


def rates() -> list[float]:
    """How often each attribute flips, of the quick AC-GAN."""
    numbers = quick()["runs"]["acgan"]["numbers"]
    return [score["value"] for name, score in numbers.items() if name.startswith("flip_rate_")]


def trainings(preset: str) -> dict[str, dict[str, str]]:
    """What benchmarks/training.py recorded of a preset, by who trained."""
    with (RESULTS / f"training-{preset}.csv").open(newline="", encoding="utf-8") as file:
        return {row["peer"]: row for row in csv.DictReader(file)}


def ratio(preset: str, peer: str) -> float:
    """How many times as fast mien trains as a peer: the median over rounds."""
    return float(trainings(preset)[peer]["mien_over_this"].split()[0])


def extent(ratios: Iterable[float]) -> str:
    """'1.7', or '1.7 to 2.4' where they differ."""
    found = sorted(f"{value:.2f}" if value < 1.1 else f"{value:.1f}" for value in ratios)
    return found[0] if found[0] == found[-1] else f"{found[0]} to {found[-1]}"


def ceilings() -> str:
    """Which shares of the machine's matrix ceiling the presets reach."""
    shares = sorted(int(trainings(preset)["mien"]["share_of_bfloat16"].rstrip("%")) for preset in PRESETS)
    return f"{shares[0]} to {shares[-1]} %"


if __name__ == "__main__":
    sys.exit(main())
