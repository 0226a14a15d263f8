"""Views: from a model to arrays of pictures, for the report, the command line and the metrics.

All pictures are uint8 [N,S,S,3]. Latents are drawn by NumPy, so that a seed gives the same ones on every device.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien import sampling
from mien.faces import Faces
from mien.faces.batches import CHUNK, signed_chunks, to_stored
from mien.models.base import Encodes, Model
from mien.sampling import Pictures as Pictures
from mien.sampling import grid as grid

FEWEST_FOR_TSNE = 30  # its neighbourhoods are about as large


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
    return torch.from_numpy(sampling.latents(model.latent_dim, count, seed))


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


def attribute_direction(latents: NDArray[np.float32], has: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The step from the mean latent of faces without an attribute to that of faces with it.  [N,Z], bool [N] -> [Z]

    Zero where one kind is missing. It needs no fitting and says how far to go; what occurs together with the
    attribute in the faces, it carries along. Source: Larsen et al. 2016 (arXiv:1512.09300), section 4.1.1.
    """
    if has.all() or not has.any():
        return np.zeros(latents.shape[1], np.float32)
    step: NDArray[np.float32] = latents[has].mean(0) - latents[~has].mean(0)
    return step


def edit(
    model: Encodes, latents: NDArray[np.float32], step: NDArray[np.float32], amounts: NDArray[np.float32]
) -> Pictures:
    """Faces so many steps along a direction; a negative amount goes against it.  [N,Z], [Z], [N] -> [N,S,S,3]"""
    assert isinstance(model, Model)
    moved = latents + amounts[:, None] * step
    return generate(model, torch.from_numpy(moved.astype(np.float32)))


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
