"""Whether a run is what its recipe gives: which runs are compared, and what is said of them."""

import json
import shutil
from pathlib import Path

import pytest

import tiny
from mien.metrics.numbers import find
from mien.recipes import expected as expectations
from mien.recipes.expected import Expected, all_expected, expected_of, preset
from mien.recipes.recipe import Recipe, load_recipe, presets
from mien.report.build import build_report
from mien.report.sentences import expectation_sentence
from mien.runs.folder import Run
from mien.runs.score import Score

PRESET = "vae-quick"
GIVEN = Expected(
    recipe=PRESET,
    source="drawn",
    seeds=3,
    images_seen=1000,
    machine="a machine",
    numbers={"test_mse": (0.01, 0.02), "sharpness_samples": (0.5, 0.6)},
)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectations, "all_expected", lambda: (GIVEN,))


@pytest.mark.parametrize(
    ("changes", "images_seen"),
    [
        ((), 1000),
        (("training.seed=7", "training.precision=float32", "training.steps=99", 'model.attributes=["Male"]'), 1050),
        (("training.log_every_images=5",), 905),
    ],
)
def test_a_run_of_the_recipe_is_compared(changes: tuple[str, ...], images_seen: int) -> None:
    name = PRESET if not any("attributes" in change for change in changes) else "acgan-quick"
    entry = GIVEN.model_copy(update={"recipe": name})
    found = with_entries(entry, load_recipe(name, changes), images_seen)
    assert found is entry


@pytest.mark.parametrize(
    ("changes", "images_seen"),
    [
        ((), 2000),
        ((), 800),
        (("model.kl_weight=1e-3",), 1000),
        (("training.learning_rate=1e-4",), 1000),
        (("data.source=drawn:500",), 1000),
        (("data.size=64",), 1000),
        (("data.horizontal_flips=true",), 1000),
    ],
)
def test_another_recipe_length_or_set_of_faces_is_not(changes: tuple[str, ...], images_seen: int) -> None:
    assert with_entries(GIVEN, load_recipe(PRESET, changes), images_seen) is None


def with_entries(entry: Expected, recipe: Recipe, images_seen: int) -> Expected | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expectations, "all_expected", lambda: (entry,))
        return expected_of(recipe, images_seen)


@pytest.mark.parametrize(
    ("mse", "verdict", "place"),
    [
        (0.015, "is what the recipe gives", "(expected 0.01000 to 0.02000)"),
        (0.025, "is not in all what the recipe gives", "(expected 0.01000 to 0.02000, higher)"),
        (0.005, "is not in all what the recipe gives", "(expected 0.010000 to 0.020000, lower)"),
    ],
)
def test_what_is_said_of_it(mse: float, verdict: str, place: str) -> None:
    told = expectation_sentence(GIVEN, {"test_mse": Score(mse)})
    assert f"This run {verdict}." in told
    assert place in told
    assert "Sharpness" not in told


def test_nothing_is_said_where_nothing_was_measured() -> None:
    assert expectation_sentence(GIVEN, {}) == ""


def test_the_report_says_it(trained_runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.open(shutil.copytree(trained_runs[tiny.ENCODING].path, tmp_path / "run"))
    entry = GIVEN.model_copy(update={"source": run.recipe().data.source, "images_seen": run.log()[-1]["images_seen"]})
    monkeypatch.setattr(expectations, "all_expected", lambda: (entry,))
    monkeypatch.setattr(expectations, "preset", lambda name: run.recipe())
    run.metrics_file.write_text(json.dumps({"test_mse": {"value": 0.3}}))
    page = build_report(tmp_path, [run], tiny.faces(), title="Tiny", skipped={})
    assert "This run is not in all what the recipe gives." in page.read_text(encoding="utf-8")


def test_what_is_recorded_is_of_presets_and_numbers_that_there_are() -> None:
    for entry in all_expected.__wrapped__():
        assert entry.recipe in presets()
        assert preset(entry.recipe)
        for name, (low, high) in entry.numbers.items():
            assert low < high
            assert find(name).number.headline
