"""Studies: the rule of verdicts, what a study's file says, and a study from its TOML to its page."""

import json
import math
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import filelock
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

import tiny
from awkward import numbered, write
from mien.api import resume_study, run_study
from mien.cli import main
from mien.errors import Interrupted, RecipeError, RunError
from mien.faces import Faces
from mien.files import reading
from mien.judge import judge_of
from mien.metrics import extractors
from mien.metrics.evaluation import METRICS
from mien.metrics.extractors import JudgeFeatures
from mien.metrics.inception import InceptionFeatures
from mien.metrics.numbers import EXTRACTORS, NUMBERS, UNKNOWN, find, metrics_that_measure, unmeasured
from mien.models import MODELS
from mien.recipes.recipe import presets
from mien.report.study_page import claim_in_words
from mien.report.study_pictures import as_number
from mien.report.write import StudyResult, compare_runs, report_study
from mien.runs.folder import Run
from mien.runs.plan_folder import plan_runs, read_plan
from mien.runs.score import Score
from mien.sessions import train
from mien.sessions.measure import Measuring, measure_run
from mien.studies import (
    Answer,
    Budget,
    Claim,
    Comparison,
    Outcome,
    Study,
    answer,
    mean_interval,
    recipes_of_arms,
    value_of,
)
from mien.studies.recipes_of_arms import arms_of, load_study, parameter_count, sketch
from mien.studies.run_study import Length, budget_of
from mien.studies.runner import workers
from mien.studies.runner.processes import work_in_processes
from mien.studies.verdicts import OPPOSITE, by_interval, welch
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

SEVERAL = st.lists(st.floats(0.01, 100), min_size=2, max_size=6)
KINDS = ("lower", "higher", "not lower", "not higher", "fails", "trains")
NEGATIONS = (("lower", "not lower"), ("higher", "not higher"), ("fails", "trains"))


def claim(kind: str, **more: Any) -> Claim:
    return Claim.model_validate({"text": "it is so", "arm": "a", "kind": kind, "than": ["b"], **more})


def verdict(kind: str, own: list[float], other: list[float], **more: Any) -> str:
    return compared(kind, own, other, **more).verdict


def compared(kind: str, own: list[float], other: list[float], **more: Any) -> Comparison:
    """a, b: how many runs of an arm diverged.    to_go: how many of the claim's arm are not trained yet."""
    to_go, diverged = more.pop("to_go", 0), {name: more.pop(name, 0) for name in ("a", "b")}
    outcomes = {
        "a": Outcome(tuple(own), len(own) + diverged["a"] + to_go, diverged["a"]),
        "b": Outcome(tuple(other), len(other) + diverged["b"], diverged["b"]),
    }
    return answer(claim(kind, **more), outcomes).comparisons[0]


# The rule


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((1, 2, 3), (4, 5, 7), (-3.333333333333333, -6.454217285228928, -0.21244938143773773)),
        ((31.2, 30.1), (35.0, 29.9, 33.3), (-2.0833333333333357, -7.817411001011219, 3.650744334344548)),
        ((1e-5, 1.2e-5, 9e-6), (2e-3, 2.1e-3), (-0.002039666666666666, -0.002674142700145136, -0.001405190633188196)),
        ((5, 5), (5, 6), (-0.5, -6.853102368087347, 5.853102368087347)),
        ((2, 2), (3, 3), (-1, -1, -1)),
    ],
)
def test_the_interval_of_a_difference_is_what_welchs_formula_gives(
    one: tuple[float, ...], other: tuple[float, ...], expected: tuple[float, float, float]
) -> None:
    assert welch(one, other) == pytest.approx(expected, rel=1e-9)
    assert welch(other, one) == pytest.approx([-end for end in (expected[0], expected[2], expected[1])], rel=1e-9)


@given(SEVERAL)
def test_the_interval_of_a_mean_is_that_of_students_test_in_scipy(values: list[float]) -> None:
    mean, low, high = mean_interval(values)
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    assert (mean, high - low) == pytest.approx((np.mean(values), 2 * half))


@given(SEVERAL, SEVERAL, st.floats(0, 0.5), st.sampled_from(NEGATIONS))
def test_a_claim_and_its_opposite_have_opposite_verdicts(
    one: list[float], other: list[float], share: float, kinds: tuple[str, str]
) -> None:
    said, denied = (verdict(kind, one, other, by_share=share) for kind in kinds)
    assert denied == OPPOSITE[said]  # type: ignore[index]


