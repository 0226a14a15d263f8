"""Files of other people's runs: weights, checkpoints, logs, numbers, plans and ONNX files that are damaged or lie."""

import json
import random
import struct
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

import hostile_onnx
import tiny
from hostile_case import Case
from hostile_recipes import VALUES
from mien.health import DISTANCE
from mien.recipes.recipe import with_source
from mien.runs.folder import Run
from mien.runs.weights import TrainedModel, save_model

FIELDS = ("format", "recipe", "images_seen", "combinations", "crop", DISTANCE)
DEEP = "[" * 100_000
# As JSON, which holds what TOML and Python's own writer cannot.
RUBBISH = {name: json.dumps(value) for name, value in VALUES.items()} | {
    "null": "null", "a deep list": DEEP, "a number of 5,000 digits": "9" * 5_000, "1e999": "1e999", "half a surrogate": '"\\ud800"',
    "a list of lists": "[[1], [2, 3], []]", "cut short": '{"a": [1,', "10^18": str(10**18), "100,000 zeros": json.dumps([0] * 10**5),
}  # fmt: skip
CONTENTS = RUBBISH | {"no bytes": "", "noise": "\x00\x01\xff\xfe" * 50, "a list of tables": '[{"value": 1}]'}


def cases() -> Iterator[Case]:
    """All of them."""
    for name, content in damaged_files().items():
        yield Case("weights", name, content, "weights")
        yield Case("checkpoints", name, content, "a checkpoint")
    for field in FIELDS:
        for name, value in RUBBISH.items():
            yield Case("weights", f"{field} is {name}", partial(weights_with, field, value), "weights")
        yield Case("weights", f"{field} is missing", partial(weights_with, field, None), "weights")
    for name, change in LIES.items():
        yield Case("weights", name, partial(weights_that, change), "weights", "refusal")
    for name, line in lines().items():
        yield Case("logs", name, partial(logged, line), "a log", "success")
    for name, content in scores().items():
        yield Case("metrics", name, content.encode("utf-8", "surrogatepass"), "numbers", "success")
    for file in ("provenance.json", "recipe.toml", "diverged.json", "plan.json"):
        for name, content in CONTENTS.items():
            yield Case("run folders", f"{file} holds {name}", partial(folder_with, file, content), "a run's folder")
    for name, runs in PLANNED.items():
        yield Case("run folders", f"a plan of {name}", plan_of(runs), "a plan's folder")
    for name, content in exported().items():
        yield Case("ONNX", name, content, "an export")
    for name, content in hostile_onnx.programs().items():
        yield Case("ONNX", name, content, "an export", "refusal")
    for name, content in (hostile_onnx.odd_weights() | {"as much as is allowed": hostile_onnx.costly()}).items():
        yield Case("ONNX", name, content, "an export", "success")


