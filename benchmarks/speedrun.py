"""Seconds to quality: how long each recipe trains until its pictures are as good as a fixed task asks.

    python benchmarks/speedrun.py                                   # every task, five seeds: results/speedrun.csv
    python benchmarks/speedrun.py drawn-gan --seeds 1 --seconds 120 training.batch_size=32    # a trial, not recorded

A task is some faces, a size, a model's recipe and goals. Seconds are those of training alone, on the threads that
PyTorch is given (OMP_NUM_THREADS); looking is off the clock. The recipe is as long as these seconds on this machine, by
its speed measured at the start, so that a schedule comes to its end. Looks are at eight moments, with 2,000 samples (or
as many as there are test images, where more) against test images; a goal counts from the first look that meets it.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import read_csv, table, write_csv

from mien.faces import Faces
from mien.faces.pixel_range import GREY_LEVELS
from mien.files.writing import write_picture
from mien.judge import Judge, judge_of
from mien.metrics.control.flips import pairs_of_labels
from mien.metrics.evaluated_model import Subject
from mien.metrics.extractors import JudgeFeatures
from mien.metrics.samples.frechet import frechet_distance_of
from mien.models.base import Encodes, Model
from mien.pictures import arrays, of_models
from mien.recipes.recipe import Recipe, apply_overrides, check, load_recipe, with_source
from mien.runs.folder import Run
from mien.runs.weights import TrainedModel
from mien.sessions.chosen_by_data import settle_by_data
from mien.sessions.measure import sketch
from mien.sessions.minutes import speed_of
from mien.sessions.recipe_faces import read_faces
from mien.sessions.train import combinations, make_trainer
from mien.training.devices import hardware

LOOKS = 8
PAIRS = 500  # of each attribute, for the share of flips


@dataclass(frozen=True)
class Task:
    """What a recipe is asked for.  goals: the most a number may be, or of flips the least"""

    recipe: str
    source: str
    goals: dict[str, float]


TASKS = {
    "drawn-vae": Task("vae-quick", "drawn", {"test_mse": 0.0150}),
    "drawn-gan": Task("gan-quick", "drawn", {"distance": 4.0}),
    "drawn-acgan": Task("acgan-quick", "drawn", {"distance": 4.0, "flips": 0.95}),
}


def main() -> None:
    """Train, look, print, and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(TASKS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=180, help="of training (default: %(default)s)")
    parser.add_argument("--recipe", help="in place of the task's: a preset or a TOML file")
    parser.add_argument("--data", help="in place of the task's faces")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write 64 samples of each run there")
    given, overrides = parser.parse_known_args()
    unknown = [name for name in given.tasks if name not in TASKS and "=" not in name]
    overrides += [name for name in given.tasks if "=" in name]
    if unknown or any("=" not in override for override in overrides):
        parser.error(f"{unknown or overrides}: neither a task ({', '.join(TASKS)}) nor key=value")
    names = [name for name in given.tasks if name in TASKS] or list(TASKS)
    rows = []
    for name in names:
        for seed in range(given.seeds):
            rows.append(speedrun(name, given, [*overrides, f"training.seed={seed}"]))
            print(table(rows[-1:], {key: key for key in rows[-1]}), flush=True)
    if given.seeds > 1 and not overrides and not (given.recipe or given.data):
        earlier = [row for row in read_csv("speedrun") if row["task"] not in names]
        print(f"written to {write_csv('speedrun', rows, trials=given.seeds, recorded=earlier)}")


