"""An encoder beside an adversarial model: it moves nothing else, and gives the model whatever an encoder gives."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mien
import tiny
from asking import Explorer
from mien.cli import main
from mien.explorer.site import open_site
from mien.models import losses
from mien.models.base import Encodes
from mien.models.inversion import EVERY, Inverts
from mien.runs.folder import Run
from mien.sessions.train import train_run
from tiny import ADVERSARIAL, CONDITIONAL, Killed, Watcher, assert_same_outcome, kill

WITH = ("model.encoder=true", "model.generator_normalization=batch", "training.steps=40", "training.ema_decay=0.9")
WITHOUT = ("model.encoder=false", *WITH[1:])
either = pytest.mark.parametrize("name", [ADVERSARIAL, CONDITIONAL])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("inverted")
    return {name: tiny.train(folder / name, tiny.recipe(name, *WITH)) for name in (ADVERSARIAL, CONDITIONAL)}


@either
def test_the_other_networks_are_what_they_are_without_it(name: str, runs: dict[str, Run], tmp_path: Path) -> None:
    alone = tiny.tensors(tiny.train(tmp_path / "alone", tiny.recipe(name, *WITHOUT)).weights)
    beside = tiny.tensors(runs[name].weights)
    assert alone
    assert all(torch.equal(tensor, beside[key]) for key, tensor in alone.items())
    assert {key.split(".")[0] for key in beside.keys() - alone.keys()} == {"encoder"}


@either
def test_the_encoder_learns_the_latents_of_generated_faces(name: str) -> None:
    """Of a generator that stands still, as it is after a training of no length."""
    model = tiny.model(name, encoder=True, width=16)
    assert isinstance(model, Inverts)
    optimizer = torch.optim.Adam(model.encoder.parameters(), 3e-3)
    z = torch.randn(256, model.latent_dim, generator=torch.Generator().manual_seed(5))
    x = model.generate(z, tiny.labels(model, 256)).detach()

    def nats() -> float:
        with torch.no_grad():
            return float(losses.normal_cross_entropy(z, *model.encode(x)).mean())

    before = nats()
    for _ in range(150):
        optimizer.zero_grad()
        terms = model.encoder_loss(tiny.batch(model, 32))
        sum(term.weighted for term in terms.values()).backward()
        optimizer.step()
    assert nats() < before - 0.1


@either
def test_a_killed_training_goes_on_exactly(name: str, runs: dict[str, Run], tmp_path: Path) -> None:
    stopped = tiny.recipe(name, *WITH, "training.checkpoint_every_seconds=0")
    with pytest.raises(Killed):
        tiny.train(tmp_path / name, stopped, Watcher(8 * (20 + EVERY), kill))
    run = Run.open(tmp_path / name)
    train_run(run, tiny.faces())
    assert_same_outcome(run, runs[name])


@either
def test_it_is_measured_reported_and_gives_photographs_back(name: str, runs: dict[str, Run], tmp_path: Path) -> None:
    run = runs[name]
    assert main(["evaluate", str(run.path), "--only", "reconstruction"]) == 0
    assert "test_mse" in json.loads(run.metrics_file.read_text())
    assert main(["report", str(run.path)]) == 0
    page = (run.path / "report" / "report.html").read_text(encoding="utf-8")
    assert "An encoder, which learnt beside them" in page
    assert "Encoder: nats a latent" in page
    picture, given_back = tmp_path / "face.png", tmp_path / "both.png"
    Image.fromarray(tiny.faces().images[0]).save(picture)
    assert main(["reconstruct", str(run.path), str(picture), "--out", str(given_back)]) == 0
    with Image.open(given_back) as both:
        assert both.size == (32, 66)


@either
def test_it_is_exported_and_explored_as_what_it_is(name: str, runs: dict[str, Run], tmp_path: Path) -> None:
    trained = mien.open_run(runs[name].path)
    assert isinstance(trained.model, Encodes)
    assert main(["export", str(runs[name].path), "--to", "onnx", str(tmp_path / "model.onnx")]) == 0
    exported = mien.open_run(tmp_path / "model.onnx")
    assert exported.content["encodes"]
    assert np.abs(exported.sample(4, seed=1).astype(int) - trained.sample(4, seed=1)).max() <= 1
    explorer = Explorer(open_site([runs[name].path]))
    try:
        assert explorer.site.manifest.runs[0].encodes
    finally:
        explorer.stop()


def test_recipes_without_one_have_none() -> None:
    assert not isinstance(tiny.model(ADVERSARIAL), Encodes)
    assert isinstance(tiny.model(ADVERSARIAL, encoder=True), Encodes)
