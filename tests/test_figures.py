import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny
from mien.models import build
from mien.models.base import LossTerm, Model, ModelConfig, Phase, Quantity
from mien.models.terms import ADVERSARIAL, KL_DIVERGENCE, LN2, SQUARED_ERROR
from mien.report import figures
from mien.report.encoded_pictures import figure_jpeg, figure_svg
from mien.report.loss_curves import panels
from mien.runs.folder import Run

HOSTILE = ("$\\frac{", "_hidden", "<b>&amp;", "a\x00b", "\udcff", "x" * 300, "鬚")


def log(**terms: float) -> list[dict[str, float]]:
    return [{"images_seen": 10 * step, **{name: value / step for name, value in terms.items()}} for step in (1, 2, 3)]


def declaring(**terms: LossTerm) -> Model:
    """A model whose phase "d" has such terms."""
    model = Model(ModelConfig(name="declaring"), 32)
    model.phases = (Phase("d", (), lambda batch: {}, terms=terms),)
    return model


def test_terms_of_one_quantity_share_a_panel_whatever_the_model_is():
    score = Quantity("Score", reference=(0.5, "a guess"))
    model = declaring(score_real=LossTerm(score, "on real"), score_fake=LossTerm(score, "on generated"))
    found = panels(log(**{"d/score_real": 1.0, "d/score_fake": 2.0}), model)
    assert [(panel.title, [line.label for line in panel.lines]) for panel in found.values()] == [
        ("Score", ["on real", "on generated"])
    ]
    levels = [line.get_ydata()[0] for line in figures.curves(list(found.values()), "steps", 8).axes[0].lines]
    assert 0.5 in levels


def test_a_term_that_is_not_declared_is_shown_by_its_whole_name():
    found = panels(log(**{"teacher/gradient_distance": 3.0, "teacher/gradient_penalty": 1.0}), declaring())
    assert {panel.title: panel.lines[0].label for panel in found.values()} == {
        "Gradient distance": "teacher/gradient_distance",
        "Gradient penalty": "teacher/gradient_penalty",
    }
    assert len(figures.curves(list(found.values()), "steps", 8).axes) == 2


@pytest.mark.parametrize(("line", "nats"), [({"vae/kl": 5e-3}, 50), ({"vae/kl": 50, "weights": {"vae/kl": 1e-4}}, 50)])
def test_a_term_is_shown_as_it_is_before_its_weight_in_logs_of_before_too(line: dict, nats: float):
    panel = panels([{"images_seen": 8} | line], tiny.model("vae", kl_weight=1e-4))[KL_DIVERGENCE]
    assert panel.lines[0].values[0] == pytest.approx(nats)


def test_the_log_of_a_run_of_the_first_format_is_drawn_in_nats():
    run = Run.open(Path(__file__).parent / "golden_runs" / "1" / "run")
    found = panels(run.log(), build(run.recipe().model, 32))
    lines = {line.label: line.values for line in found[KL_DIVERGENCE].lines}
    assert lines["training"] == pytest.approx([line["vae/kl"] / 1e-4 for line in run.log() if "vae/kl" in line])
    assert lines["training"].mean() == pytest.approx(lines["validation"].mean(), rel=0.1)  # which never had a weight
    assert found[SQUARED_ERROR].lines[0].values == pytest.approx(
        [line["vae/reconstruction"] for line in run.log() if "vae/reconstruction" in line]
    )


def test_a_solved_weight_of_an_older_log_is_found_from_the_error_beside_it():
    line = {"images_seen": 8, "vae/reconstruction": 0.02, "vae/kl": 30 * 2 * 0.02 / (3 * 32**2)}
    panel = panels([line], tiny.model("vae", kl_weight="auto"))[KL_DIVERGENCE]
    assert panel.lines[0].values == pytest.approx([30])


def test_a_term_of_an_older_log_whose_weight_cannot_be_found_is_not_drawn():
    assert KL_DIVERGENCE not in panels([{"images_seen": 8, "vae/kl": 1e-3}], tiny.model("vae", kl_weight="auto"))


def test_adversarial_curves_have_a_line_where_the_discriminator_cannot_tell():
    panel = panels(log(**{"discriminator/adversarial_real": 1.0}), tiny.model("gan"))[ADVERSARIAL]
    levels = [line.get_ydata()[0] for line in figures.curves([panel], "steps", 1).axes[0].lines]
    assert LN2 in levels


def test_one_point_and_values_that_are_not_finite_still_give_a_curve():
    lines = [{"images_seen": 0, "vae/kl": float("nan"), "validation/reconstruction": 0.0}, {"images_seen": 8}]
    found = panels(lines, tiny.model("vae"))
    assert list(found) == [SQUARED_ERROR]
    assert figure_svg(figures.curves(list(found.values()), "epochs", 8)).startswith(b"<?xml")


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_can_stand_in_a_figure(name: str):
    points, values = np.zeros((3, 2), np.float32), np.array([1, 0, -1], np.int8)
    assert len(figures.scatter(points, values, name).axes[0].get_legend().get_texts()) == 3
    for figure in (figures.scatter(points, values, name), figures.heat_map(np.eye(2), [name, "b"])):
        assert Image.open(io.BytesIO(figure_jpeg(figure, dpi=40))).size > (100, 100)
        assert figure_svg(figure)


@pytest.mark.parametrize("count", [2, 16, 40])
def test_a_heat_map_takes_few_and_many_attributes_and_correlations_that_are_missing(count: int):
    matrix = np.full((count, count), np.nan)
    matrix[0, 1] = -0.7
    texts = [text.get_text() for text in figures.heat_map(matrix, [f"a{n}" for n in range(count)]).axes[0].texts]
    assert texts == (["\N{MINUS SIGN}.70"] if count <= 16 else [])


def test_the_same_figure_is_the_same_bytes():
    first, second = (figure_svg(figures.heat_map(np.eye(3), ["a", "b", "c"])) for _ in range(2))
    assert first == second


def test_counts_are_short():
    assert [figures.short_count(n) for n in (0, 640, 12_800, 6_400_000)] == ["0", "640", "12.8k", "6.4M"]


def test_latents_are_drawn_the_dearest_first() -> None:
    figure = figures.divergences(np.array([0.1, 3.0, 0.5]))
    heights = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert heights.max() == 3
    assert figure.axes[0].get_xlim() == (0, 3)
