import io

import numpy as np
import pytest
from PIL import Image

from mien.models.base import LossTerm, Model, ModelConfig, Phase, Quantity
from mien.models.terms import KL_DIVERGENCE, SQUARED_ERROR
from mien.report import figures
from mien.report.encoded_pictures import figure_jpeg, figure_svg
from mien.report.loss_curves import panels

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


def test_one_point_and_values_that_are_not_finite_still_give_a_curve():
    lines = [{"images_seen": 0, "d/kl": float("nan"), "validation/reconstruction": 0.0}, {"images_seen": 8}]
    found = panels(lines, declaring(kl=LossTerm(KL_DIVERGENCE, "training")))
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
