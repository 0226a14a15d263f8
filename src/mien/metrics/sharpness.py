"""How sharp images are: the variance of their Laplacian."""

import numpy as np
from numpy.typing import NDArray

from mien import views
from mien.faces import Faces
from mien.metrics.score import Score, mean_score
from mien.models.base import Encodes
from mien.trained import TrainedModel

IMAGES = 2_000  # at most, of each kind
PROTOCOL = "variance of the 4-neighbour Laplacian of the grey image in [0, 1], mean over images"


def sharpness(trained: TrainedModel, faces: Faces) -> dict[str, Score]:
    """Sharpness of real test images, of their reconstructions where the model encodes, and of samples."""
    real = faces.images[faces.rows("test")[:IMAGES]]
    scores = {"sharpness_real": mean_score(laplacian_variance(real), f"test split, {PROTOCOL}")}
    if isinstance(trained.model, Encodes):
        given_back = views.reconstruct(trained.model, real)
        scores["sharpness_reconstructions"] = mean_score(laplacian_variance(given_back), f"test split, {PROTOCOL}")
    samples = trained.sample(min(IMAGES, max(256, len(real))), seed=1)
    scores["sharpness_samples"] = mean_score(laplacian_variance(samples), f"sampled with seed 1, {PROTOCOL}")
    return scores


def laplacian_variance(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Variance of each image's discrete Laplacian, grey values in [0, 1].  uint8 [N,S,S,3] -> [N]

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
    """
    grey = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114]) / 255
    inner = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    variance: NDArray[np.float64] = (around - 4 * inner).var(axis=(1, 2))
    return variance
