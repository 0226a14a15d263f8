"""The likelihood of a model that encodes: bounds on log p(x) of test images, and the KL of its latents."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.faces import SPLITS
from mien.faces.pixel_range import GREY_LEVELS
from mien.faces.splits import spread
from mien.metrics import numbers
from mien.metrics.encoder.posterior import aggregate, encoded, exactly, latents
from mien.metrics.encoder.principal_components import pixels
from mien.metrics.evaluated_model import Subject
from mien.metrics.intervals import mean_score
from mien.models import losses
from mien.models.base import Encodes
from mien.pictures import arrays
from mien.runs.score import Score
from mien.seeds import Seed

WEIGHTED = 200  # test images of the importance-weighted bound at 32 x 32 pixels; of larger ones fewer, by their area
FEWEST_WEIGHTED = 50
DRAWS = 50  # of it, for each image
BITS_OF_PIXEL = math.log2(GREY_LEVELS)  # pixels are 2/255 apart: from a density to the probability of a step


class Coded(NamedTuple):
    """The cost of coding images.  mse: of one draw from q(z given x), [N].  kl: in nats, [N]."""

    mse: NDArray[np.float64]
    kl: NDArray[np.float64]


def likelihood(subject: Subject) -> dict[str, Score]:
    """ELBO, importance-weighted bound, KL, active units, and the aggregate posterior beside the prior."""
    model = subject.encoder
    rows = {split: subject.encoded_rows(split) for split in SPLITS}
    if not all(map(len, rows.values())):  # a table may know the attributes of training images only
        return {}
    validated, test = subject.faces.images[rows["validation"]], subject.faces.images[rows["test"]]
    validation = code(model, validated, subject.labels_of(rows["validation"]))
    variance = max(float(validation.mse.mean()), 1e-12)
    scores = {
        numbers.VARIANCE.name: mean_score(
            validation.mse,
            "variance of the decoder's Gaussian, pixels in [-1, 1], that is likeliest on the validation split: "
            "mean squared error of decoded draws from q(z given x)",
        )
    }
    scores |= bounds(model, test, subject.labels_of(rows["test"]), variance, subject.split_in_words("test"))
    scores |= principal_baseline(subject, validated, test)
    return scores | latents(subject.latents("test")[0]) | aggregate(*subject.latents("train"))


def bounds(model: Encodes, test: arrays.Pictures, y: Tensor | None, variance: float, split: str) -> dict[str, Score]:
    """The bounds on log p(x), or on log p(x given y), over test images, at a variance and at that of training."""
    dimensions = test[0].size
    coded = code(model, test, y)
    stated = f"{split}, decoder variance {variance:.3g}"
    elbo = evidence_lower_bound(coded, variance, dimensions)
    scores = {
        numbers.ELBO.name: mean_score(
            elbo, f"{stated} (optimal on validation), log density of pixels in [-1, 1], one draw"
        ),
        numbers.ELBO_BITS.name: mean_score(
            -elbo / (dimensions * math.log(2)) + BITS_OF_PIXEL,
            f"{stated}, bits for each of {dimensions:,} pixel values: log density times the pixel's step of 2/255; "
            "lower is better; pixels were not dequantized",
        ),
        numbers.KL.name: mean_score(coded.kl, f"{split}, KL of q(z given x) to N(0, I) in nats an image"),
    }
    few = spread(np.arange(len(test)), max(FEWEST_WEIGHTED, WEIGHTED * 32**2 // model.image_size**2))
    weighted = importance_weighted_bound(model, test[few], None if y is None else y[few], variance, DRAWS)
    how = f"{stated}, importance-weighted bound of {DRAWS} draws"
    scores[numbers.IWAE.name] = mean_score(weighted, how)
    scores[numbers.IWAE_GAIN.name] = mean_score(weighted - elbo[few], f"{how}, minus the ELBO of the same images")
    if trained := model.decoder_variance():
        scores[numbers.VARIANCE_IN_TRAINING.name] = exactly(trained, len(test), "at which the objective was the ELBO")
        scores[numbers.ELBO_IN_TRAINING.name] = mean_score(
            evidence_lower_bound(coded, trained, dimensions), f"as elbo_nats, at training's variance of {trained:.3g}"
        )
    return scores


def code(model: Encodes, images: arrays.Pictures, y: Tensor | None) -> Coded:
    """Squared error of one decoded draw from q(z given x) for each image, and the KL.  uint8 [N,S,S,3], [N,A]"""
    random = torch.Generator().manual_seed(Seed.POSTERIOR)
    errors, divergences = [], []
    for x, labels, mu, logvar in encoded(model, images, y):
        z = mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=random).to(mu.device)
        errors.append(losses.squared_error(model.generate(z, labels), x).double().cpu())
        divergences.append(losses.kl_to_standard_normal(mu.double(), logvar.double()).cpu())
    return Coded(torch.cat(errors).numpy(), torch.cat(divergences).numpy())


def evidence_lower_bound(coded: Coded, variance: float, dimensions: int) -> NDArray[np.float64]:
    """E[log N(x; decoded z, variance I)] - KL(q(z given x) || N(0, I)), in nats.  -> [N]

    Source: Kingma & Welling 2014 (arXiv:1312.6114), equation 3.
    """
    bound: NDArray[np.float64] = (
        -0.5 * dimensions * (math.log(2 * math.pi * variance) + coded.mse / variance) - coded.kl
    )
    return bound


def importance_weighted_bound(
    model: Encodes, images: arrays.Pictures, y: Tensor | None, variance: float, draws: int
) -> NDArray[np.float64]:
    """log of the mean of p(x, z) / q(z given x) over draws of z from q: a bound on log p(x) in nats.  -> [N]

    Source: Burda et al. 2016 (arXiv:1509.00519), equation 8.
    """
    random = torch.Generator().manual_seed(Seed.POSTERIOR)
    found = []
    for x, labels, mu, logvar in encoded(model, images, y):
        weights = []
        for _ in range(draws):
            noise = torch.randn(mu.shape, generator=random).to(mu.device)
            z = mu + (0.5 * logvar).exp() * noise
            prior_to_posterior = 0.5 * (noise.double().square() + logvar - z.double().square()).sum(1)
            likelihood_of_x = losses.gaussian_log_likelihood(model.generate(z, labels), x, variance).double()
            weights.append(likelihood_of_x + prior_to_posterior)
        found.append((torch.stack(weights).logsumexp(0) - math.log(draws)).cpu())
    return torch.cat(found).numpy()


def principal_baseline(subject: Subject, validated: arrays.Pictures, test: arrays.Pictures) -> dict[str, Score]:
    """The likelihood of the same images by a linear model with as many latents: probabilistic PCA of pixels.

    Source: Tipping & Bishop 1999, "Probabilistic principal component analysis".
    """
    gaussian = subject.principal()
    noise = gaussian.noise(pixels(validated))
    protocol = (
        f"test split, probabilistic PCA of pixels in [-1, 1], {gaussian.fitted}, noise variance {noise:.3g} (optimal "
        "on validation), exact log density; compare with elbo_nats"
    )
    return {numbers.PPCA.name: mean_score(gaussian.log_density(pixels(test), noise), protocol)}
