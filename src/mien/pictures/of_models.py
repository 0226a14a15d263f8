"""Views: from a model to arrays of pictures, for the report, the command line and the metrics.

All pictures are uint8 [N,S,S,3]. Latents are drawn by NumPy, so that a seed gives the same ones on every device.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.faces import UNKNOWN, Faces
from mien.faces.batches import CHUNK, signed_chunks
from mien.faces.pixel_range import to_stored
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
    """Latents of new faces: from N(0, I), or carried from there by the model's prior.  -> [count,Z], on the CPU"""
    noise = torch.from_numpy(arrays.latents(model.latent_dim, count, seed))
    return noise if model.prior is None else carry(model, noise)


def carry(model: Model, noise: Tensor) -> Tensor:
    """Latents that a model's learned prior carries noise to.  [N,Z] -> [N,Z], on the CPU"""
    assert model.prior is not None
    with evaluating(model) as device:
        return torch.cat([model.prior(piece.to(device)).float().cpu() for piece in torch.split(noise, CHUNK)])


def generate(model: Model, z: Tensor, y: Tensor | None = None) -> Pictures:
    """Pictures from latents, and attributes where the model is conditional.  [N,Z], [N,A] -> [N,S,S,3]"""
    pictures = []
    with evaluating(model) as device:
        for start in range(0, len(z), CHUNK):
            piece = slice(start, start + CHUNK)
            labels = None if y is None else y[piece].to(device)
            pictures.append(to_stored(model.generate(z[piece].to(device), labels)))
    return np.concatenate(pictures)


def labels_of(model: Model, faces: Faces, rows: NDArray[np.int64]) -> Tensor | None:
    """The attributes of faces for a conditional model.  -> [N,A] in {0, 1}, or None for another model

    Raises: ValueError for a face with an unknown attribute, which has to be left out.
    """
    if not model.attributes:
        return None
    values = faces.attributes[rows][:, faces.columns(model.attributes)]
    if (values == UNKNOWN).any():
        raise ValueError(f"a face whose {', '.join(model.attributes)} are not all known cannot be told to a model")
    return torch.from_numpy(values.astype(np.float32))


def with_labels(
    images: Pictures, y: Tensor | None, device: torch.device | str
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Images in [-1, 1] with their attributes, some at a time.  uint8 [N,S,S,3], [N,A] -> [n,3,S,S], [n,A]"""
    first = 0
    for x in signed_chunks(images, device):
        yield x, None if y is None else y[first : first + len(x)].to(device)
        first += len(x)


def encode(
    model: Encodes, images: Pictures, y: Tensor | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and log-variance of each picture's latent.  [N,S,S,3], [N,A] where the model is conditional -> [N,Z] x 2"""
    nothing = np.empty((0, model.latent_dim), np.float32)
    means, logvars = [nothing], [nothing]
    with evaluating(model) as device:
        for x, labels in with_labels(images, y, device):
            mu, logvar = model.encode(x, labels)
            means.append(mu.float().cpu().numpy())
            logvars.append(logvar.float().cpu().numpy())
    return np.concatenate(means), np.concatenate(logvars)


def latent_divergences(model: Encodes, images: Pictures, y: Tensor | None = None) -> NDArray[np.float64]:
    """The KL of each latent's posterior to N(0, 1), mean over pictures, in nats.  [N,S,S,3] -> [Z]"""
    means, logvars = (values.astype(np.float64) for values in encode(model, images, y))
    divergences: NDArray[np.float64] = 0.5 * (means**2 + np.exp(logvars) - logvars - 1).mean(0)
    return divergences


def reconstruct(model: Encodes, images: Pictures, y: Tensor | None = None) -> Pictures:
    """Pictures through the encoder's mean and back.  [N,S,S,3], [N,A] -> [N,S,S,3]"""
    return generate(model, torch.from_numpy(encode(model, images, y)[0]), y)


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
    moved = latents + amounts[:, None] * step
    return generate(model, torch.from_numpy(moved.astype(np.float32)))
