"""What the two fuzzers try: readers of one file that comes from elsewhere, and the files to begin with."""

import base64
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
import safetensors.torch

import hostile_onnx
import hostile_pictures
import hostile_runs
import hostile_sources
import hostile_tables
import tiny
from hostile_case import Reader
from hostile_readers import READERS
from mien.export.onnx_export import export_onnx
from mien.runs.weights import TrainedModel, save_model
from mien.training.checkpoint import FORMAT as CHECKPOINT_FORMAT

SOURCE = Path(__file__).parents[1] / "src" / "mien"
ROOMS = ("recipes", "plans", "studies")
LONGEST_TABLE, LONGEST_TEXT = 20_000, 999  # bytes: longer ones make a fuzzer slow

Target = tuple[Reader, Callable[[], Sequence[bytes]]]


def targets() -> dict[str, Target]:
    """Name to reader and beginnings."""
    z = base64.b64encode(np.zeros((2, 8), "<f4").tobytes()).decode()
    y = base64.b64encode(np.ones((2, 2), "<f4").tobytes()).decode()
    asking = {"run": "run", "snapshot": "last", "count": 2, "z": z, "y": y, "x": base64.b64encode(bytes(3072)).decode()}
    texts = {path: path.read_bytes() for path in sorted(SOURCE.glob("*/**/*.toml"))}
    recipes, plans, studies = ([text for path, text in texts.items() if path.parent.name == name] for name in ROOMS)
    beginnings: dict[str, Callable[[], Sequence[bytes]]] = {
        "a table": lambda: shorter(LONGEST_TABLE, tables()),
        "a partition": lambda: shorter(LONGEST_TABLE, hostile_tables.partitions().values()),
        "a .zip": lambda: [hostile_sources.plain_zip(method) for method in hostile_sources.METHODS],
        "a picture": lambda: [*hostile_pictures.whole().values(), *hostile_pictures.sound().values()],
        "a recipe": lambda: recipes,
        "a plan": lambda: plans,
        "a study": lambda: studies,
        "a request": lambda: [json.dumps(asking).encode(), b"{}", b"[]"],
        "weights": weights_files,
        "a checkpoint": checkpoints,
        "an export": lambda: [hostile_onnx.graph().SerializeToString(), *exports()],
        "numbers": lambda: shorter(LONGEST_TEXT, encoded(hostile_runs.scores().values())),
        "log lines": lambda: shorter(LONGEST_TEXT, encoded(hostile_runs.lines().values())),
    }
    return {name: (READERS[name], begin) for name, begin in beginnings.items()}


def tables() -> list[bytes]:
    """Tables that are read, that are refused, and that may be either."""
    return [*hostile_tables.sound().values(), *hostile_tables.unsound().values(), *hostile_tables.made().values()]


def shorter(length: int, contents: Iterable[bytes]) -> list[bytes]:
    """Those below a length."""
    return [content for content in contents if len(content) < length]


def encoded(texts: Iterable[str]) -> list[bytes]:
    """Texts as UTF-8."""
    return [text.encode("utf-8", "replace") for text in texts]


def weights_files() -> list[bytes]:
    """A file of weights, and one as other programs write it: without a checksum, which no change would pass."""
    content, tensors, said = hostile_runs.sound()
    return [content, safetensors.torch.save(tensors, {"mien": json.dumps(said)})]


def checkpoints() -> list[bytes]:
    """What a training leaves, and the like without a checksum."""
    with tempfile.TemporaryDirectory() as folder:
        tiny.trainer(tiny.model(tiny.ADVERSARIAL), Path(folder)).run()
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
        normalized = tiny.recipe(tiny.ENCODING, "model.normalization=group")
        model = tiny.model(tiny.ENCODING, normalization="group")
        save_model(weights, TrainedModel(model, normalized, 0, [([], 1)]))
        export_onnx(weights, file)
        return [*found, file.read_bytes()]
