"""Plans: from faces to trained, measured and reported runs, nothing done twice."""

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import mien
import tiny
from awkward import numbered, write
from mien.api import resume_plan
from mien.cli.terminal import Terminal
from mien.errors import DataError, Diverged, Interrupted, MienError, RecipeError, RunError
from mien.faces import UNKNOWN, Faces
from mien.models import MODELS
from mien.recipes.recipe import load_recipe
from mien.report.write import PlanResult, report_folder
from mien.runs.folder import Run
from mien.runs.score import Score, read_scores
from mien.sessions import measure, train
from mien.sessions.chosen_by_data import settle_attributes, usable_attributes
from mien.sessions.measure import Measuring, measure_run
from mien.sessions.recipe_faces import read_faces
from mien.sessions.train import change_length, start_run
from mien.studies.plan import load_plan, plan_recipes
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

NARROW = ("model.width=4", "model.latent_dim=8", "training.batch_size=8", "training.steps=4", "training.device=cpu")

PLAN_FILES = ("plan.json", "metrics.json", "report")
ABSENT = "cuda" if torch.backends.mps.is_available() else "mps"  # no machine has both


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> PlanResult:
    return mien.run(tiny.SOURCE, "quick", out=tmp_path_factory.mktemp("plans") / "plan", overrides=NARROW)


@pytest.fixture
def plan(finished: PlanResult, tmp_path: Path) -> Path:
    """A copy of a finished plan, to do anything with."""
    return shutil.copytree(finished.folder, tmp_path / "plan")


