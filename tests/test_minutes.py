"""Time in hand: minutes in place of a length, settled by the speed of this machine."""

import json
from pathlib import Path
from typing import Any

import pytest

import tiny
from mien.cli import main
from mien.faces import Faces
from mien.judge import JudgeConfig, judge_of, judge_time
from mien.models import MODELS
from mien.recipes.recipe import Recipe
from mien.runs.folder import Run
from mien.runs.plan_folder import plan_runs
from mien.sessions import minutes
from mien.sessions.minutes import fit, images_of_each, time_in_hand
from mien.studies.recipes_of_arms import load_study
from mien.studies.run_study import Length, begin_study
from mien.training.config import TrainConfig
from mien.training.speed import seconds_per_image

TINY = ("model.width=4", "model.latent_dim=8", "training.batch_size=8", "training.device=cpu")
SPEEDS = {name: 0.01 * (1 + place) for place, name in enumerate(MODELS)}  # seconds an image


@pytest.fixture
def known_speeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minutes, "speed_of", lambda recipe, faces: SPEEDS[recipe.name])
    monkeypatch.setattr(minutes, "seconds_beside", lambda recipes, faces, time_left: 100.0)


def seconds_of(recipe: Recipe) -> float:
    assert recipe.training.steps
    return recipe.training.steps * recipe.training.batch_size * SPEEDS[recipe.name]


def test_the_recipes_fill_the_time_and_stay_as_long_to_one_another_as_they_were(
    known_speeds: None, faces: Faces
) -> None:
    lengths = dict(zip(MODELS, (100, 200, 300), strict=False))
    recipes = [tiny.recipe(name, f"training.steps={length}") for name, length in lengths.items()]
    time = time_in_hand(20)
    assert time
    fitted = fit(recipes, faces, time)
    assert sum(map(seconds_of, fitted)) == pytest.approx(20 * 60 * 0.96 - 15 - 100, rel=0.01)
    ratios = [recipe.training.steps / lengths[recipe.name] for recipe in fitted if recipe.training.steps]
    assert max(ratios) / min(ratios) < 1.01


def test_a_length_in_steps_counts_the_images_of_its_steps(known_speeds: None, faces: Faces) -> None:
    small = tiny.recipe(tiny.ADVERSARIAL, "training.steps=100")
    large = tiny.recipe(tiny.ADVERSARIAL, "training.steps=100", "training.batch_size=16")
    thrice = tiny.recipe(tiny.ADVERSARIAL, "training.steps=100", "model.discriminator_updates=3")
    time = time_in_hand(20)
    assert time
    fitted = [recipe.training.steps for recipe in fit([small, large, thrice], faces, time)]
    assert fitted[0] == pytest.approx(fitted[1], rel=0.01) == pytest.approx(fitted[2], rel=0.01)


def test_the_runs_of_a_study_see_equally_many_images(known_speeds: None, faces: Faces) -> None:
    recipes = [tiny.recipe(name) for name in MODELS]
    time = time_in_hand(20)
    assert time
    images = images_of_each(recipes, faces, time, seeds=2)
    assert 2 * images * sum(SPEEDS.values()) == pytest.approx(20 * 60 * 0.96 - 15 - 100, rel=0.01)


def test_a_run_shows_samples_early_and_has_some_snapshots_and_lines(known_speeds: None, faces: Faces) -> None:
    name = next(iter(MODELS))
    time = time_in_hand(60)
    assert time
    (recipe,) = fit([tiny.recipe(name)], faces, time)
    training = recipe.training
    assert training.first_snapshot_images == pytest.approx(30 / SPEEDS[name], rel=0.01)
    moments = [
        seen for seen in range(8, training.total_images(1, 8) + 8, 8) if training.is_snapshot_due(seen - 8, seen)
    ]
    assert len(moments) == 16 + len([30 * 2**k for k in range(9) if 30 * 2**k < 60 * 60 / 16 * 0.9])
    assert len(range(0, training.total_images(1, 8), training.log_every_images)) == pytest.approx(60, abs=2)


def test_early_snapshots_double_until_the_usual_ones() -> None:
    config = TrainConfig(steps=1, snapshot_every_images=100, first_snapshot_images=20)
    due = [seen for seen in range(10, 310, 10) if config.is_snapshot_due(seen - 10, seen)]
    assert due == [20, 40, 80, 100, 200, 300]