@given(SEVERAL, SEVERAL, st.floats(0, 50), st.floats(0, 50))
def test_a_wider_margin_never_makes_a_claim_hold(one: list[float], other: list[float], by: float, more: float) -> None:
    if verdict("lower", one, other, by=by + more) == "holds":
        assert verdict("lower", one, other, by=by) == "holds"


@given(SEVERAL, SEVERAL)
def test_lower_than_another_is_what_the_other_is_higher_than(one: list[float], other: list[float]) -> None:
    assert verdict("lower", one, other) == verdict("higher", other, one)


@given(st.floats(-5, 5), st.floats(0, 5), st.sampled_from(KINDS))
def test_an_interval_that_holds_zero_decides_nothing(middle: float, half: float, kind: Any) -> None:
    decided = by_interval(middle - half, middle + half, kind) != "undecided"
    assert decided == (middle - half > 0 or middle + half < 0)


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_decides_nothing(kind: str) -> None:
    assert verdict(kind, [1.0], [9.0, 9.1, 9.2]) == verdict(kind, [9.0, 9.1, 9.2], [1.0]) == "undecided"


def test_a_margin_is_counted_as_a_share_of_the_other_arm() -> None:
    assert verdict("lower", [0.93, 0.931], [1.0, 1.001], by_share=0.05) == "holds"
    assert verdict("lower", [0.97, 0.971], [1.0, 1.001], by_share=0.05) == "does not hold"
    assert verdict("not higher", [1.02, 1.021], [1.0, 1.001], by_share=0.05) == "holds"


def test_an_arm_fails_where_it_diverges_or_is_beyond_the_factor() -> None:
    assert verdict("fails", [], [3.0, 3.1], a=2) == "holds"
    assert verdict("trains", [], [3.0, 3.1], a=2) == "does not hold"
    assert verdict("fails", [], [3.0, 3.1], a=1) == "undecided"
    assert verdict("fails", [9.0, 9.1], [3.0, 3.1]) == "holds"
    assert verdict("fails", [4.0, 4.1], [3.0, 3.1]) == "does not hold"
    assert verdict("fails", [4.0, 4.1], [3.0, 3.1], a=1) == "undecided"
    assert verdict("fails", [9.0, 9.1], [3.0, 3.1], factor=4) == "does not hold"


@pytest.mark.parametrize("kind", ["fails", "trains"])
def test_an_arm_whose_runs_diverged_decides_nothing_beside_one_seed_or_before_its_last_run(kind: str) -> None:
    assert verdict(kind, [], [3.0], a=3) == "undecided"
    assert verdict(kind, [], [3.0, 3.1], a=2, to_go=1) == "undecided"
    assert verdict(kind, [], [3.0, 3.1], a=3) != "undecided"


def test_a_verdict_that_rests_on_the_seeds_that_trained_says_so() -> None:
    why = compared("lower", [1.0, 1.1], [5.0, 5.1], a=1).why
    assert why == "1 of 3 runs of a diverged: this rests on the others alone"
    why = compared("fails", [9.0, 9.1], [3.0, 3.1], a=1, b=2).why
    assert why == "1 of 3 runs of a diverged and 2 of 4 runs of b diverged: this rests on the others alone"
    assert compared("lower", [1.0, 1.1], [5.0, 5.1]).why == ""


def test_a_claim_about_several_arms_holds_against_each_or_falls_with_one() -> None:
    of_arms = {"a": (1.0, 1.1), "b": (5.0, 5.1), "c": (0.1, 0.11), "d": (5.0,)}
    outcomes = {name: Outcome(values, len(values)) for name, values in of_arms.items()}
    for others, expected in ((["b"], "holds"), (["b", "d"], "undecided"), (["b", "c", "d"], "does not hold")):
        assert answer(claim("lower", than=others), outcomes).verdict == expected
    assert [one.than for one in answer(claim("lower", than=[]), outcomes).comparisons] == ["b", "c", "d"]


def test_an_arm_that_could_not_run_leaves_its_claims_undecided_and_says_why() -> None:
    found = answer(claim("lower"), {"a": Outcome((1.0, 1.1), 2)}, {"b": "it is too deep."})
    assert (found.verdict, found.comparisons[0].why) == ("undecided", "b did not run: it is too deep.")


