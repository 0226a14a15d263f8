"""Run folders in which something else stands in the place of a file: pipes, devices, links, huge files, locked ones."""

import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import tiny
from hostile_case import Case
from hostile_readers import FACES
from mien.runs.folder import Run
from mien.runs.plan_folder import PLAN_FILE, write_plan
from mien.runs.score import Score
from mien.runs.weights import TrainedModel, save_model
from mien.sessions.train import train_run
from mien.training import checkpoint

HUGE = 3 * 2**30  # bytes, none of which is on the disk
FILES = ("recipe.toml", "provenance.json", "log.jsonl", "metrics.json", "diverged.json")
TENSORS = ("checkpoint.safetensors", "checkpoint-before.safetensors", "weights.safetensors", "best.safetensors")
COMMANDS = ("sample", "report", "resume", "explore", "evaluate")


def cases() -> Iterator[Case]:
    """All of them."""
    for kind in KINDS:
        locked = kind.startswith(("not", "in"))
        for file in (*FILES, *TENSORS):
            for command in COMMANDS:
                make = partial(replaced, file, kind, command)
                yield Case("kinds of file", f"{command}: {file} is {kind}", make, command, without_rights=locked)
        for command, reader in (("explore", "explore"), ("evaluate", "evaluate a plan")):
            make = partial(planned, kind)
            yield Case("kinds of file", f"{command}: {PLAN_FILE} is {kind}", make, reader, without_rights=locked)
    for name in ("weights.safetensors", "best.safetensors"):
        more = partial(one_more, name)
        yield Case("kinds of file", f"{name} has a tensor more of 3 GiB", more, "weights", "refusal")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def zeros(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    os.truncate(path, HUGE)


def locked(path: Path) -> None:
    path.chmod(0)


def locked_folder(path: Path) -> None:
    path.parent.chmod(0)


KINDS: dict[str, Callable[[Path], None]] = {
    "a pipe": pipe, "a folder": folder, "a link to itself": itself, "a link to zeros": zeros, "3 GiB long": huge,
    "not to be read": locked, "in a folder that may not be entered": locked_folder,
}  # fmt: skip


@cache
def sound() -> Path:
    """A run of two steps with all that a run may have, for as long as this process lives."""
    top = tempfile.TemporaryDirectory(prefix="mien-hostile-run-")
    KEPT.append(top)
    recipe = tiny.recipe(tiny.ADVERSARIAL, "health=false", "training.steps=2", f"data.source={tiny.SOURCE}")
    run = Run.create(Path(top.name, "run"), recipe, FACES.fingerprint)
    train_run(run, FACES)
    save_model(run.best, TrainedModel(tiny.model(tiny.ADVERSARIAL), recipe, 8, [], "square"))
    shutil.copy(run.checkpoint, checkpoint.one_before(run.checkpoint))
    run.write_metrics({"test_mse": Score(1.0)})
    run.write_divergence("phase/kl is nan")
    return run.path


KEPT: list["tempfile.TemporaryDirectory[str]"] = []


def copied(folder: Path) -> Run:
    """The sound run, which anybody may write to."""
    path = folder / "run"
    shutil.copytree(sound(), path)
    for place in (path, *path.rglob("*")):
        place.chmod(0o777)
    return Run(path)


def replaced(file: str, kind: str, command: str, folder: Path) -> Path:
    """A run in which a file is of a kind.

    Where a command reads the file in the end alone, as when a run goes on, the weights are away.
    """
    run = copied(folder)
    if command == "resume" and file not in ("weights.safetensors", "best.safetensors"):
        run.weights.unlink()
    if file == "diverged.json" and command in ("explore", "report"):
        run.weights.unlink(missing_ok=True)
    KINDS[kind](run.path / file)
    return run.path


def planned(kind: str, folder: Path) -> Path:
    """A plan of one run, whose own file is of such a kind."""
    top = folder / "plan"
    top.mkdir()
    copied(top)
    write_plan(top, "p", "t", ["run"], {})
    KINDS[kind](top / PLAN_FILE)
    return top


def one_more(name: str, folder: Path) -> Path:
    """Weights with one tensor of nothing but a hole in the file, which no network has a use for."""
    run = copied(folder)
    path = run.path / name
    content = path.read_bytes()
    begins = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:begins])
    end = len(content) - begins
    header["zz"] = {"dtype": "F32", "shape": [HUGE // 4], "data_offsets": [end, end + HUGE]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + content[begins:])
        file.truncate(8 + len(text) + end + HUGE)
    return path
