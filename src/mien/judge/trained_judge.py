"""A judge for a set of faces: trained once on their training split, and kept in the cache."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.errors import RunError
from mien.faces import Faces
from mien.faces.batches import Batches, signed_chunks
from mien.faces.pack.store import default_cache
from mien.faces.splits import spread
from mien.files.tensors import UNREADABLE, read_tensors, write_tensors
from mien.judge.network import JudgeConfig, JudgeNetwork
from mien.seeds import TorchSeed
from mien.training.checkpoint import one_before, recover
from mien.training.config import TrainConfig
from mien.training.devices import Hardware, choose_device, choose_precision
from mien.training.loop import Trainer
from mien.training.speed import seconds_per_image

VERSION = 1  # of the network and its training; a judge of another version is trained again
FEWEST = 10  # training faces with and without an attribute, for the judge to learn it
SCALED_ON = 10_000  # training images, at most, that the features' mean and scale are taken from

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Judge:
    """An attribute classifier that shares nothing with the models it judges.

    attributes: in the order of the outputs; empty where the faces have no attribute that can be learnt.
    """

    network: JudgeNetwork
    attributes: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """The identity of this judge: 12 digits of a hash of its weights."""
        content = hashlib.sha256()
        for tensor in self.network.state_dict().values():
            content.update(tensor.cpu().numpy().tobytes())
        return content.hexdigest()[:12]

    def look(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features and probabilities, in one pass.  uint8 [N,S,S,3] -> [N,128], [N,A]"""
        features = [np.empty((0, self.network.latent_dim), np.float32)]
        probabilities = [np.empty((0, len(self.attributes)), np.float32)]
        with torch.no_grad():
            for x in signed_chunks(images, next(self.network.parameters()).device):
                seen, logits = self.network.features_and_logits(x)
                features.append(seen.float().cpu().numpy())
                probabilities.append(logits[:, : len(self.attributes)].sigmoid().cpu().numpy())
        return np.concatenate(features), np.concatenate(probabilities)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The judge's last layer but one, with a variance of 1 on average over training images.

        uint8 [N,S,S,3] -> float32 [N,128]
        """
        return self.look(images)[0]

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The probability of each attribute, under a prior of one half.

        uint8 [N,S,S,3] -> [N,A] in [0, 1]
        """
        return self.look(images)[1]


def judge_of(faces: Faces, progress: Progress | None = None) -> Judge:
    """The judge of these faces: from the cache, or trained now on their training split.

    progress: called with (words, done, total) while it is trained.

    Raises: RunError where the cache cannot be written; Interrupted when stopped; the next call goes on from there.
    """
    config, tells = JudgeConfig(), learnable(faces)
    path, settings = place_of(faces, config, tells)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"{path.parent}: cannot be made ({error}). Set MIEN_CACHE to a folder that you can write to."
        ) from error
    here = hardware_of_judges()
    with here.generators_kept(), filelock.FileLock(path.with_suffix(".lock")):  # a second process waits, and reads it
        torch.manual_seed(TorchSeed.JUDGE)
        network = JudgeNetwork(config, faces.size, tells).to(here.device)
        if not read_network(path, network, settings):
            unfinished = path.with_suffix(".unfinished")
            try:
                recover(unfinished)
            except RunError:
                forget(unfinished)
            train_network(network, faces, trainer_of(network, faces, config, here, unfinished, progress))
            write_tensors(path, network.state_dict(), settings)
            forget(unfinished)
    return Judge(network.eval(), tells)


def hardware_of_judges() -> Hardware:
    """The device that judges are trained on, in its own precision, whatever a recipe says."""
    device = choose_device("auto")
    return Hardware(device, choose_precision("auto", device))


def place_of(faces: Faces, config: JudgeConfig, tells: tuple[str, ...]) -> tuple[Path, dict[str, Any]]:
    """Where the cache has the judge of some faces, and the settings that it is trained with."""
    settings = {"version": VERSION, "faces": faces.fingerprint, "size": faces.size, "attributes": list(tells)}
    settings["config"] = config.model_dump(mode="json")
    name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:20]
    return default_cache() / "judges" / f"{name}.safetensors", settings


