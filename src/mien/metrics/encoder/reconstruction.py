"""How well a model reconstructs test images that it was not trained on, beside baselines that need no model."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.faces.batches import CHUNK, signed_chunks
from mien.faces.pixel_range import to_stored
from mien.metrics.encoder.principal_components import PrincipalGaussian
from mien.metrics.evaluated_model import Subject
from mien.metrics.intervals import mean_score
from mien.metrics.numbers import MEAN_FACE, MSE_WITH, MSE_WITHOUT, PCA, TEST, Number, by_extractor
from mien.models.base import Encodes
from mien.pictures.of_models import evaluating
from mien.runs.score import Score

Reconstruct = Callable[[Tensor, Tensor | None], Tensor]  # [N,3,S,S], [N,A] where the model is conditional
SMALL_PCAS = (16, 64)  # components, besides as many as the model has latents
MSE = "mean over pixels in [-1, 1], no quantization"


class Distances(NamedTuple):
    """Distances of each image to what becomes of it; of features the squared one, by the extractor's name.  [N] each"""

    mse: NDArray[np.float64]
    psnr: NDArray[np.float64]
    ssim: NDArray[np.float64]
    features: dict[str, NDArray[np.float64]]


def reconstruction(subject: Subject) -> dict[str, Score]:
    """Squared error, PSNR, SSIM and distance in features over the test split; a mean face and PCAs beside them.

    Empty where all test faces lack attributes that the model needs.
    """
    model = subject.encoder
    if not subject.labelled("test").any():
        return {}
    own = compare(subject, lambda x, y: through(model, x, y))
    scores = scored(subject, TEST, "", own) | by_attribute(subject, own)
    gaussian = subject.principal()
    mean_face = torch.from_numpy(gaussian.mean)
    found = compare(subject, lambda x, _: as_images(mean_face.expand(len(x), -1), x))
    scores |= scored(subject, MEAN_FACE, f"mean of {gaussian.images:,} training images, ", found)
    most = len(gaussian.directions)
    for components in sorted({most, *(few for few in SMALL_PCAS if few < most)}):
        found = compare(subject, projection(gaussian, components))
        how = f"leading {components} of {gaussian.fitted}, "
        scores |= scored(subject, PCA, how, found, str(components))
    return scores


def through(model: Encodes, x: Tensor, y: Tensor | None) -> Tensor:
    """Images through the encoder's mean and back.  [N,3,S,S], [N,A] -> [N,3,S,S]"""
    with evaluating(model) as device:
        return model.reconstruct(x.to(device), None if y is None else y.to(device)).cpu()


def compare(subject: Subject, reconstruct: Reconstruct) -> Distances:
    """Distances between the test images and what becomes of them, some at a time.

    Each goes to its place among all: many small tensors, kept where large ones come and go, would hold gigabytes.
    """
    places = np.flatnonzero(subject.labelled("test"))
    faces = subject.rows("test")[places]
    mse, ssim = np.empty(len(faces)), np.empty(len(faces))
    apart = {extractor.name: np.empty(len(faces)) for extractor in subject.extractors}
    labels = subject.labels_of(faces)
    first = 0
    for images in subject.read(faces):
        images_hat = np.empty_like(images)
        for start, x in zip(range(0, len(images), CHUNK), signed_chunks(images), strict=True):
            rows = slice(first + start, first + start + len(x))
            x_hat = reconstruct(x, None if labels is None else labels[rows])
            mse[rows] = (x_hat - x).square().mean((1, 2, 3)).numpy()
            ssim[rows] = structural_similarity(x_hat, x).numpy()
            images_hat[start : start + len(x)] = to_stored(x_hat)
        rows = slice(first, first + len(images))
        for extractor in subject.extractors:
            features = subject.features(extractor, "test")[places[rows]]
            apart[extractor.name][rows] = squared_distances(extractor(images_hat), features)
        first += len(images)
    psnr = 10 * np.log10(4 / np.maximum(mse, 1e-12))  # 4 is the square of the range of [-1, 1]
    return Distances(mse, psnr, ssim, apart)


