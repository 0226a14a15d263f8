"""Views: from a model to arrays of pictures, for the report, the command line and the metrics.

All pictures are uint8 [N,S,S,3]. Latents are drawn by NumPy, so that a seed gives the same ones on every device.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.faces.batches import CHUNK, signed_chunks, to_stored
from mien.models.base import Encodes, Model
from mien.pictures import arrays
from mien.pictures.arrays import Pictures


@contextmanager
def evaluating(model: Model) -> Iterator[torch.device]:
    """Eval mode and no gradients for a while; gives the model's device."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield next(model.parameters()).device
    finally:
        model.train(training)


def latents(model: Model, count: int, seed: int) -> Tensor:
    """Latents from N(0, I).  -> [count,Z], on the CPU"""
    return torch.from_numpy(arrays.latents(model.latent_dim, count, seed))


def generate(model: Model, z: Tensor, y: Tensor | None = None) -> Pictures:
    """Pictures from latents, and attributes where the model is conditional.  [N,Z], [N,A] -> [N,S,S,3]"""
    pictures = []
    with evaluating(model) as device:
        for start in range(0, len(z), CHUNK):
            piece = slice(start, start + CHUNK)
            labels = None if y is None else y[piece].to(device)
            pictures.append(to_stored(model.generate(z[piece].to(device), labels)))
    return np.concatenate(pictures)


def encode(model: Encodes, images: Pictures) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and log-variance of each picture's latent.  [N,S,S,3] -> [N,Z] x 2"""
    assert isinstance(model, Model)
    means, logvars = [], []
    with evaluating(model) as device:
        for x in signed_chunks(images, device):
            mu, logvar = model.encode(x)
            means.append(mu.cpu().numpy())
            logvars.append(logvar.cpu().numpy())
    return np.concatenate(means), np.concatenate(logvars)


def latent_divergences(model: Encodes, images: Pictures) -> NDArray[np.float64]:
    """The KL of each latent's posterior to N(0, 1), mean over pictures, in nats.  [N,S,S,3] -> [Z]"""
    means, logvars = (values.astype(np.float64) for values in encode(model, images))
    divergences: NDArray[np.float64] = 0.5 * (means**2 + np.exp(logvars) - logvars - 1).mean(0)
    return divergences


def reconstruct(model: Encodes, images: Pictures) -> Pictures:
    """Pictures through the encoder's mean and back.  [N,S,S,3] -> [N,S,S,3]"""
    assert isinstance(model, Model)
    return generate(model, torch.from_numpy(encode(model, images)[0]))


def pairs(model: Model, z: Tensor, y: Tensor, attribute: str) -> tuple[Pictures, Pictures]:
    """The same latents and other attributes, with one attribute off and on.  [N,Z], [N,A] -> [N,S,S,3] x 2"""
    column = model.attributes.index(attribute)
    off, on = y.clone(), y.clone()
    off[:, column], on[:, column] = 0, 1
    return generate(model, z, off), generate(model, z, on)


def edit(
    model: Encodes, latents: NDArray[np.float32], step: NDArray[np.float32], amounts: NDArray[np.float32]
) -> Pictures:
    """Faces so many steps along a direction; a negative amount goes against it.  [N,Z], [Z], [N] -> [N,S,S,3]"""
    assert isinstance(model, Model)
    moved = latents + amounts[:, None] * step
    return generate(model, torch.from_numpy(moved.astype(np.float32)))