@cache
def sound() -> tuple[bytes, dict[str, torch.Tensor], dict[str, Any]]:
    """A file of weights, its tensors, and what stands in its metadata."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "w.safetensors")
        recipe = tiny.recipe(tiny.CONDITIONAL, "model.attributes=['Male','Smiling']")
        counted = [([0, 1], 5), ([1, 0], 7)]
        save_model(path, TrainedModel(tiny.model(tiny.CONDITIONAL), recipe, 64, counted, "square", 1.5))
        with safetensors.safe_open(path, framework="pt") as file:
            content = json.loads(file.metadata()["mien"])
        content.pop("sha256", None)  # as another program would write it
        return path.read_bytes(), safetensors.torch.load_file(path), content


def weights_with(field: str, value: str | None, folder: Path) -> Path:
    """One field of the metadata replaced by some JSON, or left out."""
    _, tensors, content = sound()
    fields = {name: json.dumps(given) for name, given in content.items()} | {field: value}
    text = "{" + ", ".join(f"{json.dumps(name)}: {given}" for name, given in fields.items() if given is not None) + "}"
    safetensors.torch.save_file(tensors, folder / "w.safetensors", {"mien": text})
    return folder / "w.safetensors"


def weights_that(change: Callable[[dict[str, torch.Tensor], dict[str, Any]], None], folder: Path) -> Path:
    _, tensors, content = sound()
    tensors, content = dict(tensors), json.loads(json.dumps(content))
    change(tensors, content)
    safetensors.torch.save_file(tensors, folder / "w.safetensors", {"mien": json.dumps(content)})
    return folder / "w.safetensors"


def model_is(**options: Any) -> Callable[[Any, dict[str, Any]], None]:
    return lambda tensors, content: content["recipe"]["model"].update(options)


def stretched(tensors: dict[str, torch.Tensor], content: Any) -> None:
    name = next(iter(tensors))
    tensors[name] = torch.zeros(3, 3)


LIES: dict[str, Callable[[dict[str, torch.Tensor], dict[str, Any]], None]] = {
    "a width of 4096 and a latent of 65536": model_is(width=4096, latent_dim=65536),
    "a width of 4096 and a depth of 4": model_is(width=4096, depth=4),
    "a latent of 65536": model_is(latent_dim=65536),
    "another model": model_is(name=tiny.ENCODING),
    "a million attributes": model_is(attributes=[f"a{at}" for at in range(10**6)]),
    "more attributes than are counted": model_is(attributes=["a", "b", "c"]),
    "a tensor of another shape": stretched,
    "a tensor less": lambda tensors, content: [tensors.pop(name) for name in list(tensors)[:1]] and None,
    "a tensor more": lambda tensors, content: tensors.update(more=torch.zeros(2)),
    "no tensors": lambda tensors, content: tensors.clear(),
    "a newer format": lambda tensors, content: content.update(format=10**6),
    "counts of nobody": lambda tensors, content: content.update(combinations=[[[0, 1], 0]]),
    "counts below nobody": lambda tensors, content: content.update(combinations=[[[0, 1], -5], [[1, 1], 2]]),
    "combinations of another length": lambda tensors, content: content.update(combinations=[[[0], 1]]),
    "no combinations": lambda tensors, content: content.update(combinations=[]),
}


def damaged_files() -> dict[str, bytes]:
    """A file of tensors cut, spoilt, and with headers that lie."""
    content, _, _ = sound()
    dice = random.Random(6)
    found = {f"cut at {part}/8": content[: len(content) * part // 8] for part in range(8)}
    for at in range(20):
        spoilt = bytearray(content)
        spoilt[at if at < 12 else dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        found[f"damaged at {at}"] = bytes(spoilt)
    for length in (0, 1, 2**27, 2**40, 2**63, 2**64 - 1):
        found[f"a header of {length} bytes"] = struct.pack("<Q", length) + content[8:]
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for name, change in {
        "terabytes": {"shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]},
        "terabytes in eight bytes": {"shape": [10**6, 10**6]},
        "sides whose product overflows": {"shape": [2**33, 2**33]},
        "a side below zero": {"shape": [-1]},
        "an unknown type": {"dtype": "F1024"},
        "offsets that go back": {"data_offsets": [8, 0]},
        "offsets beyond": {"data_offsets": [2**62, 2**62 + 8]},
        "a shape that is a word": {"shape": "2"},
        "a deep shape": {"shape": [[[2]]]},
    }.items():
        found[f"a tensor of {name}"] = tensors_of(json.dumps({"t": tensor | change}))
    for name, text in CONTENTS.items():
        found[f"metadata that is {name}"] = tensors_of(json.dumps({"__metadata__": {"mien": text}, "t": tensor}))
        found[f"a header that is {name}"] = tensors_of(text)
    return found


def tensors_of(header: str) -> bytes:
    """A file of tensors with this header and eight bytes behind it."""
    text = header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + bytes(8)


# A run's folder


@cache
def texts() -> tuple[str, str]:
    """Recipe and provenance of a run that has just begun."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder, "run"), with_source(tiny.recipe(tiny.ENCODING), "drawn:200"), "faces")
        return run.recipe_file.read_text(), run.provenance_file.read_text()


def folder_of(path: Path) -> Run:
    path.mkdir()
    run = Run(path)
    for file, text in zip((run.recipe_file, run.provenance_file), texts(), strict=True):
        file.write_text(text)
    return run


