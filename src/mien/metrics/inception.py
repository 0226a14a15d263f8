"""The network of the Fréchet inception distance, from a file that the user has."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mien.errors import RecipeError
from mien.hardware import choose_device
from mien.views import Pictures

FEATURES = 2_048
CHUNK = 32
EXPECTED = "TorchScript of the FID's Inception network, as inception-2015-12-05.pt of StyleGAN's metrics is"


class InceptionFeatures:
    """What the FID's network sees; it resizes pictures itself.

    Source: Heusel et al. 2017 (arXiv:1706.08500); the file is that of Karras et al. 2020 (arXiv:2006.06676).

    Raises: RecipeError where the file is not there, or not that network.
    """

    name = "inception"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise RecipeError(f"{path}: there is no such file. Give one: {EXPECTED}.")
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        self.protocol = f"features of Inception, weights sha256:{digest[:12]}, resized by the network itself"
        self.device = choose_device("auto")
        try:
            with warnings.catch_warnings():  # deprecated, and the only format that this network is found in
                warnings.filterwarnings("ignore", r".*torch\.jit\.load", DeprecationWarning)
                network = torch.jit.load(self.path, map_location=self.device)  # type: ignore[no-untyped-call]
            self.network = network.eval()
            shape = self.seen(np.zeros((2, 64, 64, 3), np.uint8)).shape
        except (RuntimeError, TypeError, AttributeError, ValueError) as error:
            reason = (str(error).strip() or "unknown").splitlines()[-1][:200]
            raise RecipeError(f"{path}: is not the network that is expected ({reason}). Give {EXPECTED}.") from error
        if shape != (2, FEATURES):
            raise RecipeError(f"{path}: gives features {list(shape)} of two pictures, not [2, 2048]. Give {EXPECTED}.")

    def __call__(self, images: Pictures) -> NDArray[np.float32]:
        """Features of pictures.  uint8 [N,S,S,3] -> float32 [N,2048]"""
        pieces = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
        return np.concatenate([np.empty((0, FEATURES), np.float32), *map(self.seen, pieces)])

    def seen(self, images: Pictures) -> NDArray[np.float32]:
        """Features of a few pictures.  uint8 [N,S,S,3] -> float32 [N,2048]"""
        x = torch.from_numpy(np.array(images.transpose(0, 3, 1, 2))).to(self.device)
        with torch.no_grad():
            features: NDArray[np.float32] = self.network(x, return_features=True).float().cpu().numpy()
        return features
