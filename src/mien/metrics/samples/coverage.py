"""Precision and recall: are samples similar to real images, and do samples cover all kinds of real images?"""

from collections.abc import Iterator

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from mien.metrics.intervals import BLOCK, mean_score, not_negative, share_score, tensor
from mien.runs.score import Score

NEIGHBOURS = 3  # of precision and recall, as in their paper
DENSITY_NEIGHBOURS = 5  # of density and coverage, as in theirs


def coverage_scores(fake: ArrayLike, real: ArrayLike, protocol: str) -> dict[str, Score]:
    """Precision, recall, density and coverage of fake against real images.  [N,D], [M,D]

    precision: share of fakes within reach of a real image. recall: share of real images within reach of a fake.
    The reach of an image is the distance to its third nearest image of its own set.
    density: how many real images reach a fake, over 5; above 1 where fakes crowd where real images do.
    coverage: share of real images with a fake within reach. Here the reach is that of the fifth nearest.
    The intervals are over images, the reaches held as they are.

    Source: Kynkäänniemi et al. 2019 (arXiv:1904.06991), equations 1 and 2; Naeem et al. 2020 (arXiv:2002.09797).
    """
    fakes, reals = tensor(fake), tensor(real)
    near_real, far_real = reaches(reals, NEIGHBOURS), reaches(reals, DENSITY_NEIGHBOURS)
    near_fake = reaches(fakes, NEIGHBOURS)
    precise = torch.zeros(len(fakes), dtype=torch.bool)
    reached = torch.zeros(len(fakes), dtype=torch.float64)
    recalled, covered = [], []
    for piece, distances in blocks(reals, fakes):
        precise |= (distances <= near_real[piece, None]).any(0)
        reached += (distances <= far_real[piece, None]).sum(0)
        recalled.append((distances <= near_fake).any(1))
        covered.append((distances <= far_real[piece, None]).any(1))
    few, many = f"{protocol}, k = {NEIGHBOURS}", f"{protocol}, k = {DENSITY_NEIGHBOURS}"
    return {
        "precision": share_score(precise, few),
        "recall": share_score(torch.cat(recalled), few),
        "density": not_negative(mean_score(reached / DENSITY_NEIGHBOURS, many)),
        "coverage": share_score(torch.cat(covered), many),
    }


def reaches(features: Tensor, neighbours: int) -> Tensor:
    """Distance of each image to its k-th nearest other image; to the farthest, in a smaller set.  [N,D] -> [N]"""
    k = min(neighbours, len(features) - 1)
    found = []
    for piece, distances in blocks(features, features):
        distances[torch.arange(len(distances)), torch.arange(piece.start, piece.stop)] = torch.inf
        found.append(distances.kthvalue(k, dim=1).values)
    return torch.cat(found)


def nearest(features: ArrayLike, among: ArrayLike) -> tuple[Tensor, Tensor]:
    """The nearest of other images to each image, and its distance.  [N,D], [M,D] -> int64 [N], float64 [N]"""
    found = [distances.min(1) for _, distances in blocks(tensor(features), tensor(among))]
    return torch.cat([one.indices for one in found]), torch.cat([one.values for one in found])


def blocks(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Euclidean distances from some of a at a time to all of b.  [N,D], [M,D] -> [n,M]"""
    for start in range(0, len(a), BLOCK):
        piece = slice(start, min(start + BLOCK, len(a)))
        yield piece, torch.cdist(a[piece], b)