def lines() -> dict[str, str]:
    """Logs with a line that is none."""
    good = {"images_seen": 8, "seconds": 1.0, "vae/reconstruction": 0.5, "vae/kl": 2.0}
    odd = {f"a line that is {name}": content for name, content in CONTENTS.items()}
    for key in ("images_seen", "seconds", "vae/kl", "words", DISTANCE, "x/\x1b[2J"):
        for name, value in RUBBISH.items():
            fields = {name: json.dumps(given) for name, given in good.items()} | {key: value}
            odd[f"{key!a} is {name}"] = "{" + ", ".join(f"{json.dumps(k)}: {v}" for k, v in fields.items()) + "}"
    return odd | {"a long line": "x" * 10**7}


def logged(line: str, folder: Path) -> Path:
    """A run whose log has one such line between sound ones."""
    run = folder_of(folder / "run")
    good = '{"images_seen": 8, "seconds": 1.0, "vae/kl": 2.0}'
    run.log_file.write_bytes(f"{good}\n{line}\n{good}\n".encode("utf-8", "surrogatepass") + b"\xff\xfe\n")
    return run.path


def scores() -> dict[str, str]:
    """Numbers that are none."""
    odd = {f"metrics.json holds {name}": content for name, content in CONTENTS.items()}
    for key in ("value", "low", "high", "images", "protocol", "metric", "weights", "extractors"):
        for name, value in RUBBISH.items():
            fields = {"value": "1.0", "low": "0.5", "high": "2.0", "images": "10", "protocol": '"p"'} | {key: value}
            score = "{" + ", ".join(f'"{k}": {v}' for k, v in fields.items()) + "}"
            odd[f"{key} is {name}"] = f'{{"test_mse": {score}, "flip_rate_\\u001b[2J": {score}}}'
    return odd | {"a score without an interval": '{"test_mse": {"value": 1.0}}'}


def folder_with(file: str, content: str, folder: Path) -> Path:
    run = folder_of(folder / "run")
    (run.path / file).write_bytes(content.encode("utf-8", "surrogatepass"))
    return run.path


PLANNED = {
    "runs elsewhere": '["../../../etc", "/etc"]', "a name of an escape": '["\\u001b[2J"]', "a name of NUL": '["\\u0000"]',
    "a long name": json.dumps(["x" * 5000]), "numbers": "[1, 2]", "a word": '"run"', "no runs": "[]", "null": "null",
}  # fmt: skip


def plan_of(runs: str) -> bytes:
    return f'{{"format": 1, "name": "p", "title": "t", "runs": {runs}, "skipped": {{}}}}'.encode()


# ONNX


def exported() -> dict[str, bytes]:
    """Files of `mien export`, damaged and with odd metadata."""
    content = hostile_onnx.CONTENT
    recipe = content["recipe"]
    plain = hostile_onnx.with_metadata(json.dumps(content))
    dice = random.Random(7)
    found = {"as it is": plain, "no bytes": b"", "noise": dice.randbytes(3000)}
    found |= {f"cut at {part}/8": plain[: len(plain) * part // 8] for part in range(1, 8)}
    for at in range(20):
        spoilt = bytearray(plain)
        spoilt[dice.randrange(len(plain) - 24_600) if at % 2 else -dice.randrange(1, 400)] ^= 1 << dice.randrange(8)
        found[f"damaged {at}"] = bytes(spoilt)
    found |= {
        f"metadata that is {name}": hostile_onnx.with_metadata(text)
        for name, text in CONTENTS.items()
        if text.isprintable()
    }
    for key in content:
        for name, value in RUBBISH.items():
            fields = {name: json.dumps(given) for name, given in content.items()} | {key: value}
            text = "{" + ", ".join(f'"{k}": {v}' for k, v in fields.items()) + "}"
            found[f"{key} is {name}"] = hostile_onnx.with_metadata(text)
    for change in (
        {"latent_dim": 3},
        {"latent_dim": 10**15},
        {"latent_dim": -1},
        {"latent_dim": "2"},
        {"name": [tiny.ENCODING]},
    ):
        found[f"a model of {change}"] = hostile_onnx.with_metadata(
            json.dumps(content | {"recipe": recipe | {"model": recipe["model"] | change}})
        )
    found["images of another size"] = hostile_onnx.with_metadata(
        json.dumps(content | {"recipe": recipe | {"data": {"size": 64}}})
    )
    found["attributes that the network does not take"] = hostile_onnx.with_metadata(
        json.dumps(content | {"attributes": ["Male"]})
    )
    return found
