"""What several processes do in test_train.py; torchrun starts it.

train FOLDER: train each model, then one that is stopped halfway.    kill RECIPE FOLDER: `mien train`, and the second
process is killed in the middle.
"""

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import tiny
from mien.cli import main
from mien.errors import Interrupted
from mien.models import MODELS
from mien.training.devices import Hardware, hardware
from mien.training.loop import Trainer
from tiny import ADVERSARIAL, ENCODING

OPTIONS = {ADVERSARIAL: {"r1_weight": 1.0, "r1_every": 2, "discriminator_updates": 2}}


def train(name: str, folder: Path, here: Hardware = tiny.CPU, **callbacks: Any) -> list[dict[str, Any]]:
    """Train a model for six steps, or to where it is stopped.  -> its log"""
    lines: list[dict[str, Any]] = []
    options = {"steps": 6, "schedule": "cosine", "log_every_images": 16, "log": lines.append} | callbacks
    model = tiny.model(name, **OPTIONS.get(name, {}))
    with contextlib.suppress(Interrupted):
        tiny.trainer(model, folder, hardware=here, checkpoint=name, **options).run()
    return lines


def train_all(folder: Path) -> None:
    """Each model to its end, and one whose first process is asked to stop."""
    (folder / "stopped").mkdir(parents=True, exist_ok=True)
    with hardware("cpu", "float32") as here:
        for name in MODELS:
            lines = train(name, folder, here)
            if here.rank == 0:
                (folder / f"{name}.json").write_text(json.dumps(lines))
        stop = {"progress": lambda seen, total: here.rank or seen != 16 or signal.raise_signal(signal.SIGTERM)}
        train(ENCODING, folder / "stopped", here, steps=40, **stop)
    threads = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    assert not [name for name in threads if "gloo" in name], f"threads of the group that was left: {threads}"


def kill_second(step: Any) -> Any:
    """A step before which the second process is killed at 32 images."""

    def killing(trainer: Trainer) -> None:
        if trainer.images_seen == 32 and trainer.hardware.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        step(trainer)

    return killing


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "train":
        train_all(Path(given[0]))
    else:
        Trainer.step = kill_second(Trainer.step)  # type: ignore[method-assign]
        sys.exit(main(["train", given[0], "--out", given[1], "training.checkpoint_every_seconds=0"]))
