"""What presets give from several seeds, for reports to compare runs with: writes src/mien/recipes/expected.json.

    for seed in 0 1 2; do mien run --seed $seed --out runs/seed-$seed; done
    python benchmarks/expected.py runs/seed-*

Of each preset that two runs or more are of, as it is: for each of the main numbers the interval in which a run from
another seed is in 95 of 100 cases, if the numbers of seeds are normally distributed (Student's t, n - 1 degrees).
Entries of presets that none of the runs are of stay as they are.
"""

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from measuring import digits, surroundings
from scipy.stats import t

from mien.metrics import numbers
from mien.metrics.numbers import find
from mien.recipes import expected
from mien.recipes.expected import all_expected, preset, what_decides
from mien.recipes.recipe import presets
from mien.runs.folder import Run
from mien.runs.plan_folder import plan_runs

WRITTEN = Path(expected.__file__).with_name("expected.json")


def main() -> None:
    """Read the runs of all plans, write what they gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plans", nargs="+", type=Path, help="folders of plans that are measured")
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in (run for plan in parser.parse_args().plans for run in plan_runs(plan)):
        recipe = run.recipe()
        for name in presets():
            if what_decides(recipe) == what_decides(preset(name)):
                groups[name, recipe.data.source].append(run)
    measured = [entry(*group, runs) for group, runs in groups.items() if len(runs) > 1]
    replaced = {(one["recipe"], one["source"]) for one in measured}
    kept = [one.model_dump() for one in all_expected() if (one.recipe, one.source) not in replaced]
    content = sorted(kept + measured, key=lambda one: (one["recipe"], one["source"]))
    WRITTEN.write_text(json.dumps(content, indent=1) + "\n")
    for one in measured:
        print(one["recipe"], one["source"], f"{one['seeds']} seeds,", f"{one['images_seen']:,} images", one["numbers"])


def entry(name: str, source: str, runs: list[Run]) -> dict[str, Any]:
    """What runs of a preset gave, as a table of the file."""
    scores = [run.metrics() for run in runs]
    told = {numbers.TEST["mse"], numbers.FRECHET["judge"]["test"], numbers.SHARPNESS["samples"]}
    asked = {
        numbers.FLIP_RATE.of(attribute) for attribute in runs[0].recipe().model_dump()["model"].get("attributes", ())
    }
    main_numbers = [name for name in scores[0] if find(name).number in told or name in asked]
    return {
        "recipe": name,
        "source": source,
        "seeds": len({run.recipe().training.seed for run in runs}),
        "images_seen": round(float(np.mean([run.log()[-1]["images_seen"] for run in runs]))),
        "machine": surroundings()["machine"],
        "numbers": {
            name: interval([of[name].value for of in scores], find(name).number.unit == "share")
            for name in main_numbers
        },
    }


def interval(values: list[float], share: bool) -> list[float]:
    """Where one more value is expected, in 95 of 100 cases.  share: of a whole, so that it is from 0 to 1"""
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) * math.sqrt(1 + 1 / len(values))
    low, high = max(float(np.mean(values) - half), 0.0), float(np.mean(values) + half)
    return [digits(low), digits(min(high, 1.0) if share else high)]


if __name__ == "__main__":
    main()
