"""Samples from a Gaussian mixture fitted to the latents of training images, beside those from N(0, I).

Where the aggregate posterior is not N(0, I), samples from N(0, I) decode latents that training never saw.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.faces import SPLITS
from mien.faces.splits import spread
from mien.metrics.encoder.posterior import draws
from mien.metrics.evaluated_model import Subject
from mien.metrics.image_counts import FEWEST, cut, in_words, round_count
from mien.metrics.intervals import mean_score
from mien.metrics.numbers import FRECHET_OF_DRAWN, SHARPNESS_OF_DRAWN
from mien.metrics.samples.frechet import frechet_score
from mien.metrics.samples.sharpness import IMAGES, laplacian_variance, real_images
from mien.pictures import arrays, of_models
from mien.runs.score import Score
from mien.seeds import Seed

MOST = 2_000  # samples of each kind, and test images
LEADING = 32  # principal directions in which the mixture is a mixture; in the others it is one Gaussian
SIZES = (1, 4, 16)  # components, of which validation chooses

Latents = NDArray[np.float32]


@dataclass(frozen=True)
class LatentMixture:
    """A Gaussian mixture over the leading principal directions of latents; independent Gaussians over the others.

    mean: [Z].  directions: orthonormal, leading ones first, [Z,Z].  others: standard deviations, [Z - L].
    leading: scikit-learn's mixture over the first L.
    """

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    leading: Any
    others: NDArray[np.float64]

    def log_density(self, latents: Latents) -> NDArray[np.float64]:
        """log p in nats.  [N,Z] -> [N]"""
        turned = (latents - self.mean) @ self.directions.T
        count = turned.shape[1] - len(self.others)
        rest = turned[:, count:] / self.others
        density: NDArray[np.float64] = self.leading.score_samples(turned[:, :count])
        density -= 0.5 * np.square(rest).sum(1) + np.log(self.others * np.sqrt(2 * np.pi)).sum()
        return density

    def sample(self, count: int, seed: int) -> Tensor:
        """Latents, in random order.  -> [count,Z], on the CPU"""
        random = np.random.default_rng(seed)
        of_component = random.multinomial(count, self.leading.weights_)
        pieces = [
            random.multivariate_normal(mean, covariance, size, method="cholesky")
            for mean, covariance, size in zip(self.leading.means_, self.leading.covariances_, of_component, strict=True)
        ]
        first = random.permutation(np.concatenate(pieces))
        rest = random.standard_normal((count, len(self.others))) * self.others
        return torch.from_numpy((np.hstack([first, rest]) @ self.directions + self.mean).astype(np.float32))


def fit_mixture(train: Latents, validation: Latents) -> LatentMixture:
    """The mixture of 1, 4 or 16 components that is likeliest on validation, fitted to train.  [N,Z], [M,Z]"""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    values = train.astype(np.float64)
    mean = values.mean(0)
    variances, columns = np.linalg.eigh(np.atleast_2d(np.cov(values.T)))
    directions, deviations = columns.T[::-1], np.sqrt(np.maximum(variances[::-1], 1e-6))
    count = min(LEADING, len(directions))
    turned = (values - mean) @ directions[:count].T
    found = []
    for size in SIZES:
        if len(values) >= 2 * size * count or size == 1:
            mixture = GaussianMixture(size, max_iter=50, reg_covar=1e-4, random_state=0)
            with warnings.catch_warnings():  # one that has not settled after 50 steps is still a mixture
                warnings.simplefilter("ignore", ConvergenceWarning)
                mixture.fit(turned)
            found.append(LatentMixture(mean, directions, mixture, deviations[count:]))
    return max(found, key=lambda one: float(one.log_density(validation).mean()))


def mixture_of(subject: Subject) -> LatentMixture:
    """The mixture of a subject: fitted to one draw from q(z given x) of each training image."""
    train, validation = (draws(*subject.latents(split), Seed.POSTERIOR) for split in SPLITS[:2])
    return fit_mixture(train, validation)


def mixture(subject: Subject) -> dict[str, Score]:
    """Fréchet distance and sharpness of samples by how latents are drawn.

    From N(0, I), by the model's own prior where it has learnt one, from the mixture, and from the latents of training
    images, which no prior can do better than.
    Nothing where there are fewer than ten images, or where the model is conditional: its latents are not all it needs.
    """
    fewest = min(len(subject.rows(split)) for split in ("train", "test"))
    if subject.trained.attributes or fewest < FEWEST:
        return {}
    model = subject.trained.model
    count = round_count(min(MOST, subject.sample_count, fewest))
    fitted = mixture_of(subject)
    drawn = draws(*subject.latents("train"), Seed.POSTERIOR)
    aggregate = torch.from_numpy(drawn[spread(np.arange(len(drawn)), count)])
    size = len(fitted.leading.weights_)
    kinds = {
        "prior": (from_normal(subject, count), f"{count} samples of seed {Seed.MEASURED} from N(0, I)"),
        "mixture": (
            of_models.generate(model, fitted.sample(count, Seed.MEASURED)),
            f"{count} samples of seed {Seed.MEASURED} from a Gaussian mixture of {size} components (of {SIZES}, the "
            "likeliest on validation) fitted to one draw from q(z given x) of each training image",
        ),
        "aggregate": (
            of_models.generate(model, aggregate),
            f"one decoded draw from q(z given x) of {count} training images: what a perfect sampler of latents has",
        ),
    }
    if model.prior is not None:
        words = f"{count} samples of seed {Seed.MEASURED} by the model's learned prior"
        kinds["learned"] = (subject.samples[:count], words)
    return compared(subject, kinds, count)


def from_normal(subject: Subject, count: int) -> arrays.Pictures:
    """Samples of latents from N(0, I), whatever prior the model has.  -> [count,S,S,3]"""
    model = subject.trained.model
    if model.prior is None:
        return subject.samples[:count]
    return of_models.generate(model, torch.from_numpy(arrays.latents(model.latent_dim, count, Seed.MEASURED)))


def compared(subject: Subject, kinds: dict[str, tuple[arrays.Pictures, str]], count: int) -> dict[str, Score]:
    """Fréchet distance to test images in the judge's features, and sharpness, of each kind of samples."""
    judge = subject.extractors[0]
    test = cut(subject.features(judge, "test"), count)
    real = float(laplacian_variance(real_images(subject)).mean())
    scores = {}
    for kind, (images, words) in kinds.items():
        distance = frechet_score(judge(images), test, f"Fréchet distance, {judge.protocol}; {words}; to test images")
        scores[FRECHET_OF_DRAWN[kind].of(in_words(count))] = distance
        if real > 0:
            sharp = mean_score(laplacian_variance(images[:IMAGES]) / real, f"sharpness as a share of real; {words}")
            scores[SHARPNESS_OF_DRAWN[kind].name] = sharp
    return scores
