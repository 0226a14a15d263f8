"""The bounds on the likelihood, the aggregate posterior and the mixture over latents."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

import tiny
from mien.metrics.encoder.likelihood import Coded, code, evidence_lower_bound, importance_weighted_bound, likelihood
from mien.metrics.encoder.posterior import aggregate, divergence, latents
from mien.metrics.encoder.principal_components import fit_principal_gaussian, pixels
from mien.metrics.samples.latent_mixture import LEADING, fit_mixture, mixture, mixture_of
from mien.models import losses
from mien.models.base import Model, ModelConfig
from mien.runs.folder import Run
from tiny import ENCODING

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (40, 2, 2, 3), dtype=np.uint8)
VARIANCE = 0.3


class LinearGaussian(Model):
    """x = W z + b + noise, whose log p(x) is known. W has orthogonal columns, so that q can be the true posterior.

    off: how far the mean of q is from that of the true posterior.
    """

    def __init__(self, off: float = 0.0) -> None:
        super().__init__(ModelConfig(name="linear", latent_dim=3), image_size=2)
        directions = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 3)))[0]
        self.weights = torch.nn.Parameter(torch.tensor(directions * (1.0, 0.7, 0.4), dtype=torch.float32))
        self.bias, self.off = torch.linspace(-0.5, 0.5, 12), off

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (z @ self.weights.T + self.bias).view(-1, 3, 2, 2)

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        spread = 1 / (1 + self.weights.square().sum(0) / VARIANCE)
        mean = (x.flatten(1) - self.bias) @ self.weights * spread / VARIANCE
        return mean + self.off, spread.log().expand_as(mean)

    def log_density(self) -> NDArray[np.float64]:
        weights = self.weights.detach().double().numpy()
        x = IMAGES.transpose(0, 3, 1, 2).reshape(40, 12) / 127.5 - 1
        covariance = weights @ weights.T + VARIANCE * np.eye(12)
        return np.asarray(multivariate_normal(self.bias.numpy(), covariance).logpdf(x))


# Bounds


def test_the_log_likelihood_of_the_decoder_is_that_of_torch() -> None:
    x, x_hat = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    expected = Normal(x_hat, 0.7**0.5).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(losses.gaussian_log_likelihood(x_hat, x, 0.7), expected)


@pytest.mark.parametrize("draws", [1, 7])
def test_with_the_true_posterior_the_weighted_bound_is_exact(draws: int) -> None:
    bound = importance_weighted_bound(LinearGaussian(), IMAGES, None, VARIANCE, draws)
    assert bound == pytest.approx(LinearGaussian().log_density(), abs=1e-4)


def test_the_weighted_bound_lies_between_the_elbo_and_the_truth_and_rises_with_draws() -> None:
    model = LinearGaussian(off=0.4)
    truth = model.log_density().mean()
    elbo = evidence_lower_bound(code(model, IMAGES, None), VARIANCE, 12).mean()
    few, many, most = (
        importance_weighted_bound(model, IMAGES, None, VARIANCE, draws).mean() for draws in (5, 50, 2_000)
    )
    assert elbo < few < many < most < truth + 0.01
    assert most == pytest.approx(truth, abs=0.05)


def test_the_elbo_is_the_truth_minus_the_error_of_the_posterior() -> None:
    model, repeated = LinearGaussian(off=0.4), np.repeat(IMAGES, 200, axis=0)
    spread = 1 / (1 + model.weights.detach().square().sum(0) / VARIANCE)
    error = float((0.4**2 / spread).sum() / 2)  # KL of two Gaussians that differ in their means
    elbo = evidence_lower_bound(code(model, repeated, None), VARIANCE, 12).reshape(40, 200).mean(1)
    assert elbo == pytest.approx(model.log_density() - error, abs=0.6)
    assert elbo.mean() == pytest.approx(model.log_density().mean() - error, abs=0.05)


def test_the_likeliest_variance_is_the_mean_squared_error() -> None:
    coded = Coded(np.array([0.1, 0.2, 0.6]), np.zeros(3))
    bounds = {variance: evidence_lower_bound(coded, variance, 12).mean() for variance in (0.28, 0.3, 0.32)}
    assert max(bounds, key=lambda variance: bounds[variance]) == 0.3


def test_the_baseline_is_the_probabilistic_pca_of_scikit_learn() -> None:
    values = (RANDOM.normal(size=(500, 4)) @ RANDOM.normal(size=(4, 20)) + RANDOM.normal(size=(500, 20))).astype("f4")
    gaussian, pca = fit_principal_gaussian(values.copy(), 4), PCA(4).fit(values)
    assert gaussian.noise(values) == pytest.approx(pca.noise_variance_, rel=5e-3)
    assert gaussian.log_density(values, pca.noise_variance_) == pytest.approx(pca.score_samples(values), rel=1e-3)


def test_the_likelihood_of_a_run_has_its_units_and_stands_beside_its_baseline(
    trained_runs: dict[str, Run], faces: Any
) -> None:
    subject = tiny.subject(trained_runs[ENCODING], faces)
    scores = likelihood(subject)
    value = {name: score.value for name, score in scores.items()}
    assert value["elbo_bits_per_dim"] == pytest.approx(-value["elbo_nats"] / 3072 / math.log(2) - math.log2(2 / 255))
    assert value["elbo_nats"] > value["elbo_nats_in_training"]
    assert value["iwae_gain_nats"] > 0
    assert value["decoder_variance_in_training"] == pytest.approx(subject.trained.model.decoder_variance())
    assert value["baseline_ppca_nats"] > value["elbo_nats"]  # eight steps of training are worse than a linear model
    assert (value["latent_dim"], scores["elbo_nats"].images) == (8, len(faces.rows("test")))
    assert scores["latent_dim"].low is None  # other images would not move it
    assert all(np.isfinite(s.value) and s.images and s.protocol for s in scores.values())


def test_bits_of_a_dimension_are_those_of_the_probability_of_a_pixels_step() -> None:
    step, wide = 2 / 255, 0.2
    bits = -math.log2(norm(0, wide).cdf(0.1 + step / 2) - norm(0, wide).cdf(0.1 - step / 2))
    nats = evidence_lower_bound(Coded(np.array([0.1**2]), np.zeros(1)), wide**2, 1)[0]
    assert -nats / math.log(2) + math.log2(127.5) == pytest.approx(bits, rel=1e-3)


# The aggregate posterior


def test_the_divergence_of_latents_is_that_of_torch_and_the_sum_of_its_parts() -> None:
    values = (RANDOM.normal(size=(400, 5)) @ RANDOM.normal(size=(5, 5)) + 0.3).astype(np.float32)
    fitted = MultivariateNormal(torch.tensor(values.mean(0)).double(), torch.tensor(np.cov(values.T)))
    expected = kl_divergence(fitted, MultivariateNormal(torch.zeros(5).double(), torch.eye(5).double()))
    found = divergence(values)
    assert found.whole == pytest.approx(float(expected), rel=1e-5)
    assert found.whole == pytest.approx(found.total_correlation + found.dimensions)


def test_latents_that_depend_on_each_other_lose_their_total_correlation_when_shuffled() -> None:
    values = (RANDOM.normal(size=(2_000, 1)) + 0.3 * RANDOM.normal(size=(2_000, 4))).astype(np.float32)
    assert divergence(values).total_correlation > 2
    assert divergence(RANDOM.permuted(values, axis=0)).total_correlation < 0.02


def test_a_posterior_that_is_the_prior_reads_as_its_floor() -> None:
    scores = aggregate(np.zeros((2_000, 6), np.float32), np.zeros((2_000, 6), np.float32))
    chance = 6 * 9 / 4 / 2_000  # of 6 means and 21 covariances, half a squared normal over N each
    assert scores["aggregate_kl"].value == pytest.approx(chance, abs=0.006)
    assert scores["aggregate_kl_floor"].value == pytest.approx(chance, abs=0.006)
    assert np.isfinite(
        aggregate(np.zeros((99, 6), np.float32), np.full((99, 6), -300.0, np.float32))["aggregate_kl"].value
    )
    assert aggregate(np.zeros((10, 6), np.float32), np.zeros((10, 6), np.float32)) == {}


def test_latents_that_stand_still_are_not_active() -> None:
    means = RANDOM.normal(size=(300, 5)).astype(np.float32) * np.array([1, 1, 0.5, 0.05, 0], np.float32)
    scores = latents(means)
    assert (scores["active_units"].value, scores["latent_dim"].value) == (3, 5)


# The mixture


def clusters(count: int, size: int) -> NDArray[np.float32]:
    """Latents in three far clusters."""
    centres = np.random.default_rng(5).normal(scale=6, size=(3, size))
    random = np.random.default_rng(count)
    return (centres[random.integers(3, size=count)] + random.normal(size=(count, size))).astype(np.float32)


def test_the_density_of_the_mixture_is_that_of_scikit_learn() -> None:
    train, validation = clusters(600, 4), clusters(200, 4)
    found = fit_mixture(train, validation)
    assert len(found.leading.weights_) > 1
    alone = GaussianMixture(len(found.leading.weights_), reg_covar=1e-4, random_state=0, max_iter=200).fit(train)
    assert found.log_density(validation).mean() == pytest.approx(alone.score(validation), abs=0.1)


def test_directions_beyond_the_leading_ones_are_one_gaussian() -> None:
    scales = np.linspace(3, 0.5, LEADING + 8)
    train, validation = (RANDOM.normal(size=(count, LEADING + 8)).astype("f4") * scales for count in (4_000, 500))
    density = multivariate_normal(np.zeros(LEADING + 8), np.diag(scales**2)).logpdf(validation)
    assert fit_mixture(train, validation).log_density(validation).mean() == pytest.approx(density.mean(), abs=0.3)


def test_samples_of_the_mixture_are_distributed_as_its_latents() -> None:
    train = clusters(3_000, LEADING + 4)
    sampled = fit_mixture(train, clusters(200, LEADING + 4)).sample(3_000, seed=1).numpy()
    assert np.abs(sampled.mean(0) - train.mean(0)).max() < 0.6
    assert np.cov(sampled.T) == pytest.approx(np.cov(train.T), abs=4)
    nearest = np.sqrt(np.square(sampled[:300, None] - train[None]).sum(-1)).min(1)
    assert nearest.max() < 12  # between clusters it would be half of their distance, some 25


def test_a_seed_gives_the_same_latents(trained_runs: dict[str, Run], faces: Any) -> None:
    subject = tiny.subject(trained_runs[ENCODING], faces)
    one, again, other = (mixture_of(subject).sample(5, seed) for seed in (1, 1, 2))
    assert (one.shape, one.dtype) == ((5, 8), torch.float32)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_mixture_stands_beside_the_prior_and_the_latents_themselves(
    trained_runs: dict[str, Run], faces: Any
) -> None:
    scores = mixture(tiny.subject(trained_runs[ENCODING], faces))
    count = len(faces.rows("test")) // 10 * 10
    kinds = ("prior", "mixture", "aggregate")
    assert set(scores) == {f"{name}_{kind}" for name in (f"fd_judge_{count}", "sharpness_ratio") for kind in kinds}


def test_pixels_are_flat_and_signed() -> None:
    assert pixels(np.array([[[[0, 255, 0]]]], np.uint8)).tolist() == [[-1, 1, -1]]