def test_a_metric_is_found_without_its_count_or_as_a_mean_over_attributes() -> None:
    names = ["fd_judge_2k", "fd_judge_train_2k", "fd_judge_2k_floor_train", "flip_rate_Male", "flip_rate_Hat"]
    metrics = {name: Score(place) for place, name in enumerate(names)}
    found = [value_of(metrics, name) for name in ("fd_judge", "fd_judge_train", "fd_judge_floor_train", "flip_rate_*")]
    assert found == [0, 1, 2, 3.5]
    assert value_of(metrics, "recall_judge") is None
    with pytest.raises(
        RecipeError, match=r"'fd_judge' fits fd_judge_2k, fd_judge_600. Give one of these names in full"
    ):
        value_of(metrics | {"fd_judge_600": Score(1)}, "fd_judge")


# What a study's file says


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("name", presets("studies"))
def test_the_arms_of_every_study_that_comes_with_mien_see_as_many_images(name: str, size: int) -> None:
    study = load_study(name)
    for budget in study.budgets.values():
        recipes = arms_of(study, budget, [f"data.size={size}"]).recipes
        seen = {r.training.total_images(1, r.training.images_per_step(sketch(r))) for r in recipes.values()}
        assert max(seen) - min(seen) < 320  # whole steps
        assert min(seen) >= (budget.images or 0) > 0


@pytest.mark.parametrize("size", [32, 64, 128])
def test_the_arms_of_the_study_of_depth_are_equally_large(size: int) -> None:
    found = arms_of(load_study("depth"), Budget(), [f"data.size={size}"])
    counts = [parameter_count(recipe) for recipe in found.recipes.values()]
    assert max(counts) / min(counts) < 1.06
    assert [recipe.model.depth for recipe in found.recipes.values()] == ([2, 3, 4] if size == 32 else [2, 3, 4, 5])
    assert ("5-layers" in found.left_out) == (size == 32)


def test_what_varies_names_the_arms_and_all_combinations_are_run() -> None:
    study = a_study(vary={"model.kl_weight": [1e-5, 0.5, "auto"], "model.depth": [2, 3]})
    assert [arm.name for arm in study.all_arms()][:4] == ["1e-5_2", "1e-5_3", "0.5_2", "0.5_3"]
    recipe = arms_of(study, Budget()).recipes["auto_3"]
    assert (recipe.model.kl_weight, recipe.model.depth) == ("auto", 3)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1e6, 2.5e6, 1e16, 100.0], ["1e6", "2.5e6", "1e16", "100"]),
        ([0.5, -0.5, -1e-5, 3, -3], ["0.5", "minus0.5", "minus1e-5", "3", "minus3"]),
        ([0.1234567, 0.1234568, 1234567.0, 1234568.0], ["0.1234567", "0.1234568", "1234567.0", "1234568.0"]),
        (["auto", "two words", True, [1, 2]], ["auto", "two-words", "True", "1-2"]),
    ],
)
def test_a_value_that_varies_names_its_arm_and_no_other(values: list[Any], names: list[str]) -> None:
    assert [arm.name for arm in a_study(vary={"model.kl_weight": values}).all_arms()] == names


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=4, unique=True))
def test_different_numbers_name_different_arms(values: list[float]) -> None:
    names = [arm.name for arm in a_study(vary={"model.kl_weight": values}).all_arms()]
    assert [float(name.replace("minus", "-")) for name in names] == values


def test_an_arm_that_is_named_by_a_number_stands_in_its_order() -> None:
    assert [as_number(name) for name in ("1e6", "minus2", "0.5")] == [1e6, -2, 0.5]
    assert all(math.isnan(as_number(name)) for name in ("0.5_2", "auto"))


def test_a_length_that_an_arm_or_a_budget_sets_is_kept() -> None:
    by_hand = a_study(arms=[{"name": "long", "set": ["training.steps=500"]}])
    lengths = {name: r.training.steps for name, r in arms_of(by_hand, Budget(images=320)).recipes.items()}
    assert lengths == {"0.5": 5, "1e-4": 5, "long": 500}
    varied = arms_of(a_study(vary={"training.epochs": [2, 3]}), Budget(images=320)).recipes
    assert [(recipe.training.epochs, recipe.training.steps) for recipe in varied.values()] == [(2, None), (3, None)]
    both = arms_of(by_hand, Budget(images=320, set=("training.steps=7",))).recipes
    assert [recipe.training.steps for recipe in both.values()] == [7, 7, 500]


