"""What the VAE alone does: the weight of its KL, given or solved for, and its curves in nats."""

import tomllib
from pathlib import Path

import pytest
import torch
from arithmetic import flops_of_image
from torch import Tensor

import tiny
from mien.errors import RecipeError
from mien.models import build, losses
from mien.models.base import Model
from mien.models.terms import KL_DIVERGENCE, SQUARED_ERROR
from mien.models.vae import VAE, equivalent_beta, equivalent_kl_weight
from mien.recipes.recipe import check, load_recipe, to_toml
from mien.report.loss_curves import panels
from mien.runs.folder import Run
from mien.runs.weights import load_model

# The KL weight


@pytest.mark.parametrize(("kl_weight", "size", "beta"), [(1e-4, 64, 0.6144), (2 / 12_288, 64, 1.0), (1.0, 32, 1_536.0)])
def test_a_kl_weight_has_an_equivalent_beta(kl_weight: float, size: int, beta: float) -> None:
    assert equivalent_beta(kl_weight, size) == pytest.approx(beta)


def test_the_coursework_vae_weighs_the_kl_by_a_ten_thousandth() -> None:
    assert load_recipe("vae-coursework").model.kl_weight == 1e-4


def gradients(model: VAE, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters())))


def test_the_automatic_weight_moves_as_the_bound_at_its_best_variance_does() -> None:
    model, x = tiny.model("vae", kl_weight="auto"), tiny.batch(tiny.model("vae")).x
    torch.manual_seed(1)
    found = gradients(model, sum((term.weighted for term in model.loss(tiny.batch(model)).values()), torch.zeros(())))
    torch.manual_seed(1)
    mu, logvar = model.encode(x)
    x_hat = model.decoder(mu + (0.5 * logvar).exp() * torch.randn_like(mu))
    variance = (x_hat - x).square().mean()  # not detached: the whole of the objective, as a function of the weights
    bound = -losses.gaussian_log_likelihood(x_hat, x, variance).mean() + losses.kl_to_standard_normal(mu, logvar).mean()
    for one, other in zip(found, gradients(model, bound), strict=True):
        torch.testing.assert_close(one * 3072 / (2 * variance), other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


def test_a_number_is_weighed_as_ever_and_leaves_no_trace_in_the_weights() -> None:
    model = tiny.model("vae", kl_weight=0.5)
    terms = model.loss(tiny.batch(model))
    mu, logvar = model.encode(tiny.batch(model).x)
    torch.testing.assert_close(terms["kl"].weighted, 0.5 * losses.kl_to_standard_normal(mu, logvar).mean())
    assert "variance" not in model.state_dict()


def test_the_variance_in_training_is_that_of_the_batches_and_evaluation_leaves_it() -> None:
    model, batch = tiny.model("vae", kl_weight="auto"), tiny.batch(tiny.model("vae"))
    assert model.decoder_variance() == 0
    first = float(model.loss(batch)["reconstruction"].value.detach())
    assert model.decoder_variance() == pytest.approx(first)
    second = float(model.loss(batch)["reconstruction"].value.detach())
    assert model.decoder_variance() == pytest.approx(0.99 * first + 0.01 * second)
    model.eval().loss(batch)
    assert model.decoder_variance() == pytest.approx(0.99 * first + 0.01 * second)


def test_a_fixed_weight_is_the_bound_at_its_equivalent_variance() -> None:
    assert tiny.model("vae").decoder_variance() == pytest.approx(1e-4 * 3072 / 2)
    assert tiny.model("vae", kl_weight=2e-4).decoder_variance() == equivalent_beta(2e-4, 32)
    assert equivalent_kl_weight(equivalent_beta(2e-4, 32), 32) == pytest.approx(2e-4)


def test_the_objective_is_told_with_its_beta() -> None:
    assert "(β = kl_weight × D/2;" in tiny.model("vae", kl_weight=1e-4).describe()[1]


def test_auto_can_be_asked_for_and_survives_the_recipe_and_the_weights(tmp_path: Path) -> None:
    recipe = tiny.recipe("vae", "model.kl_weight=auto")
    assert check(tomllib.loads(to_toml(recipe)), "") == recipe
    trained = load_model(tiny.train(tmp_path / "run", recipe).weights)
    assert 0 < trained.model.decoder_variance() < 1
    (_, told) = trained.model.describe()
    assert f"σ = {trained.model.decoder_variance() ** 0.5:.3g}" in told
    assert "landed" not in tiny.model("vae", kl_weight="auto").describe()[1]


def test_a_resumed_training_with_an_automatic_weight_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    def trained(steps: int, checkpoint: str) -> Model:
        model = tiny.model("vae", kl_weight="auto")
        tiny.trainer(model, tmp_path, steps=steps, checkpoint=checkpoint).run()
        return model

    trained(2, "interrupted")
    assert tiny.same(trained(4, "interrupted").state_dict(), trained(4, "whole").state_dict())


@pytest.mark.parametrize("weight", ["-1", "automatic", "nan", "inf", "[]"])
def test_any_other_weight_is_refused_in_words(weight: str) -> None:
    with pytest.raises(RecipeError, match=r"model.kl_weight is .*Give a number of 0 or more, such as 1e-4, or 'auto'"):
        load_recipe("vae-quick", [f"model.kl_weight={weight}"])


def test_the_curve_of_an_automatic_weight_is_in_nats(tmp_path: Path) -> None:
    lines: list[dict[str, float]] = []
    model = tiny.model("vae", kl_weight="auto")
    tiny.trainer(model, tmp_path, log=lines.append).run()
    (line,) = lines
    assert line["weights"]["vae/kl"] == pytest.approx(2 * line["vae/reconstruction"] / (3 * 32**2))
    assert panels(lines, model)[KL_DIVERGENCE].lines[0].values == pytest.approx([line["vae/kl"]])


# Its curves


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


def test_a_kl_of_validation_is_in_nats_already() -> None:
    log = [{"images_seen": 8, "vae/kl": 2e-4}, {"images_seen": 8, "validation/kl_nats": 2.0}]
    model = tiny.model("vae", kl_weight=1e-4)
    assert [line.values.tolist() for line in panels(log, model)[KL_DIVERGENCE].lines] == [[2.0], [2.0]]


# Its arithmetic


def test_the_arithmetic_of_a_vae_is_three_forward_passes_less_the_gradient_by_the_image():
    recipe = tiny.recipe("vae")
    width, latent = recipe.model.width, recipe.model.latent_dim
    encoder = 2 * 16 * (16**2 * 3 * width + 8**2 * width * 2 * width + 4**2 * 2 * width * 4 * width)
    linear = 2 * 4**2 * 4 * width * 3 * latent
    forward = 2 * encoder + linear
    assert flops_of_image(recipe, tiny.noise_faces()) == 3 * forward - 2 * 16 * 16**2 * 3 * width
