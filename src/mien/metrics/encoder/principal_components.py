"""Principal components of training pixels: what a linear model makes of faces, as the baseline of much else."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.faces.batches import CHUNK
from mien.faces.pixel_range import signed
from mien.pictures import arrays


class PrincipalGaussian(NamedTuple):
    """A Gaussian whose covariance is that of the principal components, and one variance in all other directions.

    mean: [D].  directions: [K,D], orthonormal.  variances: of the components, [K].  images: that it was fitted to.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    variances: NDArray[np.float64]
    images: int

    @property
    def fitted(self) -> str:
        """What it was fitted to, in words."""
        return f"{len(self.directions)} components of {self.images:,} training images"

    def components(self, images: arrays.Pictures) -> NDArray[np.float32]:
        """Components of images, some at a time, as pixels in float32 are large.  uint8 [N,S,S,3] -> [N,K]"""
        pieces = [
            (pixels(images[start : start + CHUNK]) - self.mean) @ self.directions.T
            for start in range(0, len(images), CHUNK)
        ]
        return np.concatenate([np.empty((0, len(self.directions)), np.float32), *pieces])

    def split(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Components, and the squared length of what they leave.  [N,D] -> [N,K], [N]"""
        centred = values - self.mean
        components = (centred @ self.directions.T).astype(np.float64)
        return components, np.square(centred, dtype=np.float64).sum(1) - np.square(components).sum(1)

    def noise(self, values: NDArray[np.float32]) -> float:
        """The variance of the other directions that is likeliest for some values.  [N,D]"""
        left = float(np.mean(self.split(values)[1])) / (values.shape[1] - len(self.directions))
        return left if left > 1e-12 else 1e-12

    def log_density(self, values: NDArray[np.float32], noise: float) -> NDArray[np.float64]:
        """log p in nats.  [N,D] -> [N]    No component varies less than the noise, as in the model's definition."""
        components, left = self.split(values)
        variances = np.maximum(self.variances, noise)
        count, dimensions = len(variances), values.shape[1]
        log_determinant = np.log(variances).sum() + (dimensions - count) * math.log(noise)
        distance = (np.square(components) / variances).sum(1) + left / noise
        found: NDArray[np.float64] = -0.5 * (dimensions * math.log(2 * math.pi) + log_determinant + distance)
        return found


def fit_principal_gaussian(values: NDArray[np.float32], components: int) -> PrincipalGaussian:
    """The leading principal components of values, found by randomized decomposition; they are overwritten.  [N,D]"""
    from sklearn.decomposition import PCA

    pca = PCA(components, copy=False, svd_solver="randomized", random_state=0).fit(values)
    return PrincipalGaussian(pca.mean_, pca.components_, pca.explained_variance_.astype(np.float64), len(values))


def pixels(images: arrays.Pictures) -> NDArray[np.float32]:
    """Pixels in [-1, 1], a row an image.  uint8 [N,S,S,3] -> [N,D]"""
    return signed(images).transpose(0, 2, 3, 1).reshape(len(images), -1)
