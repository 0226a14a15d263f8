"""Alterations of the images that a discriminator sees, the same kind for real and for generated ones.

Colours and places only, and never of all images: holes, or altering all of them, leave their traces in what a small
generator draws within minutes.
Source: Zhao et al. 2020, differentiable augmentation (arXiv:2006.10738), without cutout; Karras et al. 2020
(arXiv:2006.06676), section 3.1, for the limit on the share.
"""

import torch
from torch import Tensor

from mien.faces.batches import Batch

LARGEST_SHIFT = 1 / 8  # of the side
MOST = 0.6  # share of images that are altered


def alter(x: Tensor, batch: Batch, passes: float) -> Tensor:
    """Images with other colours and moved; gradients flow through it.  [N,3,S,S] -> [N,3,S,S]

    x: images in [-1, 1]; the result goes a little beyond.    batch: the faces that they belong to.
    passes: over the training images until a share of MOST is altered; until then it grows evenly. An image that was
    seen a few times is not known by heart yet, and a set that is large enough is never altered much.
    """
    draws = batch.uniform(6)
    altered = draws[:, 0] < MOST * (batch.passes / passes).clamp(max=1)
    brightness, saturation, contrast, right, down = ((draws[:, 1:] - 0.5) * altered[:, None]).unbind(1)
    x = recoloured(x, brightness, 1 + 2 * saturation, 1 + contrast)
    side = x.shape[-1]
    most = round(side * LARGEST_SHIFT)
    return moved(x, (right * (2 * most + 1)).round().long(), (down * (2 * most + 1)).round().long())


def recoloured(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Images brighter by an amount, and farther from their grey and from their mean by a factor.  [N,3,S,S], [N] x 3"""
    x = x + brightness[:, None, None, None]
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * saturation[:, None, None, None]
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * contrast[:, None, None, None]


def moved(x: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Images moved by whole pixels, with 0 where nothing was.  [N,3,S,S], [N] x 2"""
    side = x.shape[-1]
    places = torch.arange(side, device=x.device)
    columns, rows = places - right[:, None], places - down[:, None]
    nearest = rows.clamp(0, side - 1)[:, :, None] * side + columns.clamp(0, side - 1)[:, None]
    taken = x.flatten(2).gather(2, nearest.flatten(1)[:, None].expand(-1, x.shape[1], -1)).view_as(x)
    inside = (rows == rows.clamp(0, side - 1))[:, :, None] & (columns == columns.clamp(0, side - 1))[:, None]
    return taken * inside[:, None]
