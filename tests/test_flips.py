"""The flip report: pairs whose truth is known, and models that obey, ignore or invert what they are told."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import r2_score
from torch import Tensor, nn

import tiny
from mien.faces import UNKNOWN, Faces, open_faces
from mien.faces.batches import to_signed
from mien.faces.drawn import drawn_faces
from mien.judge import Judge, judge_of
from mien.metrics.control import attribute_changes as pairs_module
from mien.metrics.control.attribute_changes import Look, ceiling, look, report
from mien.metrics.control.flips import flips, of_the_renderer, pairs_of_directions, reader_of, renderer_pairs
from mien.metrics.evaluated_model import Subject
from mien.metrics.extractors import JudgeFeatures
from mien.metrics.latents.factor_readers import read_factors
from mien.models import model_class
from mien.models.base import Encodes, Model
from mien.models.options import ModelConfig
from mien.pictures import arrays, of_models
from mien.report import figures
from mien.report.build import build_report
from mien.report.flip_pictures import read_factor_shifts, read_leakage
from mien.runs.folder import Run
from mien.runs.score import Score
from mien.runs.weights import TrainedModel
from mien.seeds import RendererSeed
from mien.sessions.train import combinations
from tiny import CONDITIONAL

flips_module = import_module("mien.metrics.control.flips")  # whose name in its package is that of the function
TOLD = ("Smiling", "Eyeglasses")
Scores = dict[str, Score]


@pytest.fixture(scope="module")
def people() -> Faces:
    return open_faces("drawn:2000", size=32)


@pytest.fixture(scope="module")
def judge(people: Faces) -> Judge:
    return judge_of(people)


@pytest.fixture(scope="module")
def real(judge: Judge, people: Faces) -> Look:
    return look(judge, people.images[people.rows("test")])


def crowd(judge: Judge, seed: int, count: int = 300) -> Look:
    return look(judge, drawn_faces.draw(count, size=32, seed=seed).images)


class Painter(Model):
    """The renderer of drawn faces as a model: the noise says who it is, the labels which attributes are changed.

    obey: what becomes of the labels before they are drawn; None to ignore them.
    """

    def __init__(self, obey: Callable[[Tensor], Tensor] | None, attributes: tuple[str, ...] = TOLD) -> None:
        super().__init__(ModelConfig(name="painter", latent_dim=4), 32)
        self.attributes, self.obey, self.seen = attributes, obey, []
        self.unused = nn.Parameter(torch.zeros(1))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        assert y is not None
        self.seen.append(z.clone())
        who = (z[:, 0].double() * 1e4).long() % 400
        attributes, known = (values[who.numpy()] for values in drawn_faces.sample(400, seed=9))
        if self.obey:
            attributes[:, [drawn_faces.ATTRIBUTES.index(name) for name in self.attributes]] = self.obey(y).numpy()
        return to_signed(drawn_faces.render(attributes, known, 32))


class Mirror(Encodes):
    """An autoencoder whose latents are the pixels."""

    def __init__(self) -> None:
        super().__init__(ModelConfig(name="mirror", latent_dim=3 * 32 * 32), 32)
        self.unused = nn.Parameter(torch.zeros(1))

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x.flatten(1), torch.zeros(len(x), self.latent_dim)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return z.view(-1, 3, 32, 32)


def subject_of(model: Model, people: Faces, judge: Judge) -> Subject:
    trained = TrainedModel(model, tiny.recipe(CONDITIONAL), 0, combinations(people, model))
    return Subject(trained, people, judge, (JudgeFeatures(judge),))


@pytest.fixture(scope="module")
def painted(people: Faces, judge: Judge) -> dict[str, Scores]:
    """The flip report of the renderer itself, of one that does not listen, and of one that does the opposite."""
    kinds: dict[str, Any] = {"obeys": lambda y: y, "ignores": None, "inverts": lambda y: 1 - y}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flips_module, "PAIRS", 150)
        patch.setattr(flips_module, "RENDERED", 60)
        return {kind: flips(subject_of(Painter(obey), people, judge)) for kind, obey in kinds.items()}


# Models that obey, ignore, invert


@pytest.mark.parametrize("name", TOLD)
def test_the_renderer_itself_reads_as_the_ceiling(name: str, painted: dict[str, Scores]) -> None:
    scores = painted["obeys"]
    assert scores[f"flip_rate_{name}"].high >= scores[f"flip_ceiling_{name}"].low > 0.8
    assert scores[f"flip_rate_{name}"].high >= scores[f"flip_renderer_{name}"].low > 0.8
    assert scores[f"shift_{name}"].value > 0.8
    assert scores[f"change_pixels_{name}"].high < 0.3


@pytest.mark.parametrize("name", TOLD)
def test_a_model_that_ignores_its_labels_flips_nothing_and_changes_nothing(
    name: str, painted: dict[str, Scores]
) -> None:
    scores = painted["ignores"]
    still = [f"{stem}_{name}" for stem in ("flip_rate", "flip_back", "shift", "change_pixels", "change_features")]
    assert {scores[key].value for key in still} == {0}
    assert {s.value for key, s in scores.items() if key.startswith(f"leak_shift_{name}->")} == {0}
    assert scores[f"flip_rate_{name}"].high < scores[f"flip_chance_{name}"].low


@pytest.mark.parametrize("name", TOLD)
def test_exchanged_labels_read_below_chance(name: str, painted: dict[str, Scores]) -> None:
    scores, right = painted["inverts"], painted["obeys"]
    assert scores[f"flip_rate_{name}"].high < scores[f"flip_chance_{name}"].low
    assert scores[f"flip_back_{name}"].value == pytest.approx(right[f"flip_rate_{name}"].value, abs=0.05)
    assert scores[f"shift_{name}"].value == pytest.approx(-right[f"shift_{name}"].value, abs=0.05)


@pytest.mark.parametrize("name", [*TOLD, "Male"])
def test_pairs_that_have_nothing_in_common_read_as_chance(name: str, judge: Judge) -> None:
    off, on = crowd(judge, 11), crowd(judge, 12)
    scores = report(off, on, name, judge.attributes, crowd(judge, 13, 600), "")
    rate, chance = scores[f"flip_rate_{name}"], scores[f"flip_chance_{name}"]
    assert rate.low < chance.value < rate.high
    assert scores[f"shift_{name}"].low < 0 < scores[f"shift_{name}"].high
    for kind in ("pixels", "features"):
        assert scores[f"change_{kind}_{name}"].value == pytest.approx(1, abs=0.1)


def test_what_an_unsteady_hand_changes_besides_is_seen_as_leakage(judge: Judge) -> None:
    off, on = renderer_pairs("Smiling", 200, 32)
    attributes, known = drawn_faces.sample(200, seed=RendererSeed.PAIRS)
    columns = [drawn_faces.ATTRIBUTES.index(name) for name in TOLD]
    added = float((attributes[:, columns[1]] == 0).mean())
    attributes[:, columns] = 1
    steady, unsteady = (
        report(look(judge, off), look(judge, end), "Smiling", judge.attributes, crowd(judge, 3), "")
        for end in (on, drawn_faces.render(attributes, known, 32))
    )
    assert abs(steady["leak_shift_Smiling->Eyeglasses"].value) < 0.05
    assert unsteady["leak_shift_Smiling->Eyeglasses"].value == pytest.approx(added, abs=0.1)
    assert unsteady["leak_flips_Smiling->Eyeglasses"].value == pytest.approx(added, abs=0.1)


# The pairs


def test_both_halves_of_a_pair_come_from_the_same_noise() -> None:
    painter, z = Painter(lambda y: y), torch.randn(300, 4)
    of_models.pairs(painter, z, torch.zeros(300, 2), "Eyeglasses")
    half = len(painter.seen) // 2
    assert torch.equal(torch.cat(painter.seen[:half]), z)
    assert torch.equal(torch.cat(painter.seen[half:]), z)


def test_a_model_with_noise_of_its_own_has_no_pairs(people: Faces, judge: Judge) -> None:
    class Nervous(Painter):
        def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            return torch.randn(len(z), 3, 32, 32)

    with pytest.raises(AssertionError, match="noise of its own"):
        flips(subject_of(Nervous(None), people, judge))


@pytest.mark.parametrize("name", drawn_faces.ATTRIBUTES)
def test_the_renderers_pairs_differ_where_the_attribute_shows_and_nowhere_else(name: str) -> None:
    off, on = renderer_pairs(name, 40, 32)
    changed = (off != on).any((1, 2, 3))
    assert changed.mean() > 0.9
    assert (off == on).all(-1).mean() > 0.2  # the wall, at least


def test_a_direction_leads_from_the_one_mean_to_the_other() -> None:
    latents, has = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3 == 0
    step = arrays.attribute_direction(latents, has)
    assert latents[~has].mean(0) + step == pytest.approx(latents[has].mean(0), abs=1e-6)
    assert not arrays.attribute_direction(latents, np.ones(60, bool)).any()


def test_test_faces_are_one_half_of_their_pairs_and_the_step_is_the_other(people: Faces, judge: Judge) -> None:
    model = Mirror()
    subject = subject_of(model, people, judge)
    pair = {pair.attribute: pair for pair in pairs_of_directions(subject, model)[1]}["Eyeglasses"]
    rows, column = people.rows("test"), people.attribute_names.index("Eyeglasses")
    has, train = people.attributes[rows, column] == 1, people.rows("train")
    assert np.array_equal(np.where(has[:, None, None, None], pair.on.images, pair.off.images), people.images[rows])
    of_train = people.attributes[train, column] == 1
    step = people.images[train][of_train].mean(0) - people.images[train][~of_train].mean(0)
    expected = np.clip(people.images[rows][~has] + step, 0, 255)
    assert np.abs(pair.on.images[~has] - expected).max() <= 1


def test_test_faces_without_a_known_attribute_are_left_out(people: Faces, judge: Judge) -> None:
    unknown = people.attributes.copy()
    unknown[people.rows("test"), 0] = UNKNOWN
    subject = subject_of(Mirror(), Faces(**{**vars(people), "attributes": unknown}), judge)
    switched = [pair.attribute for pair in pairs_of_directions(subject, Mirror())[1]]
    assert set(switched) == set(drawn_faces.ATTRIBUTES) - {"Male"}


def test_a_model_that_neither_listens_nor_encodes_has_no_flip_report(people: Faces, judge: Judge) -> None:
    assert flips(subject_of(Painter(None, ()), people, judge)) == {}


@pytest.mark.parametrize("name", ["Black_Hair", "Smiling"])
def test_of_a_colour_of_hair_the_renderers_numbers_say_that_the_others_are_off(
    name: str, people: Faces, judge: Judge, real: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flips_module, "RENDERED", 4)
    subject = subject_of(Painter(None), people, judge)
    scores = of_the_renderer(subject, name, real, reader_of(subject))
    assert {key.split("_")[1] for key in scores} == {"renderer"}
    said = {"the other colours of hair off in both" in score.protocol for score in scores.values()}
    assert said == {name == "Black_Hair"}


# Numbers and their intervals


def seen(*probabilities: float) -> Look:
    values = np.array(probabilities, np.float32)[:, None]
    return Look(np.zeros((len(values), 4, 4, 3), np.uint8), values, values)


def test_a_flip_counts_only_where_the_off_half_lacks_and_the_on_half_has_it() -> None:
    scores = report(seen(0.1, 0.1, 0.9, 0.9), seen(0.9, 0.2, 0.8, 0.3), "A", ["A"], seen(0.1, 0.9), "")
    assert (scores["flip_rate_A"].value, scores["flip_back_A"].value) == (0.25, 0.25)
    assert scores["shift_A"].value == pytest.approx((0.8 + 0.1 - 0.1 - 0.6) / 4)


def test_ceiling_and_chance_are_the_shares_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    faces, labels = seen(*random.random(40)), random.integers(-1, 2, 40).astype(np.int8)
    sees = faces.sees(0)
    right = ~sees[labels == 0][:, None] & sees[labels == 1]
    assert ceiling(faces.probabilities, labels, "A", ["A"])["flip_ceiling_A"].value == pytest.approx(right.mean())
    flipped = ~sees[:, None] & sees
    assert report(faces, faces, "A", ["A"], faces, "")["flip_chance_A"].value == pytest.approx(flipped.mean())


def test_faces_of_one_kind_have_no_ceiling() -> None:
    assert ceiling(seen(0.1, 0.2, 0.3).probabilities, np.zeros(3, np.int8), "A", ["A"]) == {}


def test_real_faces_with_and_without_an_attribute_differ_in_others_as_welch_says(real: Look, people: Faces) -> None:
    labels = people.attributes[people.rows("test"), 0]
    score = ceiling(real.probabilities, labels, "Male", drawn_faces.ATTRIBUTES)["leak_real_Male->Beard"]
    beard = real.probabilities[:, drawn_faces.ATTRIBUTES.index("Beard")].astype(float)
    welch = stats.ttest_ind(beard[labels == 1], beard[labels == 0], equal_var=False).confidence_interval(0.95)
    assert (score.low, score.high) == pytest.approx((welch.low, welch.high), rel=0.02)
    truth = people.attributes[people.rows("test"), people.attribute_names.index("Beard")]
    assert score.value == pytest.approx(truth[labels == 1].mean() - truth[labels == 0].mean(), abs=0.1)


@pytest.mark.parametrize("kind", ["ratio", "product", "chance"])
def test_an_interval_covers_the_truth_nineteen_times_in_twenty(kind: str) -> None:
    random, covered = np.random.default_rng(0), []
    for _ in range(400):
        if kind == "ratio":
            score, truth = pairs_module.ratio(random.exponential(1, 200), random.exponential(2, 150), ""), 0.5
        elif kind == "product":
            score, truth = pairs_module.product(random.random(200) < 0.9, random.random(90) < 0.7, ""), 0.63
        else:
            score, truth = pairs_module.chance(random.random(300) < 0.3, ""), 0.21
        covered.append(score.low <= truth <= score.high)
    assert 0.92 < np.mean(covered) < 0.985


def test_unrelated_faces_in_the_order_of_classes_are_paired_across_and_within_classes() -> None:
    values = np.repeat([0, 1], 500).astype(np.float32)[:, None]
    unrelated = Look((255 * values[:, :, None, None] * np.ones((1, 4, 4, 3))).astype(np.uint8), values, values)
    scores = report(unrelated.of(values[:, 0] == 0), unrelated.of(values[:, 0] == 1), "A", [], unrelated, "")
    assert scores["change_features_A"].value == pytest.approx(2, rel=0.1)  # every pair over every other pair
    assert scores["change_pixels_A"].value == pytest.approx(2, rel=0.1)


def test_distances_have_their_closed_forms() -> None:
    black, white = (
        Look(np.full((3, 4, 4, 3), v, np.uint8), np.full((3, 4), v / 255), np.zeros((3, 1))) for v in (0, 255)
    )
    assert pairs_module.pixel_distance(black, white) == pytest.approx([2, 2, 2])
    assert pairs_module.feature_distance(black, white) == pytest.approx([2, 2, 2])


# Factors of drawn faces


def test_a_factor_that_can_be_read_is_and_its_shift_is_in_standard_deviations() -> None:
    random = np.random.default_rng(0)
    factors = random.normal(0, 3, (2_000, 2)).astype(np.float32)
    features = np.concatenate([factors[:, :1] + random.normal(0, 1, (2_000, 1)), random.normal(size=(2_000, 3))], 1)
    reader = read_factors(["tilt", "gaze"], (features[:1_000], factors[:1_000]), (features[1_000:], factors[1_000:]))
    predicted = reader.regression.predict(features[1_000:])
    truth = (factors[1_000:] - factors[:1_000].mean(0)) / factors[:1_000].std(0)
    quality = reader.scores()
    assert quality["factor_r2_tilt"].value == pytest.approx(r2_score(truth[:, 0], predicted[:, 0]), abs=1e-6)
    assert quality["factor_r2_tilt"].value == pytest.approx(0.9, abs=0.03)  # 9 / (9 + 1)
    assert quality["factor_r2_gaze"].high < 0.05
    shifts = reader.shifts(features, features + np.array([3, 0, 0, 0]), "A", "")
    assert set(shifts) == {"factor_shift_A->tilt"}
    assert shifts["factor_shift_A->tilt"].value == pytest.approx(0.9, abs=0.03)  # one deviation, shrunk as R² says


def test_the_renderer_moves_no_factor_that_can_be_read_by_much(painted: dict[str, Scores]) -> None:
    moved = [s.value for key, s in painted["obeys"].items() if key.startswith("factor_shift_Eyeglasses->")]
    assert moved
    assert max(map(abs, moved)) < 0.25
    assert painted["obeys"]["factor_r2_skin_tone"].low > 0.5


# The plates


def test_whatever_attributes_are_called_the_plate_reads_what_was_written() -> None:
    names = ["Hat", "Hat_Red", "Red_Big", "Big", "shift", "flips", "real", "renderer", "renderer_Hat", "r2"]
    random = np.random.default_rng(0)
    off, on = (Look(np.zeros((9, 4, 4, 3), np.uint8), p, p) for p in random.random((2, 9, len(names)), np.float32))
    labels, written = np.arange(9, dtype=np.int8) % 2, {}
    for name in names:
        written |= report(off, on, name, names, off, "") | ceiling(off.probabilities, labels, name, names)
    read = read_leakage(written)
    assert read is not None
    assert (read.rows, read.columns, read.pairs) == (tuple(names), tuple(names), 9)
    assert read.change == pytest.approx(np.tile((on.probabilities - off.probabilities).mean(0), (len(names), 1)))
    apart = off.probabilities[labels == 1].mean(0) - off.probabilities[labels == 0].mean(0)
    expected = np.where(np.eye(len(names)), np.nan, apart)
    assert read.beside == pytest.approx(expected, nan_ok=True, abs=1e-6)


def test_the_plate_of_factors_reads_their_shifts_and_those_of_the_renderer() -> None:
    names = ["shift_A", "shift_A_B", "factor_r2_yaw", "factor_shift_A->yaw", "factor_shift_A->hue"]
    names += ["factor_renderer_A_B->hue", "factor_shift_A_B->hue", "leak_shift_A->A_B"]
    read = read_factor_shifts({name: Score(index, images=7) for index, name in enumerate(names)})
    assert read is not None
    assert (read.rows, read.columns, read.pairs) == (("A", "A_B"), ("yaw", "hue"), 7)
    assert np.array_equal(read.change, [[3, 4], [np.nan, 6]], equal_nan=True)
    assert np.array_equal(read.beside, [[np.nan, np.nan], [np.nan, 5]], equal_nan=True)


def test_photographs_have_no_plate_of_factors() -> None:
    assert read_factor_shifts({"shift_A": Score(0.5), "leak_shift_A->B": Score(0.5)}) is None


def test_a_map_of_factors_says_its_numbers_in_standard_deviations() -> None:
    change, renderer = np.array([[1.304, -0.123], [0.004, np.nan]]), np.array([[np.nan, 0.3], [-0.2, np.nan]])
    axes = figures.factor_shifts(change, renderer, ["Male", "Beard"], ["yaw", "hue"]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["+1.30", "−0.12", "+0.30", "0", "−0.20"]
    many = figures.factor_shifts(
        np.zeros((2, 30)), np.zeros((2, 30)), ["$\\frac{", "x" * 300], list(map(str, range(30)))
    )
    assert len(many.axes) == 2
    many.draw_without_rendering()


def test_a_map_of_leaks_says_its_numbers_in_points_and_frames_what_was_switched() -> None:
    change, real = np.array([[0.9, -0.123], [0.004, 0.5]]), np.array([[np.nan, 0.3], [-0.2, np.nan]])
    axes = figures.leakage(change, real, ["Male", "Beard"], ["Male", "Beard"]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["+90", "−12", "+30", "0", "−20", "+50"]
    assert [patch.get_xy() for patch in axes.patches] == [(-0.47, -0.47), (0.53, 0.53)]


def test_many_attributes_have_a_colour_bar_and_hostile_names_do_no_harm() -> None:
    names = ["$\\frac{", "_hidden", "x" * 300, *map(str, range(30))]
    figure = figures.leakage(np.zeros((3, 33)), np.zeros((3, 33)), names[:3], names)
    assert len(figure.axes) == 2
    figure.draw_without_rendering()


def test_the_report_shows_what_leaks_where_it_was_measured(
    run_of: Callable[[str], Run], faces: Any, painted: dict[str, Scores], tmp_path: Path
) -> None:
    run = run_of(CONDITIONAL)
    run.write_metrics(painted["obeys"])
    page = build_report(tmp_path, [run], faces, title="t", skipped={}).read_text()
    assert f"switched in the same faces of the {model_class(CONDITIONAL).title} (150 pairs a row" in page
    assert "how far each factor of the drawing moves" in page
    for name in ("fig3_5.jpg", "fig3_6.jpg"):
        assert (tmp_path / "report" / "figures" / name).stat().st_size > 10_000