def speedrun(name: str, given: argparse.Namespace, overrides: Sequence[str]) -> dict[str, Any]:
    """Train one recipe from one seed for the given seconds, looking now and then.  -> a row of results"""
    task = TASKS[name]
    recipe = with_source(load_recipe(given.recipe or task.recipe, overrides), given.data or task.source)
    faces = read_faces(recipe.data)
    recipe, why = settle_by_data(recipe, faces)
    assert not why, why
    recipe = lasting(recipe, faces, given.seconds)
    looker = Looker(task, recipe, faces, judge_of(faces))
    with tempfile.TemporaryDirectory() as folder, hardware(recipe.training.device, recipe.training.precision) as here:
        run = Run.create(Path(folder) / "run", recipe, faces.fingerprint)
        trainer = make_trainer(run, recipe, faces, here)
        trainer.snapshot = lambda model, images_seen: looker.look(model, trainer.seconds, images_seen)
        trainer.run()
        if given.pictures:
            given.pictures.mkdir(parents=True, exist_ok=True)
            picture = given.pictures / f"{name}-{recipe.training.seed}.png"
            write_picture(picture, arrays.grid(looker.samples[:64], columns=16))
    return {"task": name, "seed": recipe.training.seed, "precision": here.precision} | looker.row()


def lasting(recipe: Recipe, faces: Faces, seconds: float) -> Recipe:
    """The recipe as long as so many seconds of training here, with a look at every eighth of them."""
    images_per_step = recipe.training.images_per_step(sketch(recipe))
    steps = max(round(seconds / speed_of(recipe, faces) / images_per_step / LOOKS), 1) * LOOKS
    often = steps // LOOKS * images_per_step
    content = recipe.model_dump(mode="json", exclude_none=True)
    changes = [f"training.steps={steps}", f"training.snapshot_every_images={often}"]
    return check(apply_overrides(content, changes), recipe.name)


class Looker:
    """Looks at a model while it is trained, off the clock."""

    def __init__(self, task: Task, recipe: Recipe, faces: Faces, judge: Judge) -> None:
        self.task, self.recipe, self.faces, self.judge = task, recipe, faces, judge
        self.features = JudgeFeatures(judge)
        self.seen: dict[Any, Any] = {}
        self.curve: list[dict[str, float]] = []
        self.samples = np.empty(0, np.uint8)

    def look(self, model: Model, seconds: float, images_seen: int) -> None:
        """Add the task's numbers at this moment."""
        if not images_seen:
            return
        trained = TrainedModel(model, self.recipe, images_seen, combinations(self.faces, model), self.faces.crop)
        subject = Subject(trained, self.faces, self.judge, (self.features,), seen=self.seen)
        self.samples = subject.samples
        numbers = {"seconds": seconds, "images": float(images_seen)} | self.numbers(subject)
        self.curve.append(numbers)
        print("  ".join(f"{key} {value:.4g}" for key, value in numbers.items()), flush=True)

    def numbers(self, subject: Subject) -> dict[str, float]:
        """The distance of samples, and what else the task or the model has."""
        test = subject.features(self.features, "test")
        found = {"distance": frechet_distance_of(subject.features(self.features, "samples"), test)}
        if isinstance(subject.trained.model, Encodes):
            rows = subject.rows("test")
            images = self.faces.images[rows]
            given_back = of_models.reconstruct(subject.trained.model, images, subject.labels_of(rows))
            found["test_mse"] = float(np.square((given_back.astype(np.float32) - images) / GREY_LEVELS).mean())
        if "flips" in self.task.goals:
            shares = []
            for pair in pairs_of_labels(subject):
                place = self.judge.attributes.index(pair.attribute)
                off, on = pair.off.probabilities[:PAIRS, place] > 0.5, pair.on.probabilities[:PAIRS, place] > 0.5
                shares.append(float((on & ~off).mean()))
            found["flips"] = min(shares)
        return found

    def row(self) -> dict[str, Any]:
        """The numbers at the end, and the seconds after which each goal was met for the first time."""
        reached = next((look for look in self.curve if self.meets(look)), None)
        return {
            "seconds_to_goal": reached["seconds"] if reached else "",
            "images_to_goal": reached["images"] if reached else "",
            **{f"{key}_at_the_end": value for key, value in self.curve[-1].items()},
        }

    def meets(self, look: dict[str, float]) -> bool:
        """Whether a look meets all goals."""
        return all(
            look[name] >= goal if name == "flips" else look[name] <= goal for name, goal in self.task.goals.items()
        )


if __name__ == "__main__":
    main()