def test_a_number_of_images_that_is_given_goes_over_a_budgets_own_length() -> None:
    study = a_study(budgets={"quick": {"set": ["training.steps=7", "training.batch_size=16"]}})
    assert budget_of(study, Length(images=8)) == Budget(images=8, set=("training.batch_size=16",))


@pytest.mark.parametrize(
    ("study", "budget", "overrides"),
    [
        ({"vary": {"training.seed": [0, 1]}}, (), ()),
        ({"arms": [{"name": "third", "set": ["training.seed=3"]}]}, (), ()),
        ({}, ("training.seed=3",), ()),
        ({}, (), ["training.seed=3"]),
    ],
)
def test_a_seed_in_a_study_is_refused(study: Any, budget: Any, overrides: Any) -> None:
    with pytest.raises(RecipeError, match=r"study mine: training.seed is given for .*--seeds says how many"):
        arms_of(a_study(**study), Budget(set=budget), overrides)


def test_overrides_go_over_budgets_and_to_the_arm_they_name() -> None:
    given = ["0.5.training.steps=7", "training.batch_size=16"]
    recipes = arms_of(a_study(), Budget(images=100), given).recipes
    assert [recipe.training.steps for recipe in recipes.values()] == [7, 7]  # 7 as given, and 100 / 16 rounded up
    assert [recipe.training.batch_size for recipe in recipes.values()] == [16, 16]


def test_the_study_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "studies.md").read_text()
    (tmp_path / "width.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    study = load_study(tmp_path / "width.toml")
    assert [recipe.model.width for recipe in arms_of(study, Budget()).recipes.values()] == [16, 32, 64]


def a_study(**more: Any) -> Study:
    table = {
        "name": "mine",
        "title": "Mine",
        "recipe": "vae-quick",
        "metrics": ["reconstruction"],
        "axes": [{"metric": "test_mse", "label": "<i>error</i>", "reference": "baseline_mean_face_mse"}],
        "vary": {"model.kl_weight": [0.5, 1e-4]},
    }
    return Study.model_validate(table | more)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('[[claims]]\ntext = "x"\narm = "1e-4"\nkind = "lower"\nthan = ["0.4"]', r"'0.4' is not an arm. Did you mean"),
        (
            '[[claims]]\ntext = "x"\narm = "0.5"\nkind = "lower"\nkid = 1',
            r"claims.0.kid is not a key. Did you mean 'kind'",
        ),
        ('[[claims]]\ntext = "x"\narm = "0.5"\nkind = "lowest"', r"claims.0.kind is 'lowest'"),
        ("[budgets.quick]\nimages = 0", r"budgets.quick.images is 0"),
        ('[trade_off]\nx = "test_mse"\ny = "fd_judge"', r"'fd_judge' is not the metric of an axis. Axes: test_mse"),
        ('[[arms]]\nname = "0.5"', r"two arms have one name \(0.5\)"),
        ('[[axes]]\nmetric = "fd_jugde"\nlabel = "x"', r"axes: 'fd_jugde' is not a number .*Did you mean 'fd_judge'"),
        ('[[axes]]\nmetric = "test_psnr"\nlabel = "x"\nreference = "test_pnsr"', r"axes: 'test_pnsr' is not a number"),
        (
            '[[claims]]\ntext = "x"\narm = "0.5"\nkind = "fails"',
            r"claims: 'fd_judge' is measured by distribution, which this study leaves out. Add it to metrics",
        ),
    ],
)
def test_a_mistake_in_a_studys_file_is_named(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        load_study(study_file(tmp_path, more=line))


@pytest.mark.parametrize(("values", "words"), [(["", "a"], "'', which makes no name"), (["a b", "a-b"], "two values")])
def test_a_value_that_makes_no_name_of_its_own_is_named_with_its_key(values: list[str], words: str) -> None:
    with pytest.raises(ValidationError, match=rf"vary: model.kl_weight has .*{words}"):
        a_study(vary={"model.kl_weight": values})


@pytest.mark.parametrize("name", MODELS)
def test_the_names_of_numbers_are_those_that_are_measured(name: str, run_of: Any, faces: Faces) -> None:
    run = run_of(name)
    measure_run(run, Measuring(faces))
    found = {number: score.metric for number, score in run.metrics().items()}
    assert {number: metrics_that_measure(number) for number in found} == {name: [m] for name, m in found.items()}
    assert {number for number in found if find(number).number is UNKNOWN} == set()


@pytest.mark.long
def test_every_number_that_is_declared_is_measured_of_some_model(trained_runs: dict[str, Run], tmp_path: Path) -> None:
    faces, measured = tiny.faces(), set()
    more = tuple(
        type("Other", (JudgeFeatures,), {"name": name})(judge_of(faces)) for name in ("face", "inception", "pixels")
    )
    learned = tiny.train(tmp_path / "learned", tiny.recipe(ENCODING, "model.prior=flow"))
    for path in (trained_runs[ENCODING].path, trained_runs[CONDITIONAL].path, learned.path):
        run = Run.open(shutil.copytree(path, tmp_path / "copies" / path.name))
        measure_run(run, Measuring(faces, more=more))
        measured |= {find(number).number for number in run.metrics()}
    assert [number.name for number in NUMBERS if number not in measured] == []


def test_the_names_of_numbers_know_every_metric_and_every_extractor() -> None:
    assert {number.metric for number in NUMBERS} == set(METRICS)
    kinds = (extractors.JudgeFeatures, *extractors.PACKAGED, InceptionFeatures)
    assert tuple(kind.name for kind in kinds) == tuple(EXTRACTORS)[:-1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fd_judge", ""),
        ("fd_judge_2k_floor_train", ""),
        ("test_perceptual_judge", "'test_perceptual_judge' is measured by reconstruction"),
        ("flip_rate", "'flip_rate' is not a number that can be measured. Did you mean 'flip_rate_*'?"),
        ("baseline_pca_mse", "Did you mean 'baseline_pca_N_mse'?"),
    ],
)
def test_a_number_that_a_study_does_not_measure_is_named(name: str, words: str) -> None:
    found = unmeasured(name, ["distribution", "flips"])
    assert words in found if words else found == ""


