"""Sharpness of images: the variance of their Laplacian, and their power at each spatial frequency."""

import numpy as np
from numpy.typing import NDArray

from mien.faces.batches import CHUNK
from mien.faces.splits import spread
from mien.metrics import numbers
from mien.metrics.evaluated_model import Subject
from mien.metrics.intervals import jackknife, mean_score, not_negative, rows_without_each
from mien.models.base import Encodes
from mien.pictures import arrays, of_models
from mien.runs.score import Score
from mien.seeds import Seed

IMAGES = 2_000  # at most, of each kind
LAPLACIAN = "variance of the 4-neighbour Laplacian of the grey image in [0, 1], mean over images"
SPECTRUM = "mean over radial frequencies of the absolute log10 ratio of mean power, grey images, Hann window"


def sharpness(subject: Subject) -> dict[str, Score]:
    """Sharpness of real test images, of their reconstructions where the model encodes, and of samples."""
    real = real_images(subject)
    scores = {numbers.SHARPNESS_REAL.name: mean_score(laplacian_variance(real), f"test split, {LAPLACIAN}")}
    kinds = {"samples": (subject.samples[:IMAGES], f"sampled with seed {Seed.MEASURED}")}
    model = subject.trained.model
    if isinstance(model, Encodes) and len(known := spread(subject.rows("test")[subject.labelled("test")], IMAGES)):
        images = subject.faces.images[known]
        given_back = of_models.reconstruct(model, images, subject.labels_of(known))
        kinds = {"reconstructions": (given_back, subject.split_in_words("test")), **kinds}
    spectrum = power_spectra(real)
    for kind, (images, what) in kinds.items():
        scores[numbers.SHARPNESS[kind].name] = mean_score(laplacian_variance(images), f"{what}, {LAPLACIAN}")
        against = f"{what}, {len(images)} against {len(real)} test images, {SPECTRUM}"
        scores[numbers.SPECTRUM[kind].name] = spectrum_score(power_spectra(images), spectrum, against)
    if len(real) > 1:
        halves = f"every other test image against the rest, {len(real) // 2} each, {SPECTRUM}"
        scores[numbers.SPECTRUM_FLOOR.name] = spectrum_score(spectrum[::2], spectrum[1::2], halves)
    return scores


def real_images(subject: Subject) -> arrays.Pictures:
    """The test images that sharpness is measured of: at most 2,000, evenly spread.  -> uint8 [N,S,S,3]"""
    return subject.faces.images[spread(subject.rows("test"), IMAGES)]


def laplacian_variance(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Variance of each image's discrete Laplacian, grey values in [0, 1].  uint8 [N,S,S,3] -> [N]

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
    """
    grey = greys(images)
    inner = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    variance: NDArray[np.float64] = (around - 4 * inner).var(axis=(1, 2))
    return variance


def greys(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Luma in [0, 1].  uint8 [N,S,S,3] -> [N,S,S]"""
    grey: NDArray[np.float64] = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114]) / 255
    return grey


def power_spectra(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Power of each image at each radial frequency, averaged over directions.  uint8 [N,S,S,3] -> [N,S//2]

    Frequencies 1 to S//2, in periods an image. A Hann window keeps out the edges of the image, which do not meet.
    Source: Durall et al. 2020 (arXiv:2003.01826), with means for sums.
    """
    size = images.shape[1]
    window = np.hanning(size + 2)[1:-1]
    frequency = np.fft.fftfreq(size, 1 / size)
    radius = np.hypot(frequency[:, None], frequency).round().astype(np.int64).ravel()
    bins = np.bincount(radius)
    spectra = []
    for start in range(0, len(images), CHUNK):
        grey = greys(images[start : start + CHUNK])
        windowed = (grey - grey.mean((1, 2), keepdims=True)) * np.outer(window, window)
        power = np.abs(np.fft.fft2(windowed)).reshape(len(grey), -1) ** 2
        sums = np.stack([np.bincount(radius, weights=one) for one in power])
        spectra.append((sums / bins)[:, 1 : size // 2 + 1])
    return np.concatenate(spectra)


def spectrum_score(spectra: NDArray[np.float64], real: NDArray[np.float64], protocol: str) -> Score:
    """How far the mean spectra of two sets of images are apart, in powers of ten.  [N,F], [M,F]"""

    def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(np.abs(np.log10((a.mean(0) + 1e-12) / (b.mean(0) + 1e-12))).mean())

    kept = zip(rows_without_each(len(spectra)), rows_without_each(len(real)), strict=True)
    left_out = (distance(spectra[of_spectra], real[of_real]) for of_spectra, of_real in kept)
    return not_negative(jackknife(distance(spectra, real), left_out, min(len(spectra), len(real)), protocol))
