"""Running: one recipe to a trained run, and a plan of several to a report."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image

from mien import views
from mien.checkpoint import read_progress
from mien.errors import RunError
from mien.faces import Faces, open_faces
from mien.faces.batches import Batches
from mien.hardware import Hardware, hardware
from mien.models import build
from mien.models.base import Encodes, Model
from mien.recipe import DataConfig, Recipe
from mien.runs import Run
from mien.train import Trainer
from mien.trained import Combinations, TrainedModel, save_model

VALIDATION_IMAGES = 1_000  # at most, at each snapshot: enough for a curve, and a second of work


def read_faces(data: DataConfig, progress: Callable[[str, int, int], None] | None = None) -> Faces:
    """The faces a recipe asks for.

    Raises: DataError where they cannot be used.
    """
    return open_faces(
        data.source,
        size=data.size,
        crop=None if data.crop == "auto" else data.crop,
        attributes_table=data.attributes_table,
        skip_bad=data.skip_bad,
        progress=progress,
    )


def train_run(run: Run, faces: Faces, progress: Callable[[int, int, dict[str, Any]], None] | None = None) -> None:
    """Train a run to its end, from where its checkpoint stands, and write its weights.

    progress: called after each step with images seen, images to see and the last line of the log.

    Raises: Diverged; Interrupted, after saving; RunError where the folder is in use or the disk takes no more.
    """
    recipe = run.recipe()
    if run.provenance()["data_fingerprint"] != faces.fingerprint:
        raise RunError(
            f"{run.path}: was started on other faces than {recipe.data.source} holds now (the fingerprint differs). "
            "Put the old faces back, or start a new run."
        )
    with run.locked(), hardware(recipe.training.device, recipe.training.precision) as here:
        run.require_room()
        run.rewind_log(read_progress(run.checkpoint)["images_seen"] if run.checkpoint.exists() else -1)
        trainer = make_trainer(run, recipe, faces, here, progress)
        trainer.run()
        if here.rank == 0:
            trained = TrainedModel(
                trainer.sampling_model, recipe, trainer.images_seen, combinations(faces, trainer.model)
            )
            save_model(run.weights, trained)


def make_trainer(
    run: Run,
    recipe: Recipe,
    faces: Faces,
    here: Hardware,
    progress: Callable[[int, int, dict[str, Any]], None] | None,
) -> Trainer:
    """The trainer of a run, with its log, its sample pictures and its validation."""
    torch.manual_seed(recipe.training.seed)
    model = build(recipe.model, faces.size).to(here.device)
    batches = Batches(
        faces,
        "train",
        attributes=model.attributes,
        seed=recipe.training.seed,
        horizontal_flips=recipe.data.horizontal_flips,
        device=here.device,
    )
    fixed = TrainedModel(model, recipe, 0, combinations(faces, model))
    z, y = views.latents(model, 32, seed=0), fixed.labels(32, seed=0)
    validation = faces.images[faces.rows("validation")[:VALIDATION_IMAGES]]
    last: dict[str, Any] = {}

    def log(line: dict[str, Any]) -> None:
        run.append_log(line)
        last.update(line)

    def snapshot(current: Model, images_seen: int) -> None:
        Image.fromarray(views.grid(views.generate(current, z, y), columns=8)).save(run.sample_file(images_seen))
        if isinstance(current, Encodes) and len(validation):
            difference = views.reconstruct(current, validation).astype(np.float32) - validation
            log({"images_seen": images_seen, "validation/reconstruction": float(np.square(difference / 127.5).mean())})

    def report(images_seen: int, total: int) -> None:
        if progress:
            progress(images_seen, total, last)

    return Trainer(
        model, batches, recipe.training, here, checkpoint=run.checkpoint, log=log, snapshot=snapshot, progress=report
    )


def combinations(faces: Faces, model: Model) -> Combinations:
    """How often each combination of the model's attributes occurs in the training split, most frequent first."""
    values = faces.attributes[:, faces.columns(model.attributes)][faces.rows("train", known=model.attributes)]
    return [(list(row), count) for row, count in Counter(map(tuple, values.tolist())).most_common()]
