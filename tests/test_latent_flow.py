"""The learned prior: it learns where latents lie, and whatever draws new faces draws through it."""

from pathlib import Path

import numpy as np
import pytest
import torch

import mien
import tiny
from asking import Explorer
from mien.cli import main
from mien.explorer.site import open_site
from mien.faces.batches import Batch
from mien.metrics.numbers import FRECHET_OF_DRAWN
from mien.metrics.samples.latent_mixture import mixture
from mien.models import MODELS, model_class
from mien.models.latent_flow import LatentFlow
from mien.pictures import arrays, of_models
from mien.runs.folder import Run
from mien.sessions.train import train_run
from tiny import Killed, Watcher, assert_same_outcome, kill

NAME = next(name for name in MODELS if "prior" in model_class(name).Config.model_fields)
LEARNED = ("model.prior=flow", "training.steps=16", "training.snapshot_every_images=64")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny.train(tmp_path_factory.mktemp("learned") / "run", tiny.recipe(NAME, *LEARNED))


def batch(count: int) -> Batch:
    return Batch(torch.zeros(count, 3, 2, 2), torch.zeros(count, 0))


def far_apart(count: int) -> torch.Tensor:
    """Latents at 3 and -3, which no normal distribution comes near."""
    return torch.randn(count, 2) * 0.1 + 3 * torch.randint(0, 2, (count, 1)) * 2 - 3


def test_untrained_it_gives_a_normal_distribution_of_the_latents_own_mean_and_variance() -> None:
    torch.manual_seed(0)
    flow = LatentFlow(3)
    latents = torch.randn(512, 3) * torch.tensor([0.1, 1, 5]) + torch.tensor([3.0, 0, -2])
    for piece in latents.split(64):
        flow.loss(piece, batch(64))
    drawn = flow(torch.randn(4096, 3))
    assert drawn.mean(0).tolist() == pytest.approx(latents.mean(0).tolist(), abs=0.4)
    assert drawn.std(0).tolist() == pytest.approx(latents.std(0).tolist(), rel=0.15)


def test_it_learns_a_distribution_that_is_not_normal() -> None:
    torch.manual_seed(0)
    flow, noise = LatentFlow(2), torch.randn(1000, 2)
    optimizer = torch.optim.Adam(flow.parameters(), 1e-3)
    for _ in range(100):
        optimizer.zero_grad()
        flow.loss(far_apart(64), batch(64)).mean().backward()
        optimizer.step()
    with torch.no_grad():
        drawn = flow.eval()(noise)
    near = (drawn.abs() - 3).abs().amax(1) < 0.6
    assert near.float().mean() > 0.9
    assert (drawn[:, 0] * drawn[:, 1] > 0).float().mean() > 0.95
    assert 0.35 < (drawn[:, 0] > 0).float().mean() < 0.65


def test_samples_go_through_the_prior_and_reconstructions_do_not(run: Run) -> None:
    trained = mien.open_run(run.path)
    model, noise = trained.model, arrays.latents(8, 4, 5)
    assert model.prior is not None
    z = of_models.carry(model, torch.from_numpy(noise)).numpy()
    assert not np.allclose(z, noise, atol=0.05)
    assert (trained.sample(4, seed=5) == trained.generate(z)).all()
    faces = trained.sample(4)
    assert (trained.reconstruct(faces) == trained.generate(trained.encode(faces)[0])).all()


def test_the_report_says_where_its_faces_are_drawn_from(run: Run) -> None:
    assert "has learnt by flow matching" in " ".join(mien.open_run(run.path).model.describe())
    assert "flow" not in " ".join(tiny.model(NAME).describe())


def test_a_run_with_a_prior_goes_on_exactly_after_a_kill(run: Run, tmp_path: Path) -> None:
    for images in (40, 96):  # before the prior takes part, and while it does
        recipe = tiny.recipe(NAME, *LEARNED, "training.checkpoint_every_seconds=0")
        with pytest.raises(Killed):
            tiny.train(tmp_path / str(images), recipe, Watcher(images, kill))
        again = Run.open(tmp_path / str(images))
        train_run(again, tiny.faces())
        assert_same_outcome(again, run)


@pytest.mark.long
def test_the_exported_prior_gives_the_same_faces_and_is_asked_for_where_it_is_missing(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "faces.onnx"
    assert main(["export", str(run.path), "--to", "onnx", str(file)]) == 0
    expected = mien.open_run(run.path).sample(70, seed=3)
    assert np.abs(mien.open_run(file).sample(70, seed=3).astype(int) - expected).max() <= 1
    prior = tmp_path / "faces-prior.onnx"
    assert main(["sample", str(prior)]) == 2
    assert "only the prior" in capsys.readouterr().err
    prior.unlink()
    assert main(["sample", str(file)]) == 2
    assert f"{prior}: is not there" in capsys.readouterr().err


@pytest.mark.parametrize("runtime", ["pytorch", pytest.param("onnxruntime", marks=pytest.mark.long)])
def test_the_server_carries_noise_as_the_run_does(run: Run, runtime: str) -> None:
    explorer = Explorer(open_site([run.path]), runtime)
    try:
        noise = arrays.latents(8, 3, 1)
        found = explorer.engine.carry("run", "last", noise).result()
        expected = of_models.carry(mien.open_run(run.path).model, torch.from_numpy(noise))
        assert np.allclose(found, expected, atol=1e-4)
    finally:
        explorer.stop()


def test_every_way_of_drawing_latents_is_measured(run: Run) -> None:
    subject = tiny.subject(run, tiny.faces())
    scores = mixture(subject)
    distances = {kind: scores[number.of(str(len(subject.rows("test"))))] for kind, number in FRECHET_OF_DRAWN.items()}
    assert distances.keys() == {"prior", "mixture", "learned", "aggregate"}
    assert distances["prior"] != distances["learned"]
