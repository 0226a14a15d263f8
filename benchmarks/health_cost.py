"""What watching the health of a training costs: seconds in snapshots against seconds in training.

Trains the quick recipes on drawn faces for some of their own snapshot intervals. A snapshot is sample pictures, numbers
on validation, and the weights where they are the best so far. The judge is trained before, once for a set of faces and
not for each run: its time is told apart.

    python benchmarks/health_cost.py --intervals 2
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mien.faces import Faces
from mien.judge import Judge, judge_of
from mien.recipes.recipe import Recipe, apply_overrides, check, load_recipe, with_source
from mien.runs.folder import Run
from mien.runs.provenance import surroundings
from mien.sessions.chosen_by_data import settle_by_data
from mien.sessions.recipe_faces import read_faces
from mien.sessions.train import make_trainer
from mien.training.devices import hardware

RECIPES = ("vae-plain", "gan-plain", "acgan-plain")
RESULTS = Path(__file__).parent / "results" / "health_cost.json"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", default="drawn", help="drawn or drawn:COUNT")
    parser.add_argument("--intervals", type=int, default=2, help="snapshot intervals that each recipe trains for")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    recipes = [with_source(load_recipe(name), given.faces) for name in RECIPES]
    faces = read_faces(recipes[0].data)
    started = time.perf_counter()
    judge = judge_of(faces)
    judge_seconds = round(time.perf_counter() - started, 1)
    rows = [cost(shortened(recipe, given.intervals), faces, judge) for recipe in recipes]
    result = {"surroundings": surroundings(), "faces": given.faces, "judge_seconds": judge_seconds, "rows": rows}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))


def shortened(recipe: Recipe, intervals: int) -> Recipe:
    """The recipe with the length of so many of its snapshot intervals."""
    steps = intervals * recipe.training.snapshot_every_images // recipe.training.batch_size
    content = recipe.model_dump(mode="json", exclude_none=True)
    return check(apply_overrides(content, [f"training.steps={steps}"]), recipe.name)


def cost(recipe: Recipe, faces: Faces, judge: Judge) -> dict[str, Any]:
    """Seconds in training, and in snapshots with health and without; the snapshot before training is left out."""
    recipe, why = settle_by_data(recipe, faces)
    assert not why, why
    with tempfile.TemporaryDirectory() as folder, hardware() as here:
        run = Run.create(Path(folder) / "run", recipe, faces.fingerprint)
        trainer = make_trainer(run, recipe, faces, here, lambda: judge)
        snapshot = trainer.snapshot = Timed(trainer.snapshot)
        trainer.run()
        without = Timed(make_trainer(run, recipe, faces, here).snapshot)
        for images_seen in range(len(snapshot.seconds)):
            without(trainer.sampling_model, images_seen)
    watched, bare = sum(snapshot.seconds[1:]), sum(without.seconds[1:])
    return {
        "recipe": recipe.name,
        "precision": here.precision,
        "images": trainer.images_seen,
        "training_seconds": round(trainer.seconds, 2),
        "snapshots": [round(seconds, 3) for seconds in snapshot.seconds],
        "snapshots_without_health": [round(seconds, 3) for seconds in without.seconds],
        "share": round(watched / trainer.seconds, 4),
        "share_of_health": round((watched - bare) / trainer.seconds, 4),
    }


class Timed:
    """A function that remembers how long its calls took, in seconds."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        self.seconds: list[float] = []

    def __call__(self, *given: Any) -> None:
        """Call it."""
        started = time.perf_counter()
        self.function(*given)
        self.seconds.append(time.perf_counter() - started)


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    here = result["surroundings"]
    lines = [
        f"{here['machine']}, {here['threads']} threads; PyTorch {here['torch']}, mien {here['mien']} {here['commit']}",
        f"the judge of {result['faces']}: {result['judge_seconds']} s, once (about 0 where the cache has it)",
        f"{'recipe':8}{'images':>10}{'training':>11}{'a snapshot':>12}{'of training':>13}{'of it health':>14}",
    ]
    for row in result["rows"]:
        each = sum(row["snapshots"][1:]) / len(row["snapshots"][1:])
        lines.append(
            f"{row['recipe']:8}{row['images']:>10,}{row['training_seconds']:>9.1f} s{each:>10.2f} s"
            f"{row['share']:>13.1%}{row['share_of_health']:>14.1%}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
