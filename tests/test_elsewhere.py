"""Runs that begin together, go on elsewhere, or are started among what other programs left in the environment."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from awkward import numbered, write
from mien.cli import doctor, main
from mien.faces.source.decode import BadPicture, decode
from mien.recipes.recipe import to_toml
from mien.runs import named_by_time
from mien.runs.folder import Run
from mien.runs.named_by_time import folder_by_time
from tiny import ADVERSARIAL, Killed, Watcher, assert_same_outcome, kill


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"WORLD_SIZE": "2"},
            "is 2, .* but RANK, MASTER_ADDR, MASTER_PORT is not set. Run `unset WORLD_SIZE`",
        ),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "but MASTER_ADDR, MASTER_PORT is not set"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two' in the environment"),
    ],
)
def test_what_a_launcher_left_behind_is_named(
    variables: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "mine.toml").write_text(to_toml(tiny.recipe(ADVERSARIAL, "training.steps=1")))
    assert main(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert re.search(words, " ".join(told.split()))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("variables", [{"WORLD_SIZE": ""}, {"RANK": "1"}, {"RANK": "1", "WORLD_SIZE": "1"}])
def test_what_says_nothing_of_several_processes_is_passed_over(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "mine.toml").write_text(to_toml(tiny.recipe(ADVERSARIAL, "training.steps=1")))
    assert main(["train", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "run")]) == 0


def test_folders_of_one_second_are_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    class Still(named_by_time.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Still":
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(named_by_time, "datetime", Still)
    names = [folder_by_time("mine").name for _ in range(3)]
    assert names == ["mine-20260102-030405", "mine-20260102-030405-2", "mine-20260102-030405-3"]


def test_a_run_goes_on_where_its_faces_were_moved(tmp_path: Path, capsys: Any) -> None:
    write(tmp_path / "faces", *numbered(60))
    recipe = tiny.recipe(ADVERSARIAL, f"data.source={tmp_path / 'faces'}", "training.checkpoint_every_seconds=0")
    whole = tiny.train(tmp_path / "whole", recipe)
    with pytest.raises(Killed):
        tiny.train(tmp_path / "run", recipe, Watcher(32, kill))
    shutil.move(tmp_path / "faces", tmp_path / "elsewhere")
    assert main(["resume", str(tmp_path / "run")]) == 2
    assert "--data" in capsys.readouterr().err
    assert main(["resume", str(tmp_path / "run"), "--data", str(tmp_path / "elsewhere")]) == 0
    assert_same_outcome(Run.open(tmp_path / "run"), whole)
    write(tmp_path / "others", *numbered(60), seed=99)
    assert main(["resume", str(tmp_path / "run"), "training.steps=99", "--data", str(tmp_path / "others")]) == 2
    assert "other faces" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypmif1", "HEIC"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL ", "JPEG XL"),
    ],
)
def test_a_picture_of_a_kind_that_is_not_read_is_named(start: bytes, name: str) -> None:
    with pytest.raises(BadPicture, match=f"{name}, .* save it as JPEG"):
        decode(start + bytes(100), 32, "square")


def test_the_doctor_is_quick_where_a_kind_of_number_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, str]] = []

    def seconds(side: int, device: Any, kind: str) -> float:
        asked.append((side, kind))
        return 2 * side**3 / (50e6 if kind == "bfloat16" else 100e9)

    monkeypatch.setattr(doctor, "seconds_of_product", seconds)
    cpu = torch.device("cpu")
    assert doctor.speed(cpu, "float32") == "100 GFLOP/s"
    assert doctor.speed(cpu, "bfloat16") == "0.05 GFLOP/s"
    assert sum(2 * side**3 / 50e6 for side, kind in asked if kind == "bfloat16") < 10