@dataclass(frozen=True)
class JudgeTime:
    """How long judging takes on this machine.

    an_image: seconds of training, an image.    to_train: seconds until these faces have a judge; 0 where they have one.
    """

    an_image: float
    to_train: float


def judge_time(faces: Faces) -> JudgeTime:
    """Measure how long the judge of these faces takes, by a second of its training that is thrown away."""
    config, tells = JudgeConfig(), learnable(faces)
    path, settings = place_of(faces, config, tells)
    here = hardware_of_judges()
    network = JudgeNetwork(config, faces.size, tells).to(here.device)
    is_trained = read_network(path, network, settings)
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of(network, faces, config, here, Path(folder) / "unused", None)
        images = 0 if is_trained else trainer.total
        an_image = seconds_per_image(trainer, 1.0)
    return JudgeTime(an_image, images * an_image)


def forget(checkpoint: Path) -> None:
    """Delete a checkpoint and the one before it."""
    for path in (checkpoint, one_before(checkpoint)):
        path.unlink(missing_ok=True)


def learnable(faces: Faces) -> tuple[str, ...]:
    """The attributes with enough training faces that have them and enough that do not."""
    values = faces.attributes[faces.rows("train")]
    enough = np.minimum((values == 0).sum(0), (values == 1).sum(0)) >= FEWEST
    return tuple(name for name, usable in zip(faces.attribute_names, enough, strict=True) if usable)


def read_network(path: Path, network: JudgeNetwork, settings: dict[str, Any]) -> bool:
    """Fill a network from the cache; False where the file is missing or damaged: the network is trained again."""
    try:
        content, tensors = read_tensors(path)
        if content != settings:
            return False
        network.load_state_dict(tensors)
    except (OSError, *UNREADABLE):
        return False
    return True


def train_network(network: JudgeNetwork, faces: Faces, trainer: Trainer) -> None:
    """Train on the training split, unknown attributes left out of the loss; then set the features' mean and scale."""
    rows = trainer.batches.rows
    network.balance.copy_(balance_of(trainer.batches.y[rows]))
    trainer.run()
    network.eval()
    images = faces.images[spread(rows, SCALED_ON)]
    with torch.no_grad():
        seen = torch.cat([network.activations(x) for x in signed_chunks(images, trainer.hardware.device)])
        network.mean.copy_(seen.mean(0))
        network.scale.copy_((seen - network.mean).square().mean().sqrt().clamp(min=1e-6))


def trainer_of(
    network: JudgeNetwork,
    faces: Faces,
    config: JudgeConfig,
    here: Hardware,
    checkpoint: Path,
    progress: Progress | None,
) -> Trainer:
    """The trainer of a judge on the training split of some faces."""
    batches = Batches(
        faces,
        "train",
        attributes=network.tells,
        only_known=False,
        horizontal_flips=bool(network.tells),
        device=here.device,
    )
    images = min(max(round(config.epochs * len(batches)), config.fewest_images), config.most_images)
    training = TrainConfig(
        batch_size=config.batch_size,
        steps=-(-images // config.batch_size),
        learning_rate=config.learning_rate,
        schedule="cosine",
        beta1=0.9,
        cuda_graphs=False,  # a recorded step would shift every batch by as much as the first
    )

    def tell(images_seen: int, total: int) -> None:
        if progress:
            progress("training the judge of these faces", images_seen, total)

    return Trainer(network, batches, training, here, checkpoint=checkpoint, progress=tell)


def balance_of(y: NDArray[np.float32]) -> Tensor:
    """Weights that make both values of each attribute count the same: 1 / (2 * share).  [N,A] -> [2,A]"""
    counts = np.stack([(y == 1).sum(0), (y == 0).sum(0)])
    return torch.from_numpy((counts.sum(0) / (2 * np.maximum(counts, 1))).astype(np.float32))
