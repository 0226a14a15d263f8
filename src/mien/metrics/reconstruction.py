"""How well a model gives back test images it never saw, beside what needs no model at all."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.faces import Faces
from mien.faces.batches import to_signed
from mien.metrics.score import Score, mean_score
from mien.models.base import Encodes
from mien.trained import TrainedModel
from mien.views import CHUNK, evaluating

PCA_IMAGES = 10_000  # training images the PCA is fitted to, at most: 0.5 GB of float32 at 64x64


def reconstruction(trained: TrainedModel, faces: Faces) -> dict[str, Score]:
    """Mean squared error, PSNR and SSIM over the whole test split; those of the mean face and of a PCA beside them."""
    model = trained.model
    assert isinstance(model, Encodes)
    test = faces.images[faces.rows("test")]

    def through_the_model(x: Tensor) -> Tensor:
        with evaluating(trained.model) as device:
            return model.generate(model.encode(x.to(device))[0]).cpu()

    scores = compare("test", "", test, through_the_model)
    train = faces.images[spread(faces.rows("train"), PCA_IMAGES)]
    mean_face = to_signed(train).mean(0, keepdim=True)
    fitted = f"fitted to {len(train)} training images, "
    scores |= compare("baseline_mean_face", fitted, test, lambda x: mean_face.expand_as(x))
    components = min(trained.model.latent_dim, len(train) - 1, mean_face.numel())
    scores |= compare(f"baseline_pca_{components}", fitted, test, principal_components(train, components))
    return scores


def compare(
    name: str, how: str, images: NDArray[np.uint8], reconstruct: Callable[[Tensor], Tensor]
) -> dict[str, Score]:
    """Three distances between images and what becomes of them.  uint8 [N,S,S,3]"""
    errors, similarities = [], []
    for x in signed_chunks(images):
        x_hat = reconstruct(x)
        errors.append((x_hat - x).square().mean((1, 2, 3)))
        similarities.append(structural_similarity(x_hat, x))
    mse = torch.cat(errors).double().numpy()
    psnr = 10 * np.log10(4 / np.maximum(mse, 1e-12))  # 4 is the square of the range of [-1, 1]
    return {
        f"{name}_mse": mean_score(mse, f"{how}test split, mean over pixels in [-1, 1], no quantization"),
        f"{name}_psnr": mean_score(psnr, f"{how}test split, dB, mean over images"),
        f"{name}_ssim": mean_score(
            torch.cat(similarities), f"{how}test split, on [0, 1], Gaussian window 11, sigma 1.5"
        ),
    }


def structural_similarity(x_hat: Tensor, x: Tensor) -> Tensor:
    """SSIM of each pair of images in [-1, 1].  [N,3,S,S] x 2 -> [N]

    Computed on [0, 1]: its luminance term takes black for zero. Source: Wang et al. 2004, by torchmetrics.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    shifted = ((x_hat + 1) / 2, (x + 1) / 2)
    similarity = structural_similarity_index_measure(*shifted, data_range=1.0, reduction="none")
    assert isinstance(similarity, Tensor)
    return similarity.reshape(len(x))


def principal_components(train: NDArray[np.uint8], components: int) -> Callable[[Tensor], Tensor]:
    """The projection onto the leading principal components of the training pixels."""
    from sklearn.decomposition import PCA

    flat = to_signed(train).flatten(1).numpy()
    pca = PCA(components, svd_solver="randomized", random_state=0).fit(flat)

    def project(x: Tensor) -> Tensor:
        projected = pca.inverse_transform(pca.transform(x.flatten(1).numpy()))
        return torch.from_numpy(projected.astype(np.float32)).view_as(x)

    return project


def signed_chunks(images: NDArray[np.uint8]) -> Iterator[Tensor]:
    """Images in [-1, 1], some at a time.  uint8 [N,S,S,3] -> [n,3,S,S]"""
    for start in range(0, len(images), CHUNK):
        yield to_signed(images[start : start + CHUNK])


def spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many rows, evenly spread over all of them."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
