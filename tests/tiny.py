"""Trainings that take a second: small faces, narrow networks, a few steps."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.faces import Faces, Split, open_faces
from mien.faces.batches import Batch, Batches
from mien.judge import judge_of
from mien.metrics.evaluated_model import Subject
from mien.metrics.extractors import JudgeFeatures
from mien.models import MODELS, build, model_class
from mien.models.base import Classifies, Discriminates, Encodes, Model
from mien.recipes.recipe import Recipe, apply_overrides, check
from mien.runs.folder import Run
from mien.runs.weights import load_model
from mien.sessions.snapshots import Snapshots
from mien.sessions.train import start_run, train_run
from mien.training.config import TrainConfig
from mien.training.devices import Hardware
from mien.training.loop import Trainer

MODEL = re.compile(r"^class (\w+)\((?:Model|Encodes|Discriminates|Classifies)\b", re.MULTILINE)
PROBES = {  # models that are a user's own file: what a recipe calls each, and its class
    f"{path}:{found[1]}": found[1]
    for path in sorted(Path(__file__).with_name("probes").glob("*.py"))
    if (found := MODEL.search(path.read_text(encoding="utf-8")))
}
SOURCE = "drawn:200"
ATTRIBUTES = ("Male", "Smiling")
CPU = Hardware(torch.device("cpu"), "float32")


def faces() -> Faces:
    """160 drawn faces to train on, and some 20 each for validation and test."""
    return open_faces(SOURCE, size=32)


def noise_faces(count: int = 64, size: int = 32) -> Faces:
    """Blotches with attributes, the same for ever: they do not change when the drawing does. All are to train on."""
    random = np.random.default_rng(0)
    blotches = random.integers(0, 256, (count, size // 8, size // 8, 3), dtype=np.uint8)
    return Faces(
        images=blotches.repeat(8, axis=1).repeat(8, axis=2),
        attributes=random.integers(0, 2, (count, 2), dtype=np.int8),
        attribute_names=ATTRIBUTES,
        split=np.zeros(count, np.uint8),
        files=tuple(f"{index}.png" for index in range(count)),
        fingerprint="noise",
        card={"source": "noise"},
    )


def has_attributes(name: str) -> bool:
    return "attributes" in model_class(name).Config.model_fields


def model(name: str, *, size: int = 32, **options: Any) -> Model:
    """A model of the table, with fresh weights that are the same each time."""
    torch.manual_seed(0)
    conditions = {"attributes": ATTRIBUTES} if has_attributes(name) else {}
    config = model_class(name).Config(**{"name": name, "latent_dim": 8, "width": 4, **conditions, **options})
    return build(config, size)


def some(*abilities: type[Model], without: tuple[type[Model], ...] = ()) -> str:
    """The first model of the table that has these abilities, and none of those."""
    classes = {name: model_class(name) for name in MODELS}
    able = (name for name, found in classes.items() if all(issubclass(found, ability) for ability in abilities))
    return next(name for name in able if not issubclass(classes[name], without))


ENCODING = some(Encodes, without=(Discriminates, Classifies))
ADVERSARIAL = some(Discriminates, without=(Encodes, Classifies))
CONDITIONAL = some(Classifies, without=(Encodes,))


def labels(some_model: Model, count: int) -> Tensor | None:
    """Attributes that all of so many faces have; None where the model is told none."""
    return torch.ones(count, len(some_model.attributes)) if some_model.attributes else None


def batch(some_model: Model, count: int = 8) -> Batch:
    """A batch of the middle of a training."""
    return Batches(noise_faces(), "train", attributes=some_model.attributes).at(0, count, progress=0.5)


def trainer(
    some_model: Model, folder: Path, *, some_faces: Faces | None = None, hardware: Hardware = CPU, **training: Any
) -> Trainer:
    """A trainer without a run folder around it."""
    checkpoint = folder / training.pop("checkpoint", "checkpoint.safetensors")
    callbacks = {key: training.pop(key) for key in ("log", "snapshot", "progress", "note") if key in training}
    config = TrainConfig(**{"batch_size": 8, "steps": 1, **training})
    batches = Batches(some_faces or noise_faces(), "train", attributes=some_model.attributes, seed=config.seed)
    return Trainer(some_model, batches, config, hardware, checkpoint=checkpoint, **callbacks)


def recipe(name: str, *overrides: str) -> Recipe:
    """A recipe of a model of the table."""
    table = {
        "name": name,
        "data": {"source": SOURCE, "size": 32},
        "model": {"name": name, "latent_dim": 8, "width": 4},
        "training": {"batch_size": 8, "steps": 8, "device": "cpu", "precision": "float32", "log_every_images": 16},
    }
    return check(apply_overrides(table, overrides), "tiny")


def train(folder: Path, some_recipe: Recipe, observer: Any = None) -> Run:
    """A new run, trained to its end unless the observer stops it."""
    run, its_faces = start_run(some_recipe, folder)
    train_run(run, its_faces, observer)
    return run


def subject(run: Run, some_faces: Faces) -> Subject:
    """A trained run to be measured, with the judge of its faces."""
    judge = judge_of(some_faces)
    return Subject(load_model(run.weights), some_faces, judge, (JudgeFeatures(judge),))


def all_real(subject: Subject, split: Split) -> NDArray[np.uint8]:
    """Its real images of a split at once, uint8 [N,S,S,3]."""
    return np.concatenate(list(subject.real(split)))


def tensors(path: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(path)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two sets of tensors are equal, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Watcher:
    """An observer that does something once a training has seen so many images."""

    def __init__(self, images: int = 10**9, act: Any = None) -> None:
        self.images, self.act = images, act
        self.notes: list[str] = []

    def work(self, words: str, done: int, total: int) -> None: ...

    def note(self, words: str) -> None:
        self.notes.append(words)

    def training(self, name: str, images_seen: int, total: int, line: dict[str, Any]) -> None:
        if images_seen >= self.images:
            self.act()


# Runs that are killed


class Killed(BaseException):
    """Stands for a kill: nothing in mien catches it."""


def kill() -> None:
    raise Killed


TIMING = ("seconds", "images_per_second")
HARD_OPTIONS = {  # of models that have them
    "discriminator_updates": 2,
    "r1_weight": 1,
    "r1_every": 3,
    "label_conditioning": "embedding",
}
HARD_TURNS = (  # for one model after the other
    ["training.optimizer=rmsprop", "training.schedule=cosine", "data.horizontal_flips=true"],
    ["model.normalization=batch"],
    ["training.beta1=0"],
)


def hard(name: str, *overrides: str) -> Recipe:
    """A recipe with all that could go wrong when a run goes on; it logs more rarely than it is killed."""
    usual = ["training.ema_decay=0.9", "training.snapshot_every_images=40", "training.log_every_images=24"]
    fields = model_class(name).Config.model_fields
    options = [f"model.{key}={value}" for key, value in HARD_OPTIONS.items() if key in fields]
    turn = HARD_TURNS[list(MODELS).index(name) % len(HARD_TURNS)]
    return recipe(name, *usual, *options, *turn, *overrides)


def outcome(run: Run) -> tuple[dict[str, Tensor] | list[str], ...]:
    """Weights, the best ones, the whole state of the training, and the log without times, in any order of its lines."""
    log = [{key: value for key, value in line.items() if key not in TIMING} for line in run.log()]
    return *(tensors(path) for path in (run.weights, run.best, run.checkpoint)), sorted(map(str, log))


def assert_same_outcome(one: Run, other: Run) -> None:
    for mine, theirs in zip(outcome(one), outcome(other), strict=True):
        assert mine == theirs if isinstance(mine, list) else same(mine, theirs)


def measure_distances(monkeypatch: pytest.MonkeyPatch, distances: Sequence[float]) -> None:
    """Let snapshots have distances that are known beforehand, whenever they are taken."""

    def measure(snapshots: Snapshots, some_model: Model, judged: bool) -> dict[str, float]:
        taken = [line for line in snapshots.run.log() if "validation/fd_judge" in line]
        return {"validation/fd_judge": distances[len(taken)]}

    monkeypatch.setattr(Snapshots, "measure", measure)
