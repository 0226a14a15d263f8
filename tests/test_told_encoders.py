"""Encoders that are told attributes, q(z given x, y): what is known of faces reaches them, and nothing else does."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from mien.cli import main
from mien.explorer import latent_cache
from mien.faces import UNKNOWN, Faces
from mien.judge import judge_of
from mien.metrics.evaluated_model import Subject
from mien.metrics.evaluation import METRICS
from mien.metrics.extractors import JudgeFeatures
from mien.models.base import Classifies, Discriminates, Encodes, ModelConfig
from mien.pictures import arrays, of_models
from mien.report import run_pictures
from mien.report.run_section import open_chapter
from mien.runs.folder import Run
from mien.runs.score import Score
from mien.runs.weights import TrainedModel
from mien.sessions import snapshots
from mien.sessions.train import combinations
from tiny import CONDITIONAL, ENCODING

LEFT_OUT = 5  # test faces, and as many of validation


class Told(Encodes, Discriminates):
    """An autoencoder of mean colours that takes nothing but attributes that are known."""

    def __init__(self) -> None:
        super().__init__(ModelConfig(name="told", latent_dim=3), 32)
        self.attributes = tiny.ATTRIBUTES
        self.scale = nn.Parameter(torch.ones(1))
        self.told: list[Tensor] = []

    def require_known(self, y: Tensor | None, count: int) -> Tensor:
        assert y is not None
        assert y.shape == (count, 2)
        assert ((y == 0) | (y == 1)).all(), "an attribute that nobody knows was told"
        self.told.append(y)
        return y

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = self.require_known(y, len(x))
        mean = x.mean((2, 3)) - 0.1 * y.sum(1, keepdim=True)
        return mean, torch.full_like(mean, -4)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        y = self.require_known(y, len(z))
        return (self.scale * (z + 0.1 * y.sum(1, keepdim=True)))[:, :, None, None].expand(-1, -1, 32, 32).clamp(-1, 1)

    def realness(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x.mean((1, 2, 3)) + self.require_known(y, len(x)).sum(1)


@pytest.fixture(scope="module")
def partly_known() -> Faces:
    """Faces of which some lack an attribute, in each split."""
    faces = tiny.faces()
    attributes = faces.attributes.copy()
    for split in ("train", "validation", "test"):
        attributes[faces.rows(split)[:LEFT_OUT], faces.columns(("Smiling",))] = UNKNOWN
    return dataclasses.replace(faces, attributes=attributes)


def subject_of(model: Encodes, faces: Faces) -> Subject:
    judge = judge_of(tiny.faces())
    trained = TrainedModel(model, tiny.recipe(CONDITIONAL), 0, combinations(faces, model), "square")
    return Subject(trained, faces, judge, (JudgeFeatures(judge),))


def measure(subject: Subject, names: Iterable[str]) -> dict[str, Score]:
    return {
        name: score for metric in METRICS if metric in names for name, score in METRICS[metric].measure(subject).items()
    }


def test_every_metric_measures_it_on_the_faces_whose_attributes_are_known(partly_known: Faces) -> None:
    subject, count = subject_of(Told(), partly_known), len(partly_known.rows("test"))
    applicable = {name for name, metric in METRICS.items() if metric.applies(subject.trained.model)}
    assert applicable >= {"reconstruction", "likelihood", "sharpness", "flips", "disentanglement"}
    scores = measure(subject, applicable)
    for name in ("test_mse", "baseline_mean_face_mse", "elbo_nats", "sharpness_reconstructions"):
        assert scores[name].images == count - LEFT_OUT
        assert f"without {LEFT_OUT} faces whose attributes are unknown" in scores[name].protocol
    assert any(name.startswith("fd_judge_") for name in scores)


def test_it_is_told_what_is_known_of_each_face(partly_known: Faces) -> None:
    model, rows = Told(), partly_known.rows("test", known=tiny.ATTRIBUTES)
    scores = measure(subject_of(model, partly_known), ["reconstruction"])
    of_faces = partly_known.attributes[rows][:, partly_known.columns(tiny.ATTRIBUTES)]
    assert (model.told[0].numpy() == of_faces).all()
    x = partly_known.images[rows] / 127.5 - 1
    assert scores["test_mse"].value == pytest.approx(float(((x - x.mean((1, 2), keepdims=True)) ** 2).mean()), rel=1e-4)


@pytest.mark.parametrize("metric", ["reconstruction", "likelihood", "disentanglement", "sharpness"])
def test_where_nothing_is_known_of_test_faces_nothing_is_measured_of_its_encoder(metric: str, faces: Faces) -> None:
    attributes = faces.attributes.copy()
    attributes[faces.rows("test")] = UNKNOWN
    scores = measure(subject_of(Told(), dataclasses.replace(faces, attributes=attributes)), [metric])
    assert not {name for name in scores if not name.startswith(("sharpness_", "spectrum_"))}
    assert "sharpness_reconstructions" not in scores


def test_a_snapshot_shows_it_faces_whose_attributes_are_known(partly_known: Faces, tmp_path: Path) -> None:
    model, judge = Told(), judge_of(tiny.faces())
    template = TrainedModel(model, tiny.recipe(CONDITIONAL), 0, combinations(partly_known, model), "square")
    taken = snapshots.Snapshots(Run(tmp_path), partly_known, template, lambda: judge, lambda line: None)
    numbers = taken.measure(model)
    assert {"validation/reconstruction", "validation/kl_nats", "validation/discriminator_real"} <= numbers.keys()
    assert len(taken.known.images) == len(partly_known.rows("validation")) - LEFT_OUT


def test_the_explorer_maps_faces_whose_attributes_are_known(partly_known: Faces, tmp_path: Path) -> None:
    found = latent_cache.compute(Told(), partly_known, tiny.Watcher(), "told")
    assert found.rows.tolist() == partly_known.rows("test", known=tiny.ATTRIBUTES).tolist()


def test_a_report_shows_and_maps_faces_whose_attributes_are_known(partly_known: Faces, tmp_path: Path) -> None:
    run = tiny.train(tmp_path / "run", tiny.recipe(tiny.some(Classifies)))
    chapter = dataclasses.replace(open_chapter(run, 1), model=Told())
    plates = [
        *run_pictures.draw_reconstructions(chapter, Told(), partly_known, 2),
        *run_pictures.draw_latents(chapter, Told(), partly_known, 3),
        *run_pictures.draw_divergences(chapter, Told(), partly_known, 4),
    ]
    assert len(plates) == 3
    assert f"{len(partly_known.rows('test')) - LEFT_OUT} test images" in plates[1].caption


def test_a_face_of_which_nobody_knows_an_attribute_is_not_told(partly_known: Faces) -> None:
    with pytest.raises(ValueError, match="not all known"):
        of_models.labels_of(Told(), partly_known, partly_known.rows("test"))


def test_attributes_of_pictures_are_those_given_and_a_half_where_nobody_knows() -> None:
    assert arrays.labels_of_pictures((), 3, {}) is None
    known = arrays.labels_of_pictures(tiny.ATTRIBUTES, 2, {"Smiling": 1})
    assert known is not None
    assert known.tolist() == [[0.5, 1], [0.5, 1]]


def test_chunks_of_pictures_keep_their_own_attributes() -> None:
    images = np.zeros((600, 8, 8, 3), np.uint8)
    y = torch.arange(600.0)[:, None]
    given = list(of_models.with_labels(images, y, "cpu"))
    assert len(given) == 3
    assert torch.cat([labels for _, labels in given]).equal(y)


def test_an_attribute_of_a_picture_that_the_model_does_not_know_is_refused(run_of, tmp_path: Path, capsys) -> None:
    assert main(["data", "draw", "--count", "1", "--out", str(tmp_path / "face.png")]) == 0
    run = run_of(ENCODING)
    code = main(["reconstruct", str(run.path), str(tmp_path / "face.png"), "--set", "Male=1"])
    assert code == 2
    assert "not an attribute of this model" in capsys.readouterr().err
