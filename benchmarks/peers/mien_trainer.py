"""mien's own trainer, as `mien train` makes it: a run folder, the log, packed faces read as they are asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from worker import Pace, Task, read_task

if TYPE_CHECKING:
    from mien.recipes.recipe import Recipe
    from mien.training.loop import Trainer


def recipe_of(task: Task) -> Recipe:
    """The coursework's recipe of a model, endless, and without the checkpoint of every minute."""
    from mien.recipes.recipe import apply_overrides, check, load_recipe, with_source

    recipe = with_source(load_recipe(f"{task.model}-coursework"), task.source)
    changes = [
        f"model.width={task.width}",
        f"training.batch_size={task.batch}",
        f"training.precision={task.precision}",
        "training.checkpoint_every_seconds=1e9",
        "training.snapshot_every_images=1000000000",
    ]
    content = recipe.model_dump(mode="json", exclude_none=True)
    content["training"].pop("epochs", None)
    content["training"]["steps"] = 1_000_000
    return check(apply_overrides(content, changes), recipe.name)


def change(trainer: Trainer, what: str) -> None:
    """Undo one of the things that make training fast, or add one that mien does without."""
    import torch

    import mien.training.loop

    if what == "compiled networks":
        for network in trainer.model.children():
            network.compile()
    elif what == "memory given back to the system":
        mien.training.loop.keep_freed_memory = lambda: None
    elif what == "optimizer one tensor at a time":
        for optimizer in trainer.optimizers.values():
            for group in optimizer.param_groups:
                group.update({key: False for key in ("foreach", "fused") if key in group})
    elif what == "default layout":
        for network in trainer.model.modules():
            if isinstance(layers := getattr(network, "convolutions", None), torch.nn.Module):
                layers.register_forward_pre_hook(lambda layers, given: (given[0].contiguous(),))
    elif what:
        raise SystemExit(f"no change is called {what!r}")


def main() -> None:
    """Train until nobody asks for more."""
    pace, task = Pace(), read_task()
    from mien.runs.folder import Run
    from mien.sessions.recipe_faces import read_faces
    from mien.sessions.train import make_trainer
    from mien.training.devices import hardware

    pace.tell("imported")
    recipe = recipe_of(task)
    faces = read_faces(recipe.data)
    with hardware(precision=recipe.training.precision) as here:
        run = Run.create(Path(tempfile.mkdtemp(dir=task.folder)) / "run", recipe, faces.fingerprint)
        trainer = make_trainer(run, recipe, faces, here)
        trainer.progress = lambda images_seen, total: pace.step()
        change(trainer, task.change)
        trainer.run()


if __name__ == "__main__":
    main()