def test_a_metric_that_is_not_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"'sharpnes' is not a metric. Did you mean 'sharpness'. Metrics: .*sharpness"
    ):
        load_study(study_file(tmp_path, metrics='["sharpnes"]'))


# From its file to its page


def study_file(folder: Path, more: str = "", metrics: str = '["reconstruction", "sharpness"]') -> Path:
    (folder / "tiny.toml").write_text(
        f'name = "{ENCODING}"\ndata = {{source = "{tiny.SOURCE}", size = 32}}\nhealth = false\n'
        f'model = {{name = "{ENCODING}", latent_dim = 8, width = 4}}\n'
        'training = {batch_size = 8, steps = 8, device = "cpu", precision = "float32", log_every_images = 8}'
    )
    sharpness = '[[axes]]\nmetric = "sharpness_samples"\nlabel = "sharpness"\n' if '"sharpness"' in metrics else ""
    path = folder / "mine.toml"
    path.write_text(
        f'name = "mine"\ntitle = "Mine <b>&"\nrecipe = "tiny.toml"\nmetrics = {metrics}\n'
        '[vary]\n"model.kl_weight" = [0.5, 1e-4]\n'
        '[[axes]]\nmetric = "test_mse"\nlabel = "<i>error</i>"\nreference = "baseline_mean_face_mse"\n'
        f"{sharpness}{more}\n"
    )
    return path