def test_a_speed_counts_rare_and_late_phases_for_their_share(faces: Faces, tmp_path: Path) -> None:
    model = tiny.model(tiny.ADVERSARIAL, r1_weight=1.0, r1_every=4)
    trainer = tiny.trainer(model, tmp_path, some_faces=faces, steps=1000)
    calls: dict[str, int] = {}
    for phase in model.phases:
        object.__setattr__(phase, "loss", counting(phase.name, phase.loss, calls))
    assert seconds_per_image(trainer, 0.0) > 0
    assert calls["discriminator"] == 4 * calls["r1"] == 8
    assert not trainer.checkpoint.exists()


def counting(name: str, loss: Any, calls: dict[str, int]) -> Any:
    def counted(batch: Any) -> Any:
        calls[name] = calls.get(name, 0) + 1
        return loss(batch)

    return counted


@pytest.mark.long
def test_a_plan_of_one_minute_is_trained_measured_and_resumable(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(minutes, "speed_of", lambda recipe, faces: 0.1)  # a slow machine, for a short test
    monkeypatch.setattr(minutes, "seconds_beside", lambda recipes, faces, time_left: 15.0)
    out = tmp_path / "plan"
    command = ["run", "--data", tiny.SOURCE, "--minutes", "1", "--out", str(out)]
    assert main([*command, *TINY, "training.learning_rate=1e-4"]) == 0
    said = capsys.readouterr().err
    assert "1 minutes here: " in said
    assert "samples in " in said
    runs = plan_runs(out)
    assert all(run.recipe().training.steps and run.weights.exists() for run in runs)
    assert json.loads((out / "metrics.json").read_text())["runs"].keys() == {run.path.name for run in runs}


def test_the_runs_of_a_study_of_some_minutes_are_made_with_one_length(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(minutes, "speed_of", lambda recipe, faces: 0.01)
    monkeypatch.setattr(minutes, "seconds_beside", lambda recipes, faces, time_left: 100.0)
    study, watcher = load_study("kl-weight"), tiny.Watcher()
    folder, _ = begin_study(
        study, Length(seeds=2, minutes=10), source=tiny.SOURCE, out=tmp_path / "study", overrides=TINY, observer=watcher
    )
    recipes = [run.recipe() for run in plan_runs(folder)]
    assert len(recipes) == 2 * 6
    (steps,) = {recipe.training.steps for recipe in recipes}
    assert steps * 8 * 0.01 * len(recipes) == pytest.approx(10 * 60 * 0.96 - 15 - 100, rel=0.02)
    assert len([words for words in watcher.notes if "read as" in words]) == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["run", "--minutes", "0.5"], "--minutes 0.5: give 1 to 43,200"),
        (["run", "--minutes", "nan"], "--minutes nan: give 1 to 43,200"),
        (["run", "--minutes", "5", "training.steps=3"], "--minutes and 'training.steps=3' both give a length"),
        (["train", "vae-quick", "--minutes", "5", "training.epochs=3"], "both give a length"),
        (["study", "kl-weight", "--minutes", "5", "--images", "100"], "--images and --minutes both give a length"),
    ],
)
def test_a_time_that_is_none_or_is_given_twice_is_refused(
    command: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *(() if command[0] == "study" else ("--data", tiny.SOURCE))]) == 2
    assert words in capsys.readouterr().err


def test_the_judge_takes_as_long_as_its_images_until_it_is_there(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path))
    config = JudgeConfig()
    time = judge_time(faces)
    assert time.to_train == pytest.approx(config.fewest_images * time.an_image)
    judge_of(faces)
    assert judge_time(faces).to_train == 0


@pytest.mark.long
def test_too_few_minutes_for_judge_and_measuring_say_how_many_it_takes(
    faces: Faces, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(minutes, "seconds_beside", lambda recipes, faces, time_left: 600.0)
    out = tmp_path / "plan"
    assert main(["run", "--data", tiny.SOURCE, "--minutes", "5", "--out", str(out), *TINY]) == 2
    assert "--minutes 5: the judge and measuring take 10.0 of them here" in capsys.readouterr().err
    assert not Run(out / tiny.ENCODING).recipe_file.exists()
