"""Readers of what comes from elsewhere, as functions of bytes, and what to begin with, for the two fuzzers here."""

import base64
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
import safetensors.torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import hostile_onnx
import hostile_pictures
import hostile_runs
import hostile_sources
import hostile_tables
import tiny
from mien.cli.terminal import table_of_numbers
from mien.explorer import requests
from mien.explorer.shown_numbers import numbers
from mien.export.onnx_export import export_onnx
from mien.export.runtime import open_exported
from mien.faces.source.decode import BadPicture, decode, quiet
from mien.faces.source.listing import list_source, reader
from mien.faces.source.readers import read_layout
from mien.faces.source.tables import label, parse, parse_partition
from mien.files.reading import log_line
from mien.recipes.recipe import load_recipe
from mien.report.number_tables import by_attribute, read_scores, tabulate
from mien.runs.folder import Run
from mien.runs.weights import TrainedModel, load_model, save_model
from mien.studies import Budget
from mien.studies.plan import load_plan, plan_recipes
from mien.studies.recipes_of_arms import arms_of, load_study
from mien.training.checkpoint import FORMAT as CHECKPOINT_FORMAT
from mien.training.checkpoint import read_progress

NAMES = hostile_tables.NAMES
SHAPES = {"run": requests.Shape(32, 8, 2, True, frozenset({"last"}))}
SOURCE = Path(__file__).parents[1] / "src" / "mien"
ROOMS = ("recipes", "plans", "studies")


def partition(content: bytes, folder: Path) -> None:
    """A list of who is in which part."""
    parse_partition(content, "t.txt", NAMES)


def table(content: bytes, folder: Path) -> None:
    """A table of attributes."""
    label(parse(content, "t.csv"), NAMES)


def archive(content: bytes, folder: Path) -> None:
    """A .zip: what is in it, its table, and every member's bytes."""
    path = folder / "a.zip"
    path.write_bytes(content)
    listing = list_source(path)
    read = reader(path)
    for name in listing.pictures:
        try:
            read(name)
        except BadPicture:
            continue
    read_layout(listing, None)


def picture(content: bytes, folder: Path) -> None:
    """A picture."""
    with quiet():
        assert decode(content, 32, "square")[0].shape == (32, 32, 3)


def recipe(content: bytes, folder: Path) -> None:
    """A recipe."""
    (folder / "r.toml").write_bytes(content)
    load_recipe(folder / "r.toml")


def request(content: bytes, folder: Path) -> None:
    """What the explorer's page asks for."""
    try:
        asking = requests.parse(content, SHAPES)
        requests.latents(asking)
        requests.picture(asking)
    except requests.Refused:
        return


def weights(content: bytes, folder: Path) -> None:
    """A file of weights."""
    (folder / "w.safetensors").write_bytes(content)
    load_model(folder / "w.safetensors").sample(1)


def log(content: bytes, folder: Path) -> None:
    """Lines of a log."""
    for line in content.decode("utf-8", "replace").split("\n"):
        log_line(line)


def checkpoint(content: bytes, folder: Path) -> None:
    """What a checkpoint says of how far a training has come."""
    (folder / "c.safetensors").write_bytes(content)
    read_progress(folder / "c.safetensors")


def metrics(content: bytes, folder: Path) -> None:
    """A run's numbers, for the report, the explorer and the terminal."""
    (folder / "metrics.json").write_bytes(content)
    measured = Run(folder).metrics()
    found = read_scores(measured)
    tabulate([found])
    by_attribute(found)
    json.dumps(numbers(measured), allow_nan=False)
    table_of_numbers({"run": measured}, lambda name: True)


def plan(content: bytes, folder: Path) -> None:
    """A plan and the recipes that it names."""
    (folder / "p.toml").write_bytes(content)
    plan_recipes(load_plan(folder / "p.toml"))