def plan_file(folder: Path, *recipes: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(f'name = "mine"\ntitle = "Mine"\nrecipes = {json.dumps(recipes)}')
    return path


# From end to end


def test_a_plan_leaves_trained_measured_and_reported_runs(finished: PlanResult) -> None:
    there = {path.name for path in finished.folder.iterdir() if path.suffix != ".lock"}
    assert there == {ENCODING, ADVERSARIAL, CONDITIONAL, *PLAN_FILES}
    assert finished.report == finished.folder / "report" / "report.html"
    assert finished.report.stat().st_size > 10_000
    for name in (ENCODING, ADVERSARIAL, CONDITIONAL):
        run = Run.open(finished.folder / name)
        assert run.weights.exists()
        assert run.metrics() == finished.metrics[name]
    assert not finished.skipped


def test_the_figures_have_the_names_of_the_coursework(finished: PlanResult) -> None:
    names = {path.stem for path in (finished.report.parent / "figures").iterdir()}
    expected = "fig1_2 fig1_3 fig1_4 fig1_5 fig2_2 fig2_3 fig3_2 fig3_3"
    assert set(expected.split()) <= names


def test_the_numbers_of_all_runs_are_in_one_file(finished: PlanResult, faces: Any) -> None:
    numbers = json.loads((finished.folder / "metrics.json").read_text())
    assert (numbers["data"], numbers["skipped"]) == (faces.fingerprint, {})
    assert {name: read_scores(content) for name, content in numbers["runs"].items()} == finished.metrics
    keys = {"value", "low", "high", "images", "protocol", "metric", "weights", "extractors"}
    assert set(numbers["runs"][ENCODING]["test_mse"]) == keys


def test_the_attributes_that_were_chosen_are_in_the_recipe(finished: PlanResult) -> None:
    assert Run.open(finished.folder / CONDITIONAL).recipe().model.attributes == ("Male", "Smiling", "Eyeglasses")


# Going on


def test_resuming_a_finished_plan_does_nothing_twice(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "subject_of", refuse)
    monkeypatch.setattr(train, "Trainer", refuse)
    before = {path: path.stat().st_mtime_ns for path in plan.glob("*/*.*") if path.parent.name != "report"}
    assert resume_plan(plan).metrics.keys() == {ENCODING, ADVERSARIAL, CONDITIONAL}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def refuse(*given: Any, **named: Any) -> None:
    raise AssertionError("should not have been called")


def test_other_weights_are_scored_anew(plan: Path, faces: Any) -> None:
    run = Run.open(plan / ADVERSARIAL)
    before = run.metrics()["sharpness_samples"]
    shutil.copy(plan / ENCODING / "weights.safetensors", run.weights)
    measure_run(run, Measuring(faces))
    assert run.metrics()["sharpness_samples"]["weights"] != before["weights"]


@pytest.mark.long
def test_numbers_that_cannot_be_read_are_measured_again(plan: Path) -> None:
    run = Run.open(plan / ADVERSARIAL)
    before = run.metrics()
    run.metrics_file.write_text("{")
    assert resume_plan(plan).metrics[ADVERSARIAL] == before


def test_a_run_is_not_measured_on_faces_that_it_was_not_trained_on(plan: Path, faces: Any) -> None:
    run = Run.open(plan / ADVERSARIAL)
    run.metrics_file.unlink()
    with pytest.raises(
        RunError, match=r"was trained on other faces .* Put the old faces back, or give them with --data"
    ):
        measure_run(run, Measuring(replace(faces, fingerprint="others")))
    assert run.metrics() == {}


def test_no_report_shows_faces_that_a_run_was_not_trained_on(plan: Path, tmp_path: Path) -> None:
    """A run of somebody else may name any folder as its data, such as that of one's own photographs."""
    for folder in (plan, plan / ADVERSARIAL):
        before = (plan / "report" / "report.html").read_bytes()
        first = ENCODING if folder == plan else ADVERSARIAL
        with pytest.raises(RunError, match=rf"{first}: was trained on other faces than drawn:300 holds now"):
            report_folder(folder, source="drawn:300")
        assert (plan / "report" / "report.html").read_bytes() == before
    assert not (plan / ADVERSARIAL / "report").exists()


def test_a_new_extractor_measures_only_what_it_is_asked_for(plan: Path, faces: Any) -> None:
    run = Run.open(plan / ADVERSARIAL)
    before = run.metrics()
    measure_run(run, Measuring(faces, more=(Pixels(),)))
    after = run.metrics()
    assert {name for name in after if "_pixels_" in name}
    assert {score["metric"] for name, score in after.items() if before.get(name) != score} == {"distribution"}
    measure_run(run, Measuring(faces))
    assert run.metrics() == after


class Pixels:
    name, protocol = "pixels", "a few pixels"

    def __call__(self, images: Any) -> Any:
        return images[:, ::8, ::8].reshape(len(images), -1).astype(np.float32)


@pytest.mark.long
def test_a_stopped_plan_names_its_folder_and_goes_on_exactly(finished: PlanResult, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"

    class StopsOne(tiny.Watcher):
        def training(self, name: str, images_seen: int, total: int, line: dict[str, Any]) -> None:
            if name == ADVERSARIAL:
                super().training(name, images_seen, total, line)

    stopping = StopsOne(16, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted, match=r"stopped at 16 of 32 images.*mien resume .*/stopped$"):
        mien.run(tiny.SOURCE, out=folder, overrides=NARROW, observer=stopping)
    assert not (folder / "metrics.json").exists()
    assert resume_plan(folder).metrics == finished.metrics


@pytest.mark.long
def test_a_training_that_diverges_costs_the_others_nothing(tmp_path: Path) -> None:
    changes = ("training.learning_rate=9", "training.steps=200", "training.log_every_images=8")
    absurd = [f"{ENCODING}.{change}" for change in changes]
    words = rf"^{ENCODING}: .* training has diverged.*The report of the rest: .*report.html"
    with pytest.raises(Diverged, match=words):
        mien.run(tiny.SOURCE, out=tmp_path / "plan", overrides=[*NARROW, *absurd])
    assert Run.open(tmp_path / "plan" / ADVERSARIAL).metrics()
    assert (tmp_path / "plan" / "report" / "report.html").exists()


def test_pictures_that_are_all_alike_are_refused(tmp_path: Path) -> None:
    for index in range(20):
        Image.new("RGB", (32, 32), "red").save(tmp_path / f"{index}.png")
    with pytest.raises(DataError, match=r"its 20 pictures are too much alike to be divided"):
        mien.run(tmp_path, out=tmp_path / "plan", overrides=NARROW)


def test_the_faces_and_how_they_were_read_are_noted(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal() as terminal:
        read_faces(tiny.recipe(ENCODING).data, terminal)
    assert "read as the embedded faces, drawn: " in capsys.readouterr().err


def test_a_folder_that_holds_a_plan_is_refused(plan: Path) -> None:
    with pytest.raises(RunError, match=r"holds a plan already. `mien resume .*plan` goes on with it"):
        mien.run(tiny.SOURCE, out=plan, overrides=NARROW)


def test_a_folder_that_is_no_plan_or_of_another_version_is_refused(plan: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a plan's folder \(it has no plan.json\)"):
        resume_plan(tmp_path)
    (plan / "plan.json").write_text('{"format": 8}')
    with pytest.raises(RunError, match=r"is a plan of format 8; this version of mien reads format 1"):
        resume_plan(plan)


# Recipes of a plan


def test_an_override_goes_to_the_recipe_it_names_or_to_all_that_have_the_key() -> None:
    overrides = [f"{ENCODING}.training.steps=3", "training.seed=4", "model.kl_weight=0.5", "model.r1_weight=2"]
    recipes = plan_recipes(load_plan("coursework"), overrides)
    first, second, third = (recipe.model for recipe in recipes)
    assert [recipe.training.steps for recipe in recipes] == [3, 50_000, 15_000]
    assert [recipe.training.seed for recipe in recipes] == [4, 4, 4]
    assert (first.kl_weight, second.r1_weight, third.r1_weight) == (0.5, 2, 2)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.kl_wieght=1", r"model.kl_wieght is not a key. Did you mean 'kl_weight'"),
        (f"{ADVERSARIAL}.model.kl_weight=1", r"gan-quick.toml: model.kl_weight is not a key"),
        ("vea.training.steps=3", r"vea is not a key"),
        ("data.size=48", r"data.size is 48"),
    ],
)
def test_an_override_that_no_recipe_takes_is_refused(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        plan_recipes(load_plan("quick"), [override])


def test_two_recipes_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=rf"two of its recipes have one name \({ENCODING}\). Rename one"):
        plan_recipes(load_plan(plan_file(tmp_path, "vae-quick", "vae-coursework")))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            f"{ADVERSARIAL}.data.size=64",
            rf"data.size differs \({ENCODING}: 32, {ADVERSARIAL}: 64, {CONDITIONAL}: 32\). Give one for all of them",
        ),
        (f"{ADVERSARIAL}.data.crop=square", r"data.crop differs"),
    ],
)
def test_recipes_that_prepare_their_faces_differently_are_refused(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        mien.run(tiny.SOURCE, out=tmp_path / "plan", overrides=[override])
    assert not (tmp_path / "plan").exists()


def test_the_recipes_of_a_plan_are_found_beside_it(tmp_path: Path) -> None:
    recipe = f'name = "theirs"\nmodel = {{name = "{ENCODING}"}}\ntraining = {{steps = 1}}'
    (tmp_path / "theirs.toml").write_text(recipe)
    names = [recipe.name for recipe in plan_recipes(load_plan(plan_file(tmp_path, "theirs.toml", "gan-quick")))]
    assert names == ["theirs", ADVERSARIAL]


def test_a_plan_takes_the_faces_of_its_recipes_where_none_are_given(tmp_path: Path) -> None:
    recipe = f'name = "theirs"\nmodel = {{name = "{ENCODING}"}}\ntraining = {{steps = 1}}\n'
    theirs = tmp_path / "theirs.toml"
    theirs.write_text(recipe + 'data = {source = "drawn:150", size = 32}')
    result = mien.run(None, plan_file(tmp_path, str(theirs)), out=tmp_path / "plan", overrides=NARROW)
    assert Run.open(result.folder / "theirs").recipe().data.source == "drawn:150"


@pytest.mark.parametrize(
    ("override", "kind", "message"),
    [
        (f"{ADVERSARIAL}.model.depth=5", RecipeError, r"depth is 5, but an image of 32 x 32 pixels"),
        ('model.attributes=["Smilling"]', DataError, r"no attribute 'Smilling'. Did you mean 'Smiling'\?"),
        (f"training.device={ABSENT}", RecipeError, rf"device is '{ABSENT}', but PyTorch .* finds no such device here"),
    ],
)
def test_a_plan_that_cannot_run_is_refused_before_anything_is_written(
    override: str, kind: type[MienError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        mien.run(tiny.SOURCE, out=tmp_path / "plan", overrides=[*NARROW, override])
    assert not (tmp_path / "plan").exists()


# Attributes


def labelled(faces: Faces, **columns: list[int]) -> Faces:
    """The same faces with other attributes, each a value for the first faces of the training split, 0 for the rest."""
    attributes = np.zeros((len(faces.images), len(columns)), np.int8)
    rows = faces.rows("train")
    for index, values in enumerate(columns.values()):
        attributes[rows[: len(values)], index] = values
    return replace(faces, attributes=attributes, attribute_names=tuple(columns))


def test_the_attributes_people_ask_for_are_chosen_and_otherwise_the_most_even_ones(faces: Faces) -> None:
    recipe = tiny.recipe(CONDITIONAL)
    chosen = settle_attributes(recipe, labelled(faces, Hat=[1] * 30, Smiling=[1] * 10, Male=[1] * 20))[0]
    assert chosen.model.attributes == ("Male", "Smiling")
    others = labelled(faces, A=[1] * 20, B=[1] * 60, C=[1] * 40, D=[1] * 50, E=[1] * 9)
    assert settle_attributes(recipe, others)[0].model.attributes == ("B", "D", "C")


def test_an_attribute_is_usable_with_ten_faces_on_either_side_that_are_known(faces: Faces) -> None:
    everyone = len(faces.rows("train"))
    some = labelled(
        faces, Few=[1] * 9, Enough=[1] * 10, All=[1] * everyone, Unknown=[UNKNOWN] * (everyone - 12) + [1] * 9
    )
    assert usable_attributes(some) == ["Enough"]


def test_an_attribute_that_was_asked_for_and_cannot_be_learnt_is_the_reason(faces: Faces) -> None:
    recipe = tiny.recipe(CONDITIONAL, 'model.attributes=["Few"]')
    why = settle_attributes(recipe, labelled(faces, Few=[1] * 9, Enough=[1] * 10))[1]
    assert why == "fewer than 10 training faces are with, or without, Few, so it cannot be learnt."


@pytest.mark.long
@pytest.mark.parametrize("table", [None, "file,Male\n" + "".join(f"{name},1\n" for name in numbered(40))])
def test_without_two_labels_a_conditional_model_is_left_out_and_others_run(table: str | None, tmp_path: Path) -> None:
    write(tmp_path / "faces", *numbered(40))
    if table:
        (tmp_path / "faces" / "attributes.csv").write_text(table)
    result = mien.run(tmp_path / "faces", out=tmp_path / "plan", overrides=NARROW)
    reason = "has none of its 1." if table else "has no attributes."
    assert reason in result.skipped[CONDITIONAL]
    assert list(result.metrics) == [ENCODING, ADVERSARIAL]
    assert reason in result.report.read_text()
    assert resume_plan(result.folder).skipped == result.skipped


def test_a_plan_of_which_nothing_can_run_says_why(tmp_path: Path) -> None:
    write(tmp_path / "faces", *numbered(40))
    words = rf"none of its recipes can be run on these faces. {CONDITIONAL}: it needs an attribute"
    with pytest.raises(RecipeError, match=words):
        mien.run(tmp_path / "faces", plan_file(tmp_path, "acgan-quick"), out=tmp_path / "plan")
    assert not (tmp_path / "plan").exists()


def test_a_conditional_model_alone_on_faces_without_attributes_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "faces", *numbered(40))
    recipe = tiny.recipe(CONDITIONAL, f"data.source={tmp_path}/faces")
    others = " or a ".join(name for name in MODELS if not tiny.has_attributes(name))
    words = rf"{CONDITIONAL} cannot be trained on .*faces: it needs an attribute.*Train a {others}"
    with pytest.raises(RecipeError, match=words):
        start_run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


# Lengths and reports


def test_a_run_can_be_given_another_length_and_nothing_else(run_of: Any, faces: Any) -> None:
    run = run_of(ADVERSARIAL)
    for override in ("training.seed=2", "model.width=8"):
        with pytest.raises(RecipeError, match=r"only training.steps or training.epochs can change"):
            change_length(run, faces, ["training.steps=20", override])
    assert run.weights.exists()
    run.write_metrics({"test_mse": Score(0.1)})
    change_length(run, faces, ["training.epochs=2"])
    assert run.metrics() == {}
    assert (run.recipe().training.epochs, run.recipe().training.steps) == (2, None)
    assert not run.weights.exists()


def test_a_length_that_is_past_already_changes_nothing(run_of: Any, faces: Any) -> None:
    run = run_of(ADVERSARIAL)
    for override in ("training.steps=7", "training.epochs=0.35"):
        with pytest.raises(RecipeError, match=r"has seen 64 images already.* training.steps=8"):
            change_length(run, faces, [override])
    assert run.weights.exists()
    assert run.recipe().training.steps == 8


def test_what_several_processes_would_all_do_at_once_is_refused(
    run_of: Any, faces: Any, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    for act in (
        lambda: mien.run(tiny.SOURCE, out=plan.parent / "other", overrides=NARROW),
        lambda: resume_plan(plan),
        lambda: change_length(run_of(ADVERSARIAL), faces, ["training.steps=20"]),
    ):
        with pytest.raises(RecipeError, match=r"is for one process, and `torchrun` started 2\. "):
            act()
    assert not (plan.parent / "other").exists()


def test_a_cosine_schedule_fixes_the_length(tmp_path: Path, faces: Any) -> None:
    run = Run.create(tmp_path / "run", load_recipe("vae-quick"), "fingerprint")
    with pytest.raises(RecipeError, match=r"its learning rate follows its length, so the length cannot change"):
        change_length(run, faces, ["training.epochs=20"])


def test_a_single_run_is_reported_and_measured_where_it_was_not(run_of: Any) -> None:
    run = run_of(ENCODING)
    assert report_folder(run.path) == run.path / "report" / "report.html"
    assert "test_mse" in run.metrics()


@pytest.mark.long
def test_a_plan_is_reported_again_from_what_is_there(plan: Path) -> None:
    shutil.rmtree(plan / "report")
    (plan / ENCODING / "metrics.json").unlink()
    assert report_folder(plan).exists()
    assert "test_mse" in Run(plan / ENCODING).metrics()


def test_damaged_weights_are_noted_and_the_rest_is_reported(plan: Path) -> None:
    (plan / ADVERSARIAL / "weights.safetensors").write_bytes(b"damaged")
    assert "weights that cannot be read" in report_folder(plan).read_text()


def test_a_folder_that_is_neither_cannot_be_reported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        report_folder(tmp_path)
