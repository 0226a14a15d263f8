"""What generates and encodes for the page: one worker that takes requests in turn, and few may wait."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from mien.errors import RecipeError
from mien.export.onnx_export import encoder_graph, generator_graph, on_cpu, prior_graph, require_packages
from mien.export.runtime import open_session
from mien.faces.pixel_range import signed, to_stored
from mien.models.base import Encodes
from mien.pictures import arrays, of_models
from mien.runs.weights import TrainedModel, load_model

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MOST_WAITING = 64  # requests behind the one that is computed, in turn: who is sent away comes back and waits longer
MOST_LOADED = 6  # models in memory at once

Floats = NDArray[np.float32]
Answer = TypeVar("Answer")
Runtime = Literal["pytorch", "onnxruntime"]


class Busy(Exception):
    """So many requests wait already that another one is better asked again later."""


class Network(Protocol):
    """A model as the page needs it."""

    def generate(self, z: Floats, y: Floats | None) -> arrays.Pictures:
        """Faces from latents.  [N,Z], [N,A] -> uint8 [N,S,S,3]"""

    def carry(self, noise: Floats) -> Floats:
        """Latents that its prior carries noise to.  [N,Z] -> [N,Z]"""

    def encode(self, image: arrays.Pictures, y: Floats | None) -> Floats:
        """The mean of a face's latent.  uint8 [S,S,3], [1,A] where the model is conditional -> [Z]"""


class Eager:
    """A model run by PyTorch."""

    def __init__(self, trained: TrainedModel) -> None:
        self.trained = trained

    def generate(self, z: Floats, y: Floats | None) -> arrays.Pictures:
        """Faces from latents.  [N,Z], [N,A] -> uint8 [N,S,S,3]"""
        return self.trained.generate(z, y)

    def carry(self, noise: Floats) -> Floats:
        """Latents that its prior carries noise to.  [N,Z] -> [N,Z]"""
        return of_models.carry(self.trained.model, torch.from_numpy(noise)).numpy()

    def encode(self, image: arrays.Pictures, y: Floats | None) -> Floats:
        """The mean of a face's latent.  uint8 [S,S,3], [1,A] where the model is conditional -> [Z]"""
        mean: Floats = self.trained.encode(image[None], y)[0][0]
        return mean


class Converted:
    """A model run by ONNX Runtime, converted in memory.

    On a CPU it takes less time for a face than PyTorch (`benchmarks/explorer.py`), after seconds of converting.

    Raises: RecipeError where the model is too large.
    """

    def __init__(self, trained: TrainedModel) -> None:
        self.model = on_cpu(trained.model)
        self.generator = open_session(generator_graph(self.model).SerializeToString())

    def generate(self, z: Floats, y: Floats | None) -> arrays.Pictures:
        """Faces from latents.  [N,Z], [N,A] -> uint8 [N,S,S,3]"""
        return to_stored(self.generator.run(["x"], {"z": z} if y is None else {"z": z, "y": y})[0])

    def carry(self, noise: Floats) -> Floats:
        """Latents that its prior carries noise to.  [N,Z] -> [N,Z]"""
        z: Floats = self.prior.run(["z"], {"noise": noise})[0]
        return z

    @cached_property
    def prior(self) -> "InferenceSession":
        """Converted when the first noise is to be carried."""
        return open_session(prior_graph(self.model).SerializeToString())

    def encode(self, image: arrays.Pictures, y: Floats | None) -> Floats:
        """The mean of a face's latent.  uint8 [S,S,3], [1,A] where the model is conditional -> [Z]"""
        x = signed(image[None])
        mean: Floats = self.encoder.run(["mu"], {"x": x} if y is None else {"x": x, "y": y})[0][0]
        return mean

    @cached_property
    def encoder(self) -> "InferenceSession":
        """Converted when the first face is to be encoded."""
        if not isinstance(self.model, Encodes):
            raise RecipeError(f"the {self.model.title} has no encoder, so it cannot take a picture.")
        return open_session(encoder_graph(self.model).SerializeToString())


class Engine:
    """Snapshots of runs that are read when they are first asked for, and one thread that computes with them.

    weights: run id -> snapshot id -> file.    runtime: what computes.

    Raises: RecipeError for a runtime that is not installed.
    """

    def __init__(self, weights: Mapping[str, Mapping[str, Path]], runtime: Runtime = "pytorch") -> None:
        if runtime == "onnxruntime":
            require_packages()
        self.weights = weights
        self.runs: Callable[[TrainedModel], Network] = Converted if runtime == "onnxruntime" else Eager
        self.networks: OrderedDict[Path, Network] = OrderedDict()
        self.worker = ThreadPoolExecutor(1, "explorer")
        self.room = threading.Semaphore(1 + MOST_WAITING)

    def generate(self, run: str, snapshot: str, z: Floats, y: Floats | None) -> "Future[arrays.Pictures]":
        """Faces from latents.  [N,Z], [N,A] -> uint8 [N,S,S,3]    Raises: Busy."""
        return self.submit(lambda: self.network(self.weights[run][snapshot]).generate(z, y))

    def carry(self, run: str, snapshot: str, noise: Floats) -> "Future[Floats]":
        """Latents that a learned prior carries noise to.  [N,Z] -> [N,Z]    Raises: Busy."""
        return self.submit(lambda: self.network(self.weights[run][snapshot]).carry(noise))

    def encode(self, run: str, snapshot: str, image: arrays.Pictures, y: Floats | None) -> "Future[Floats]":
        """The mean of a face's latent.  uint8 [S,S,3], [1,A] where the model is conditional -> [Z]    Raises: Busy."""
        return self.submit(lambda: self.network(self.weights[run][snapshot]).encode(image, y))

    def warm_up(self) -> None:
        """Read the first run now, so that its first face need not wait."""
        first = next(iter(next(iter(self.weights.values())).values()))
        self.submit(lambda: self.network(first))

    def submit(self, work: Callable[[], Answer]) -> "Future[Answer]":
        """Have work done after what waits already.  Raises: Busy where too much does."""
        if not self.room.acquire(blocking=False):
            raise Busy
        future = self.worker.submit(work)
        future.add_done_callback(lambda _: self.room.release())
        return future

    def network(self, path: Path) -> Network:
        """A snapshot's model, read now or a while ago; the ones that were used last are kept."""
        if path not in self.networks:
            self.networks[path] = self.runs(load_model(path))
            if len(self.networks) > MOST_LOADED:
                self.networks.popitem(last=False)
        self.networks.move_to_end(path)
        return self.networks[path]

    def stop(self) -> None:
        """Forget what waits; what is computed at this moment is finished."""
        self.worker.shutdown(wait=False, cancel_futures=True)
