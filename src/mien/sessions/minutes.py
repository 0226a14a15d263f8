"""Time in hand: how long each recipe trains when all of it is given so many minutes, judge and measuring included.

A few seconds of each training on this machine settle it. The lengths are written into the recipes, so that the runs are
as exact and as repeatable as any.
"""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.errors import RecipeError
from mien.faces import Faces
from mien.files.progress import Observer
from mien.judge import judge_time
from mien.recipes.recipe import Recipe, apply_overrides, check
from mien.runs.folder import Run
from mien.sessions.measure import sketch
from mien.sessions.train import make_trainer
from mien.training.devices import hardware
from mien.training.speed import seconds_per_image

LEAST, MOST = 1.0, 60.0 * 24 * 30  # minutes
FIRST_PICTURE = 30.0  # seconds of training until the first samples, the judge not counted
SNAPSHOTS, LINES = 16, 60  # of a run, and lines of its log
RESERVED = 0.04  # share of the time that is left over, for what takes longer than it did when it was measured
STARTING = 15.0  # seconds until the first step of a command, and for the last lines of its report
# Measuring one run takes about as long as the judge learns from so many images, on the same machine: `mien evaluate`
# of the quick plan's runs, beside the training of their judge.
MEASURING_ONE = 60_000
LEAST_TRAINING = 0.3  # share of the time that must be left to train


@dataclass(frozen=True)
class TimeInHand:
    """Minutes that there are, from a moment on.

    began: the moment, by time.monotonic().    measured: whether each run is measured and reported within that time.
    """

    minutes: float
    began: float
    measured: bool = True

    def left(self) -> float:
        """Seconds that are left, without the reserve."""
        return self.minutes * 60 * (1 - RESERVED) - (time.monotonic() - self.began) - STARTING


def time_in_hand(minutes: float | None, overrides: Sequence[str] = (), measured: bool = True) -> TimeInHand | None:
    """So many minutes from now on; None for no limit.

    measured: whether what is trained is measured and reported within that time.

    Raises: RecipeError for too few or too many, or where a length is given beside them.
    """
    if minutes is None:
        return None
    if not LEAST <= minutes <= MOST:
        raise RecipeError(f"--minutes {minutes:g}: give {LEAST:g} to {MOST:,.0f}.")
    for override in overrides:
        if override.partition("=")[0].rpartition(".")[2] in ("steps", "epochs"):
            raise RecipeError(f"--minutes and {override!r} both give a length. Leave one of them out.")
    return TimeInHand(minutes, time.monotonic(), measured)


def fit(
    recipes: Sequence[Recipe], faces: Faces, time_left: TimeInHand, observer: Observer | None = None
) -> list[Recipe]:
    """The recipes with lengths that fit into the time; to one another they stay as long as they were.

    recipes: settled ones, of the same faces.

    Raises: RecipeError where the time is too short to train anything.
    """
    speeds = speeds_of(recipes, faces, observer)
    beside = seconds_beside(recipes, faces, time_left)
    own = [own_images(recipe, faces) for recipe in recipes]
    whole = sum(images * an_image for images, an_image in zip(own, speeds, strict=True))
    share = seconds_to_train(beside, time_left) / whole
    fitted = [
        lasting(recipe, images * share, an_image) for recipe, images, an_image in zip(recipes, own, speeds, strict=True)
    ]
    if observer:
        observer.note(in_words(fitted, time_left, beside))
    return fitted


def images_of_each(
    recipes: Sequence[Recipe], faces: Faces, time_left: TimeInHand, seeds: int, observer: Observer | None = None
) -> int:
    """How many images each run of a study sees, the same for all, where each recipe is trained from so many seeds.

    Raises: RecipeError where the time is too short to train anything.
    """
    speeds = speeds_of(recipes, faces, observer)
    seconds = seconds_to_train(seconds_beside(list(recipes) * seeds, faces, time_left), time_left)
    return max(1, int(seconds / (sum(speeds) * seeds)))


def seconds_to_train(beside: float, time_left: TimeInHand) -> float:
    """Seconds that are left beside those of the judge and of measuring.  Raises: RecipeError where they are too few."""
    seconds = time_left.left() - beside
    if seconds < LEAST_TRAINING * time_left.minutes * 60:
        enough = math.ceil((beside + STARTING) / 60 / (1 - LEAST_TRAINING - RESERVED))
        raise RecipeError(
            f"--minutes {time_left.minutes:g}: the judge and measuring take {beside / 60:.1f} of them here, so too "
            f"little is left to train. Give {enough} or more."
        )
    return seconds


def own_images(recipe: Recipe, faces: Faces) -> int:
    """How many images a recipe sees by its own length."""
    model = sketch(recipe)
    images_per_epoch = len(faces.rows("train", known=model.attributes))
    return recipe.training.total_images(images_per_epoch, recipe.training.images_per_step(model))


def speeds_of(recipes: Sequence[Recipe], faces: Faces, observer: Observer | None) -> list[float]:
    """Seconds that an image of each recipe's training takes here."""
    words = "measuring how fast this machine trains"
    speeds: list[float] = []
    for recipe in recipes:
        if observer:
            observer.work(words, len(speeds), len(recipes))
        speeds.append(speed_of(recipe, faces))
    if observer:
        observer.work(words, len(recipes), len(recipes))
    return speeds


def speed_of(recipe: Recipe, faces: Faces) -> float:
    """Seconds that an image of a recipe's training takes here, by steps that are thrown away."""
    with tempfile.TemporaryDirectory() as folder, hardware(recipe.training.device, recipe.training.precision) as here:
        run = Run.create(Path(folder) / "run", recipe, faces.fingerprint)
        return seconds_per_image(make_trainer(run, recipe, faces, here))


def seconds_beside(recipes: Sequence[Recipe], faces: Faces, time_left: TimeInHand) -> float:
    """Seconds that the judge and measuring take."""
    if not time_left.measured and not any(recipe.health for recipe in recipes):
        return 0.0
    judge = judge_time(faces)
    return judge.to_train + (len(recipes) * MEASURING_ONE * judge.an_image if time_left.measured else 0.0)


def lasting(recipe: Recipe, images: float, seconds: float) -> Recipe:
    """A recipe that sees so many images, with pictures and lines of its log as often as suits its length.

    seconds: of training, an image.
    """
    images_per_step = recipe.training.images_per_step(sketch(recipe))
    steps = max(round(images / images_per_step), 1)
    whole = steps * images_per_step
    changes = {
        "steps": steps,
        "log_every_images": max(whole // LINES, images_per_step),
        "snapshot_every_images": max(whole // SNAPSHOTS, images_per_step),
        "first_snapshot_images": max(round(FIRST_PICTURE / seconds), images_per_step),
    }
    table = recipe.model_dump(mode="json", exclude_none=True)
    return check(apply_overrides(table, [f"training.{key}={value}" for key, value in changes.items()]), recipe.name)


def in_words(recipes: Sequence[Recipe], time_left: TimeInHand, beside: float) -> str:
    """What was settled, in a line."""
    each = ", ".join(f"{recipe.name} {recipe.training.steps:,} steps" for recipe in recipes)
    return f"{time_left.minutes:g} minutes here: {each}; the judge and measuring take about {beside / 60:.1f} of them"