def study(content: bytes, folder: Path) -> None:
    """A study and its arms."""
    (folder / "s.toml").write_bytes(content)
    read = load_study(folder / "s.toml")
    arms_of(read, read.budgets.get("quick", Budget()))


def onnx(content: bytes, folder: Path) -> None:
    """An exported model, of which a face is drawn."""
    (folder / "a.onnx").write_bytes(content)
    open_exported(folder / "a.onnx", threads=1).sample(1)


Target = tuple[Callable[[bytes, Path], None], Callable[[], Sequence[bytes]]]


def targets() -> dict[str, Target]:
    """Readers, and what to begin with."""
    tables = [*hostile_tables.sound().values(), *hostile_tables.unsound().values(), *hostile_tables.made().values()]
    parts = hostile_tables.partitions().values()
    short = [content for content in tables if len(content) < 20_000]
    z = base64.b64encode(np.zeros((2, 8), "<f4").tobytes()).decode()
    y = base64.b64encode(np.ones((2, 2), "<f4").tobytes()).decode()
    asking = {"run": "run", "snapshot": "last", "count": 2, "z": z, "y": y, "x": base64.b64encode(bytes(3072)).decode()}
    texts = {path: path.read_bytes() for path in sorted(SOURCE.glob("*/*.toml"))}
    recipes, plans, studies = ([text for path, text in texts.items() if path.parent.name == name] for name in ROOMS)
    return {
        "table": (table, lambda: short),
        "partition": (partition, lambda: [text for text in parts if len(text) < 20_000]),
        "zip": (archive, lambda: [hostile_sources.plain_zip(kind) for kind in ("deflate", "stored", "bzip2", "lzma")]),
        "picture": (picture, lambda: [*hostile_pictures.whole().values(), *hostile_pictures.sound().values()]),
        "recipe": (recipe, lambda: recipes),
        "plan": (plan, lambda: plans),
        "study": (study, lambda: studies),
        "request": (request, lambda: [json.dumps(asking).encode(), b"{}", b"[]"]),
        "weights": (weights, weights_files),
        "checkpoint": (checkpoint, checkpoints),
        "onnx": (onnx, lambda: [hostile_onnx.graph().SerializeToString(), *exports()]),
        "metrics": (
            metrics,
            lambda: [text.encode("utf-8", "replace") for text in hostile_runs.scores().values() if len(text) < 999],
        ),
        "log": (
            log,
            lambda: [line.encode("utf-8", "replace") for line in hostile_runs.lines().values() if len(line) < 999],
        ),
    }


def weights_files() -> list[bytes]:
    """A file of weights, and one as other programs write it: without a checksum, which no change would pass."""
    content, tensors, said = hostile_runs.sound()
    return [content, safetensors.torch.save(tensors, {"mien": json.dumps(said)})]


def checkpoints() -> list[bytes]:
    """What a training leaves, and the like without a checksum."""
    with tempfile.TemporaryDirectory() as folder:
        tiny.trainer(tiny.model("gan"), Path(folder)).run()
        said = {"format": CHECKPOINT_FORMAT, "images_seen": 8, "seconds": 1.0}
        plain = safetensors.numpy.save({"model/a": np.zeros(2, np.float32)}, {"mien": json.dumps(said)})
        return [Path(folder, "checkpoint.safetensors").read_bytes(), plain]


def exports() -> list[bytes]:
    """What `mien export` writes of two narrow models."""
    with tempfile.TemporaryDirectory() as name:
        weights, file = Path(name, "w.safetensors"), Path(name, "a.onnx")
        weights.write_bytes(hostile_runs.sound()[0])
        export_onnx(weights, file)
        found = [file.read_bytes()]
        normalized = tiny.recipe("vae", "model.normalization=group")
        save_model(weights, TrainedModel(tiny.model("vae", normalization="group"), normalized, 0, [([], 1)]))
        export_onnx(weights, file)
        return [*found, file.read_bytes()]