CLAIMS = """
[trade_off]
x = "test_mse"
y = "sharpness_samples"
[budgets.quick]
images = 32
[[claims]]
text = "A weight of 1e-4 <u>reconstructs</u> better."
arm = "1e-4"
kind = "lower"
metric = "test_mse"
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    folder = tmp_path_factory.mktemp("studies")
    return run_study(load_study(study_file(folder, CLAIMS)), Length(seeds=2), out=folder / "study")


@pytest.fixture
def folder(finished: StudyResult, tmp_path: Path) -> Path:
    """A copy of a finished study, to do anything with."""
    return shutil.copytree(finished.folder, tmp_path / "study")


READ = ("metrics.json", "log.jsonl", "provenance.json")


def test_the_page_of_a_study_reads_the_numbers_and_the_log_of_a_run_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: Counter[Path] = Counter()
    kept = reading.open_file

    def counting(path: Path, *given: Any) -> BinaryIO:
        opened[path] += 1
        return kept(path, *given)

    monkeypatch.setattr(reading, "open_file", counting)
    report_study(folder)
    monkeypatch.undo()
    counts = {name: [count for path, count in opened.items() if path.name == name] for name in READ}
    assert counts == {name: [1] * len(plan_runs(folder)) for name in READ}


def test_a_study_leaves_a_run_for_every_arm_and_seed_and_one_page(finished: StudyResult) -> None:
    names = ["0.5-seed0", "1e-4-seed0", "0.5-seed1", "1e-4-seed1"]
    assert read_plan(finished.folder).runs == names
    recipes = [Run.open(finished.folder / name).recipe() for name in names]
    assert [recipe.training.seed for recipe in recipes] == [0, 0, 1, 1]
    assert [recipe.training.steps for recipe in recipes] == [4] * 4
    page = finished.page.read_text()
    assert "<h1>Mine &lt;b&gt;&amp;</h1>" in page
    assert "A weight of 1e-4 &lt;u&gt;reconstructs&lt;/u&gt; better." in page
    assert "http" not in page.split("</style>")[1].replace("http://www.w3.org", "")


def test_the_numbers_of_a_study_are_in_one_file(finished: StudyResult) -> None:
    content = json.loads((finished.folder / "study.json").read_text())
    assert content["claims"][0]["verdict"] == finished.answers[0].verdict
    runs = content["arms"]["1e-4"]["runs"]
    values = [run["metrics"]["test_mse"]["value"] for run in runs]
    assert content["arms"]["1e-4"]["means"]["test_mse"]["mean"] == pytest.approx(sum(values) / 2)
    comparison = finished.answers[0].comparisons[0]
    assert (comparison.mean, comparison.seeds) == (pytest.approx(sum(values) / 2), (2, 2))


def test_the_same_command_does_nothing_twice(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any, **named: Any) -> None:
        raise AssertionError("should not have been called")

    monkeypatch.setattr(train, "Trainer", refuse)
    study = load_study(study_file(tmp_path, CLAIMS))
    original = {path.parent.name: path.read_bytes() for path in folder.glob("*/weights.safetensors")}
    assert resume_study(folder).answers == report_study(folder).answers
    assert {path.parent.name: path.read_bytes() for path in folder.glob("*/weights.safetensors")} == original
    with pytest.raises(RunError, match=r"holds mine already, which is not this study as it is written now"):
        run_study(study.model_copy(update={"title": "Other"}), Length(seeds=2), out=folder)


def test_more_seeds_are_added_to_those_there_are(finished: StudyResult, folder: Path) -> None:
    study = Study.model_validate(read_plan(folder).study)
    run_study(study, Length(seeds=3), out=folder)
    assert read_plan(folder).runs[4:] == ["0.5-seed2", "1e-4-seed2"]
    same = "0.5-seed0/weights.safetensors"
    assert (folder / same).read_bytes() == (finished.folder / same).read_bytes()


def test_another_budget_in_the_same_folder_is_refused(folder: Path) -> None:
    study = Study.model_validate(read_plan(folder).study)
    with pytest.raises(RunError, match=r"0.5-seed0: was begun with another recipe than this study gives now"):
        run_study(study, Length(images=64, seeds=2), out=folder)


def test_fewer_seeds_than_there_are_leave_those_there_are_on_the_page(folder: Path) -> None:
    study = Study.model_validate(read_plan(folder).study)
    page = run_study(study, Length(seeds=1), out=folder).page.read_text()
    assert "quick, 32 images a run, up to whole steps; 2 seeds of each arm" in page
    assert json.loads((folder / "study.json").read_text())["length"]["seeds"] == 2


def test_an_arm_of_another_length_is_named_on_the_page(tmp_path: Path) -> None:
    study = load_study(study_file(tmp_path, CLAIMS))
    result = run_study(study, Length(seeds=1), out=tmp_path / "study", overrides=["0.5.training.steps=2"])
    assert (
        "32 images a run, up to whole steps, but for 0.5, whose length was given; 1 seed of" in result.page.read_text()
    )


@pytest.mark.parametrize("images", [0, -5])
def test_no_images_are_refused_before_anything_is_written(images: int, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=rf"{images} images a run: a run sees one or more"):
        run_study(load_study(study_file(tmp_path)), Length(images=images), out=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_margin_is_said_in_full_and_that_the_difference_is_moved_by_it(folder: Path, finished: StudyResult) -> None:
    told = claim_in_words(Answer(claim("lower", by=0.1, by_share=0.05), "holds", ()))
    assert told == "claimed to be lower, by more than 0.1 plus 5 % of the other arm's"
    moved = "are to the other arm's values moved by that margin"
    assert moved not in finished.page.read_text()
    plan = json.loads((folder / "plan.json").read_text())
    plan["study"]["claims"][0]["by_share"] = 0.05
    (folder / "plan.json").write_text(json.dumps(plan))
    assert moved in report_study(folder).page.read_text()


def test_a_stopped_study_goes_on_exactly(finished: StudyResult, tmp_path: Path) -> None:
    study, out = Study.model_validate(read_plan(finished.folder).study), tmp_path / "stopped"
    stopping = tiny.Watcher(16, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted, match=r"stopped at 16 of 32 images.*mien resume .*/stopped$"):
        run_study(study, Length(seeds=2), out=out, observer=stopping)
    assert resume_study(out).answers == finished.answers
    assert json.loads((out / "study.json").read_text()) == json.loads((finished.folder / "study.json").read_text())


def test_runs_that_diverge_did_not_train_which_is_a_result(tmp_path: Path) -> None:
    more = (
        '[[arms]]\nname = "absurd"\nset = ["training.learning_rate=9", "training.steps=200"]\n'
        '[[claims]]\ntext = "It fails."\narm = "absurd"\nkind = "fails"\nmetric = "test_mse"\nthan = ["0.5"]\n'
    )
    study = load_study(study_file(tmp_path, more, metrics='["reconstruction"]'))
    result = run_study(study, Length(seeds=2), out=tmp_path / "study", overrides=["absurd.model.kl_weight=1"])
    assert (result.answers[0].verdict, result.answers[0].comparisons[0].why) == (
        "holds",
        "all 2 runs of absurd diverged",
    )
    assert "absurd-seed0 did not train.</b> " in result.page.read_text()
    before = Run.open(tmp_path / "study" / "absurd-seed0").provenance()
    resume_study(result.folder)
    assert Run.open(tmp_path / "study" / "absurd-seed0").provenance() == before  # was not started again


def test_a_run_that_another_process_has_is_passed_over_and_looked_at_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("0.5-seed0", "1e-4-seed0"):
        (folder / name / "weights.safetensors").unlink()
    lock = filelock.FileLock(folder / "0.5-seed0" / ".lock")
    lock.acquire()
    trained: list[bool] = []

    def wait(seconds: float) -> None:
        trained.extend((folder / name / "weights.safetensors").exists() for name in ("0.5-seed0", "1e-4-seed0"))
        lock.release()

    monkeypatch.setattr(workers.time, "sleep", wait)
    resume_study(folder)
    assert trained == [False, True]
    assert (folder / "0.5-seed0" / "weights.safetensors").exists()


@pytest.mark.long
def test_several_processes_train_what_one_would(finished: StudyResult, tmp_path: Path) -> None:
    study = Study.model_validate(read_plan(finished.folder).study)
    result = run_study(study, Length(seeds=2), out=tmp_path / "study", processes=2)
    assert result.answers == finished.answers


def test_a_process_that_fails_says_why(folder: Path) -> None:
    (folder / "0.5-seed1" / "recipe.toml").write_text("name = 3")
    with pytest.raises(RunError, match=r"1 of 1 processes failed: .*recipe.toml"):
        work_in_processes(folder, 1)


def test_an_arm_that_needs_attributes_is_left_out_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "measure_runs", lambda *given: None)
    write(tmp_path / "faces", *numbered(40))
    recipe = f'name = "told"\nmodel = {{name = "{CONDITIONAL}", width = 4}}\ntraining = {{steps = 1}}'
    (tmp_path / "told.toml").write_text(recipe)
    more = '[[arms]]\nname = "told"\nrecipe = "told.toml"\nset = ["data.size=32"]\n'
    study = load_study(study_file(tmp_path, more, metrics='["reconstruction"]'))
    result = run_study(study, Length(seeds=1, images=8), source=str(tmp_path / "faces"), out=tmp_path / "study")
    assert "has no attributes" in result.left_out["told"]
    assert "told was left out.</b>" in result.page.read_text()


# Comparing


def test_runs_that_differ_in_their_seed_alone_are_one_arm(finished: StudyResult, tmp_path: Path) -> None:
    page = compare_runs([finished.folder], out=tmp_path / "compared", names=["reconstruction"])
    content = json.loads((tmp_path / "compared" / "compare.json").read_text())
    assert {name: len(arm["runs"]) for name, arm in content["arms"].items()} == {"0.5": 2, "1e-4": 2}
    assert "4 runs compared" in page.read_text()


def test_runs_of_different_faces_are_not_compared(run_of: Any, tmp_path: Path) -> None:
    one, other = run_of(ENCODING), run_of(ADVERSARIAL)
    content = other.provenance().model_dump() | {"data_fingerprint": "other"}
    other.provenance_file.write_text(json.dumps(content))
    words = rf"of different faces.*their numbers cannot be compared: .*/{ENCODING} .*/{ADVERSARIAL} "
    with pytest.raises(RunError, match=words):
        compare_runs([one.path, other.path], out=tmp_path / "compared")


def test_one_recipe_and_seed_given_twice_is_refused(run_of: Any, trained_runs: dict[str, Run], tmp_path: Path) -> None:
    copied = run_of(ENCODING)
    with pytest.raises(RunError, match=r"two of these runs have the same recipe and seed"):
        compare_runs([copied.path, trained_runs[ENCODING].path], out=tmp_path / "out", names=["reconstruction"])


def test_what_cannot_be_compared_or_written_is_refused_before_anything_is_measured(
    run_of: Any, trained_runs: dict[str, Run], tmp_path: Path
) -> None:
    one, other = run_of(ENCODING), run_of(ADVERSARIAL)
    (tmp_path / "afile").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "compare.html").write_text("somebody's")
    for out, words in (("afile", "is a file"), ("afile/in", "is a file"), ("mine", "`mien compare` did not write")):
        with pytest.raises(RunError, match=words):
            compare_runs([one.path, other.path], out=tmp_path / out)
    with pytest.raises(RunError, match="two of these runs have the same recipe and seed"):
        compare_runs([one.path, trained_runs[ENCODING].path], out=tmp_path / "out")
    assert not one.metrics_file.exists()
    assert (tmp_path / "mine" / "compare.html").read_text() == "somebody's"


def test_an_older_comparison_is_replaced(run_of: Any, tmp_path: Path) -> None:
    run = run_of(ENCODING)
    for _ in range(2):
        assert compare_runs([run.path], out=tmp_path / "out", names=["reconstruction"]).exists()


# The command line


def test_the_commands_study_resume_report_and_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(study_file(tmp_path, CLAIMS))
    assert main(["study", path, "--seeds", "1", "--images", "8", "--out", "s"]) == 0
    shown = capsys.readouterr().out
    assert "undecided" in shown
    assert "page: s/study.html" in shown
    for command in (["resume", "s"], ["report", "s"]):
        assert main(command) == 0
        assert "s/study.html" in capsys.readouterr().out
    assert main(["compare", "s/0.5-seed0", "s/1e-4-seed0", "--only", "reconstruction", "--out", "c"]) == 0
    assert Path("c/compare.html").exists()


def test_several_processes_are_not_for_a_single_run(run_of: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", str(run_of(ADVERSARIAL).path), "--processes", "2"]) == 2
    assert "--processes and --cluster are for a plan or a study, which have several runs" in capsys.readouterr().err


def test_a_study_that_does_not_exist_is_refused_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"kl-wieght: .*Did you mean 'kl-weight'.*balance, batch-norm, depth"):
        load_study("kl-wieght")


def test_a_number_that_is_not_finite_is_none() -> None:
    assert value_of({"fd_judge_2k": Score(math.nan)}, "fd_judge") is None


def test_the_widths_that_are_tried_end_where_they_must() -> None:
    recipe = arms_of(a_study(), Budget()).recipes["0.5"]
    assert recipes_of_arms.match_width(recipe, 1).model.width == 1
    assert recipes_of_arms.match_width(recipe, parameter_count(recipe)).model.width == recipe.model.width