def squared_distances(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared Euclidean distances of features, pair by pair.  [N,D] x 2 -> [N]"""
    distances: NDArray[np.float64] = np.square(one.astype(np.float64) - other).sum(1)
    return distances


def scored(subject: Subject, numbers: Mapping[str, Number], how: str, found: Distances, *of: str) -> dict[str, Score]:
    """The means of the distances.  numbers: by what is measured.  of: the parts of their names"""
    split = subject.split_in_words("test")
    scores = {
        numbers["mse"].of(*of): mean_score(found.mse, f"{how}{split}, {MSE}"),
        numbers["psnr"].of(*of): mean_score(found.psnr, f"{how}{split}, dB, mean over images"),
        numbers["ssim"].of(*of): mean_score(found.ssim, f"{how}{split}, on [0, 1], Gaussian window 11, sigma 1.5"),
    }
    for extractor in subject.extractors:
        distances = perceptual_distance(found.features[extractor.name], subject.features(extractor, "test"))
        if distances is not None:
            how_far = f"squared distance of features, as a share of that of two unrelated images; {extractor.protocol}"
            number, more = by_extractor(numbers, extractor.name, "perceptual_")
            scores[number.of(*of, *more)] = mean_score(distances, f"{how}{split}, {how_far}")
    return scores


def perceptual_distance(squared: NDArray[np.float64], features: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """How far each image is from its reconstruction; 0: the same, 1: as far as any other face.  [N], [N,D] -> [N]

    In units of the mean squared distance of two different images, which is twice the features' total variance; None
    where they do not vary.
    """
    total = 2 * float(features.var(axis=0, ddof=1, dtype=np.float64).sum()) if len(features) > 1 else 0.0
    return squared / total if total else None


def by_attribute(subject: Subject, found: Distances) -> dict[str, Score]:
    """The squared error of the test images that have an attribute, and of those that have it not."""
    values = subject.faces.attributes[subject.rows("test")[subject.labelled("test")]]
    scores = {}
    for column, name in enumerate(subject.faces.attribute_names):
        for words, value, number in (("with", 1, MSE_WITH), ("without", 0, MSE_WITHOUT)):
            inside = found.mse[values[:, column] == value]
            if len(inside):
                scores[number.of(name)] = mean_score(inside, f"test images {words} {name}, {MSE}")
    return scores


def structural_similarity(x_hat: Tensor, x: Tensor) -> Tensor:
    """SSIM of each pair of images in [-1, 1].  [N,3,S,S] x 2 -> [N]

    Computed on [0, 1]: its luminance term takes black for zero. Source: Wang et al. 2004, by torchmetrics.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    shifted = ((x_hat + 1) / 2, (x + 1) / 2)
    similarity = structural_similarity_index_measure(*shifted, data_range=1.0, reduction="none")
    assert isinstance(similarity, Tensor)
    return similarity.reshape(len(x))


def projection(gaussian: PrincipalGaussian, components: int) -> Reconstruct:
    """Images onto so many of the leading principal components.  [N,3,S,S] -> [N,3,S,S]"""
    mean, leading = torch.from_numpy(gaussian.mean), torch.from_numpy(gaussian.directions[:components])

    def project(x: Tensor, y: Tensor | None) -> Tensor:
        rows = x.permute(0, 2, 3, 1).flatten(1)
        return as_images((rows - mean) @ leading.T @ leading + mean, x)

    return project


def as_images(rows: Tensor, like: Tensor) -> Tensor:
    """Pixels as they are stored, a row an image, as networks take them.  [N,D] -> [N,3,S,S]"""
    size = like.shape[-1]
    return rows.reshape(-1, size, size, 3).permute(0, 3, 1, 2)
