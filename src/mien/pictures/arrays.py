"""Latents and attributes of samples, and pictures side by side: NumPy alone, as an exported model needs no PyTorch.

A seed gives the same latents and attributes wherever it is used: in a run, in an exported file, on any device, and in
the explorer, whose page draws them itself (`explorer/page/app/random.js`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, RecipeError, did_you_mean
from mien.faces import Faces

FEWEST_FOR_TSNE = 30  # points; its neighbourhoods are about as large
Pictures = NDArray[np.uint8]  # [N,S,S,3]
Combinations = list[tuple[list[int], int]]  # values of the model's attributes, and how many training faces have them


def require_sample(count: int, seed: int) -> None:
    """Raises: RecipeError where so many samples of that seed cannot be drawn."""
    if count < 1 or seed < 0:
        raise RecipeError(f"{count} samples of seed {seed}: the count is 1 or more, the seed 0 or more.")


def require_pictures(images: object, side: int) -> None:
    """Raises: DataError for anything but stored pictures of that side, uint8 [N,S,S,3]."""
    expected = f"expected uint8 [N,{side},{side},3] with values from 0 to 255"
    if not isinstance(images, np.ndarray):
        raise DataError(f"pictures are {type(images).__name__}: {expected}. Files are read by mien.open_faces.")
    if images.dtype != np.uint8:
        low, high = (float(images.min()), float(images.max())) if images.size and images.dtype.kind in "iuf" else (0, 0)
        hint = f"{low:g} to {high:g}: scale them to 0 to 255, round, and give them .astype(np.uint8)"
        raise DataError(f"pictures are {images.dtype}: {expected}. They go from {hint}.")
    if images.ndim != 4 or images.shape[1:] != (side, side, 3):
        raise DataError(f"pictures have the shape {list(images.shape)}: {expected}.")


def require_rows(what: str, rows: object, columns: int, count: int | None = None) -> None:
    """Raises: DataError for anything but [N,columns] numbers, of so many rows where a count is given."""
    shape = list(np.shape(rows)) if isinstance(rows, np.ndarray) else type(rows).__name__
    if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "iuf" or list(rows.shape[1:]) != [columns]:
        raise DataError(f"{what} are {shape}: expected an array of numbers, [N,{columns}].")
    if count is not None and len(rows) != count:
        raise DataError(f"{what} are {shape}: expected one row for each of {count}.")


def latents(latent_dim: int, count: int, seed: int) -> NDArray[np.float32]:
    """Latents from N(0, I); a larger count begins with those of a smaller one.  -> [count,Z]"""
    return np.random.default_rng(seed).standard_normal((count, latent_dim), dtype=np.float32)


def labels(
    attributes: Sequence[str],
    combinations: Combinations,
    count: int,
    *,
    seed: int,
    given: Mapping[str, float],
    model: str,
) -> NDArray[np.float32] | None:
    """Attributes for new faces: those given, and the others as they occur in training faces that have those.

    -> [count,A], or None for a model without conditions

    Raises: RecipeError for an attribute the model does not know, or a value out of range.
    """
    require_attributes(attributes, given, model)
    if not attributes:
        return None
    combinations = agreeing(attributes, combinations, given)
    weights = np.array([n for _, n in combinations], float)
    independent = np.random.default_rng([seed, 1])  # of the latents of the same seed
    rows = independent.choice(len(weights), size=count, p=weights / weights.sum())
    y = np.array([combinations[row][0] for row in rows], np.float32)
    for name, value in given.items():
        y[:, attributes.index(name)] = value
    return y


def agreeing(attributes: Sequence[str], combinations: Combinations, given: Mapping[str, float]) -> Combinations:
    """The combinations that agree with the attributes given; where none does, those that come nearest to it."""
    apart = [
        sum(abs(values[attributes.index(name)] - value) for name, value in given.items()) for values, _ in combinations
    ]
    return [found for found, distance in zip(combinations, apart, strict=True) if distance <= min(apart) + 1e-9]


def never_together(attributes: Sequence[str], combinations: Combinations, given: Mapping[str, float]) -> bool:
    """Whether no training face has all the attributes that are given, as far as they are 0 or 1."""
    values, _ = agreeing(attributes, combinations, given)[0]
    return any(abs(values[attributes.index(name)] - value) > 0.5 for name, value in given.items())


def labels_of_pictures(
    attributes: Sequence[str], count: int, given: Mapping[str, float], model: str = "model"
) -> NDArray[np.float32] | None:
    """Attributes of pictures for a conditional encoder: those given, and 0.5 for the others, which are not known.

    -> [count,A], or None for a model without conditions    Raises: as `labels`.
    """
    require_attributes(attributes, given, model)
    if not attributes:
        return None
    return np.tile(np.array([given.get(name, 0.5) for name in attributes], np.float32), (count, 1))


def require_attributes(attributes: Sequence[str], given: Mapping[str, float], model: str) -> None:
    """Raises: RecipeError for an attribute the model does not know, or a value out of range."""
    for name, value in given.items():
        if name not in attributes:
            have = ", ".join(attributes) or "none: it is not conditional"
            raise RecipeError(
                f"{name!r}: not an attribute of this {model}.{did_you_mean(name, attributes)} Attributes: {have}."
            )
        if not 0 <= value <= 1:
            raise RecipeError(f"{name}={value:g}: an attribute is from 0 (has it not) to 1 (has it). Use 0 or 1.")


def grid(images: Pictures, columns: int, gap: int = 2) -> Pictures:
    """Pictures side by side on white, row after row.  [N,S,S,3] -> [H,W,3]"""
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def attribute_direction(latents: NDArray[np.float32], has: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The step from the mean latent of faces without an attribute to that of faces with it.  [N,Z], bool [N] -> [Z]

    Zero where one kind is missing. It needs no fitting and has a length; attributes that occur
    together in the faces change together. Source: Larsen et al. 2016 (arXiv:1512.09300), section 4.1.1.
    """
    if has.all() or not has.any():
        return np.zeros(latents.shape[1], np.float32)
    step: NDArray[np.float32] = latents[has].mean(0) - latents[~has].mean(0)
    return step


def contact_sheet(faces: Faces, count: int = 48) -> Pictures:
    """Faces of the training split, evenly spaced through its order, in rows on white.  -> [H,W,3]"""
    rows = faces.rows("train")
    rows = rows[np.linspace(0, len(rows) - 1, min(max(count, 1), len(rows))).round().astype(int)]
    return grid(faces.images[rows], columns=int(np.ceil(np.sqrt(len(rows) * 4 / 3))))


def embed(latents: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """A map of latents on which neighbours stay neighbours: t-SNE, or PCA below 30 points.  [N,Z] -> [N,2]

    One thread, so that a seed gives the same map every time: about 7 s for 2,000 points.
    Source: van der Maaten & Hinton 2008, by openTSNE (Poličar et al. 2024).
    """
    plane = principal_plane(latents)
    spread = float(plane[:, 0].std()) if len(plane) else 0.0
    if len(latents) < FEWEST_FOR_TSNE or spread == 0:
        return plane
    from openTSNE import TSNE

    start = plane / spread * 1e-4
    perplexity = min(30, (len(latents) - 1) / 3)
    embedding = TSNE(perplexity=perplexity, initialization=start, random_state=seed, n_jobs=1).fit(latents)
    return np.asarray(embedding, dtype=np.float32)


def principal_plane(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Latents on their two leading principal components; zeros where they have fewer.  [N,Z] -> [N,2]"""
    if not len(latents):
        return np.zeros((0, 2), np.float32)
    centred = latents - latents.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ directions[:2].T
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1]))).astype(np.float32)
