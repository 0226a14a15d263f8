"""The network of the Fréchet inception distance, from a file that the user has."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from mien.errors import RecipeError, in_one_line
from mien.pictures.arrays import Pictures

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FEATURES = 2_048
CHUNK = 32
SIDES = (32, 64)  # of pictures that a network is tried with: it has to take any
EXPECTED = (
    "an ONNX file of the FID's Inception network, from pictures uint8 [N,3,S,S] to features float32 [N,2048]; "
    "docs/measuring.md says how to make one"
)


class InceptionFeatures:
    """Features of the FID's network, which resizes pictures itself. ONNX Runtime runs it, as ONNX holds no Python code.

    Source: Heusel et al. 2017 (arXiv:1706.08500).

    Raises: RecipeError where the file is not there, or not that network, or ONNX Runtime is not installed.
    """

    name = "inception"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise RecipeError(f"{path}: there is no such file. Give {EXPECTED}.")
        content = self.path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        self.protocol = f"features of Inception, ONNX file sha256:{digest[:12]}, resized by the network itself"
        try:
            self.session = open_session(content)
            self.input = self.session.get_inputs()[0].name
            shapes = {self.extract(np.zeros((2, side, side, 3), np.uint8)).shape for side in SIDES}
        except ImportError as error:
            raise RecipeError("--inception takes ONNX Runtime: pip install 'mien[features]'") from error
        except Exception as error:  # ONNX Runtime's errors have no base of their own
            raise RecipeError(
                f"{path}: is not the network that is expected ({in_one_line(error)}). Give {EXPECTED}."
            ) from error
        if shapes != {(2, FEATURES)}:
            raise RecipeError(
                f"{path}: gives features {sorted(map(list, shapes))} of two pictures, not [2, 2048]. Give {EXPECTED}."
            )

    def __call__(self, images: Pictures) -> NDArray[np.float32]:
        """Features of pictures.  uint8 [N,S,S,3] -> float32 [N,2048]"""
        pieces = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
        return np.concatenate([np.empty((0, FEATURES), np.float32), *map(self.extract, pieces)])

    def extract(self, images: Pictures) -> NDArray[np.float32]:
        """Features of a few pictures.  uint8 [N,S,S,3] -> float32 [N,2048]"""
        x = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        features: NDArray[np.float32] = np.asarray(self.session.run(None, {self.input: x})[0], np.float32)
        return features


def open_session(content: bytes) -> "InferenceSession":
    """A session of ONNX Runtime on the CPU, from a file's bytes: it can name no other file to be read."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # errors are raised
    return InferenceSession(content, options, providers=["CPUExecutionProvider"])
