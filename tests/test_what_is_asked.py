"""Sampling means what was asked, and what is no picture is refused, by a run and by an exported file alike."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import mien
from mien.cli import main, viewing_commands
from mien.errors import DataError
from mien.pictures.arrays import agreeing, labels, never_together
from mien.runs.folder import Run
from tiny import CONDITIONAL, ENCODING

NAMES = ("male", "female", "smiling")
SEEN = [([1, 0, 0], 50), ([0, 1, 1], 30), ([0, 1, 0], 10), ([1, 0, 1], 10)]


def drawn(count: int = 1000, **attributes: float) -> np.ndarray:
    y = labels(NAMES, SEEN, count, seed=0, given=attributes, model="m")
    assert y is not None
    return y


def test_what_excludes_what_is_asked_for_is_not_drawn() -> None:
    assert drawn(male=1)[:, 1].max() == 0
    assert drawn(female=1)[:, 0].max() == 0


def test_the_others_are_as_frequent_as_in_faces_that_have_what_is_asked() -> None:
    assert drawn(20_000, male=1)[:, 2].mean() == pytest.approx(10 / 60, abs=0.01)
    assert drawn(20_000, female=1)[:, 2].mean() == pytest.approx(30 / 40, abs=0.01)
    assert drawn(20_000)[:, 2].mean() == pytest.approx(0.4, abs=0.01)


def test_what_no_face_has_is_drawn_as_it_is_asked_and_is_known_to_be_that() -> None:
    both = drawn(male=1, female=1)
    assert (both[:, :2] == 1).all()
    assert never_together(NAMES, SEEN, {"male": 1, "female": 1})
    assert not never_together(NAMES, SEEN, {"male": 1, "smiling": 1})
    assert not never_together(NAMES, SEEN, {"smiling": 0.5})


values = st.lists(st.integers(0, 1), min_size=3, max_size=3)


@given(
    st.lists(values, min_size=1, max_size=8, unique_by=tuple), st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1))
)
def test_those_that_agree_are_as_near_as_any_and_the_rest_is_farther(seen: Any, asked: dict[str, float]) -> None:
    combinations = [(row, 1) for row in seen]
    kept = [tuple(row) for row, _ in agreeing(NAMES, combinations, asked)]

    def apart(row: Any) -> float:
        return sum(abs(row[NAMES.index(name)] - value) for name, value in asked.items())

    assert kept
    assert max(map(apart, kept)) == pytest.approx(min(map(apart, seen)))
    assert all(apart(row) > min(map(apart, seen)) for row in seen if tuple(row) not in kept)


def test_a_face_that_was_never_seen_is_said_to_be_that(
    trained_runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = mien.open_run(trained_runs[CONDITIONAL].path)
    seen = Counter(tuple(row) for row, _ in trained.combinations)
    asked = (
        next(row for row in np.ndindex(*[2] * len(trained.attributes)) if row not in seen) if len(seen) < 8 else None
    )
    first = trained.attributes[0]
    assert (
        main(["sample", str(trained_runs[CONDITIONAL].path), "--set", f"{first}=1", "--out", str(tmp_path / "a.png")])
        == 0
    )
    assert "no training face" not in capsys.readouterr().out
    if asked:
        words = [f"{name}={value}" for name, value in zip(trained.attributes, asked, strict=True)]
        given = ["sample", str(trained_runs[CONDITIONAL].path), "--out", str(tmp_path / "b.png"), "--set", *words]
        assert main(given) == 0
        assert "no training face has" in capsys.readouterr().out


@pytest.fixture(scope="module")
def opened(trained_runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """A run that encodes, and what was exported of it."""
    file = tmp_path_factory.mktemp("asked") / "model.onnx"
    assert main(["export", str(trained_runs[ENCODING].path), "--to", "onnx", str(file)]) == 0
    return [mien.open_run(trained_runs[ENCODING].path), mien.open_run(file)]


@pytest.mark.parametrize("method", ["reconstruct", "encode"])
@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.random.default_rng(0).random((2, 32, 32, 3), np.float32), r"float32: .* They go from 0\.\d+ to 0\.9\d+"),
        (np.zeros((2, 32, 32, 3)) - 1, r"float64: .* They go from -1 to -1"),
        (np.zeros((2, 3, 32, 32), np.uint8), r"shape \[2, 3, 32, 32\]: expected uint8 \[N,32,32,3\]"),
        (np.zeros((32, 32, 3), np.uint8), r"shape \[32, 32, 3\]"),
        (np.zeros((2, 32, 32), np.uint8), r"shape \[2, 32, 32\]"),
        (np.zeros((2, 64, 64, 3), np.uint8), r"shape \[2, 64, 64, 3\]"),
        ("me.jpg", r"pictures are str: .* mien\.open_faces"),
        ([[0]], r"pictures are list"),
    ],
)
def test_what_are_no_pictures_is_refused(method: str, images: Any, words: str, opened: list[Any]) -> None:
    for model in opened:
        with pytest.raises(DataError, match=words):
            getattr(model, method)(images)


@pytest.mark.parametrize("z", [np.zeros(8, np.float32), np.zeros((2, 7), np.float32), [[0.0] * 8], "z"])
def test_what_are_no_latents_is_refused(z: Any, opened: list[Any]) -> None:
    for model in opened:
        with pytest.raises(DataError, match=r"latents are .*: expected an array of numbers, \[N,8\]"):
            model.generate(z)


def test_a_conditional_model_asks_for_its_attributes(trained_runs: dict[str, Run]) -> None:
    model = mien.open_run(trained_runs[CONDITIONAL].path)
    for y in (None, np.zeros((2, 1), np.float32), np.zeros((3, len(model.attributes)), np.float32)):
        with pytest.raises(DataError, match=r"attributes are"):
            model.generate(np.zeros((2, 8), np.float32), y)


@pytest.mark.parametrize("name", [ENCODING, CONDITIONAL])
def test_faces_are_written_one_by_one_into_a_folder(
    name: str, trained_runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewing_commands, "AT_A_TIME", 4)
    run = str(trained_runs[name].path)
    assert main(["sample", run, "--count", "10", "--seed", "3", "--out", str(tmp_path / "new" / "faces")]) == 0
    files = sorted((tmp_path / "new" / "faces").iterdir())
    assert [file.name for file in files] == [f"{at:05d}.png" for at in range(10)]
    written = np.stack([np.asarray(Image.open(file)) for file in files])
    assert np.abs(written.astype(int) - mien.open_run(run).sample(10, seed=3)).max() <= 1
    assert main(["sample", run, "--out", str(tmp_path / "new" / "faces")]) == 2
    assert sorted((tmp_path / "new" / "faces").iterdir()) == files


def test_what_is_no_run_is_called_by_what_it_is(
    trained_runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained_runs[ENCODING]
    Image.new("RGB", (32, 32)).save(tmp_path / "me.png")
    for path, words in (
        (run.checkpoint, "a checkpoint, which goes on with a training"),
        (run.recipe_file, "not a file of weights"),
        (tmp_path / "me.png", "not a file of weights"),
    ):
        assert main(["sample", str(path), "--out", str(tmp_path / "a.png")]) == 2
        told = capsys.readouterr().err
        assert words in told
        assert "Train the run again" not in told
