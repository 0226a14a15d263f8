"""Snapshots of a training: sample pictures, numbers on validation, and the best weights so far."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.faces import Faces, Split
from mien.faces.batches import CHUNK
from mien.faces.pixel_range import GREY_LEVELS, to_stored
from mien.faces.splits import spread
from mien.files.tensors import UNREADABLE, read_header
from mien.files.writing import write_picture
from mien.health import DISTANCE
from mien.judge import Judge
from mien.metrics.encoder.posterior import active
from mien.metrics.samples.diversity import mean_distance
from mien.metrics.samples.frechet import Gaussian, frechet_distance, gaussian_of
from mien.metrics.samples.sharpness import laplacian_variance
from mien.models import losses
from mien.models.base import Discriminates, Encodes, Model
from mien.models.terms import KL_DIVERGENCE, SQUARED_ERROR, LossTerm, Quantity
from mien.pictures import arrays, of_models
from mien.runs.folder import Run
from mien.runs.weights import TrainedModel, save_model
from mien.seeds import Seed
from mien.training.checkpoint import one_before

TERMS = {  # what is measured at a snapshot, as the training curves show it
    "reconstruction": LossTerm(SQUARED_ERROR, "validation, mean latent"),
    "reconstruction_of_training": LossTerm(SQUARED_ERROR, "training images, mean latent"),
    "kl_nats": LossTerm(KL_DIVERGENCE, "validation"),
    "active_units": LossTerm(
        Quantity(
            "Active latents",
            healthy="Latents that depend on the image. None at all: nothing is encoded, and the KL weighs too much.",
        ),
        "of validation images",
    ),
    "fd_judge": LossTerm(
        Quantity(
            "Fréchet distance of samples, judge's features",
            logarithmic=True,
            healthy="It falls steeply and then levels out. A rise that lasts means that samples are getting worse, "
            "whatever the losses say; the best snapshot is kept beside the last.",
        ),
        "to validation images",
    ),
}
BESIDE_REAL = Quantity(
    "Samples beside real images",
    reference=(1.0, "as real images"),
    healthy="Variety near 1: samples differ as much as faces do. A fall towards 0 is collapse: many samples, one "
    "face. Sharpness well below 1 is blur, above 1 noise or hard edges.",
)
TOLD_APART = Quantity(
    "What the discriminator gets right",
    reference=(0.5, "a guess"),
    healthy="Above a guess and below certainty, on both kinds. All of both right: the discriminator has won and "
    "teaches the generator little. Much of one kind wrong for long: the other side is ahead.",
)
TERMS |= {
    "variety": LossTerm(BESIDE_REAL, "variety, of real"),
    "sharpness": LossTerm(BESIDE_REAL, "sharpness, of real"),
    "discriminator_real": LossTerm(TOLD_APART, "validation images"),
    "discriminator_fake": LossTerm(TOLD_APART, "generated images"),
}
SHOWN = 32
IMAGES = 1_000  # of validation, at most, and as many samples: enough for a curve
FEWEST = 100  # samples, where there are fewer validation images
Numbers = dict[str, float]


class Snapshots:
    """Looks at a model now and then, always with the same latents, labels and faces.

    template: what weights are saved with; only its model is another at each snapshot.
    judge: gives the judge, when the first samples are to be judged, so that they can be seen before it is trained; None
    leaves out all but pictures and reconstructions.    log: called with each line of numbers.
    drawn: called with each picture that was written, before it is judged, and the images seen.
    autocast: gives the context that the model computes in, as in its training.
    """

    def __init__(
        self,
        run: Run,
        faces: Faces,
        template: TrainedModel,
        judge: Callable[[], Judge] | None,
        log: Callable[[dict[str, Any]], None],
        drawn: Callable[[Path, int], None] = lambda picture, images_seen: None,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.run, self.template, self.judge, self.log, self.drawn = run, template, judge, log, drawn
        self.autocast = autocast
        self.shown = template.labels(SHOWN, seed=Seed.SHOWN)
        self.validation = faces.images[spread(faces.rows("validation"), IMAGES)]
        self.known = labelled(template.model, faces, "validation", IMAGES)
        self.training = labelled(template.model, faces, "train", len(self.known.images))
        self.lowest = min((line[DISTANCE] for line in run.log() if comparable(line)), default=math.inf)
        self.sampled = max(FEWEST, len(self.validation))
        self.judged = template.labels(self.sampled, seed=Seed.SNAPSHOT)

    def __call__(self, model: Model, images_seen: int) -> None:
        """Write pictures and numbers, and the weights where they are the best so far."""
        with self.autocast():
            shown = of_models.generate(model, of_models.latents(model, SHOWN, Seed.SHOWN), self.shown)
        sheet = arrays.grid(shown, columns=8)
        picture = self.run.sample_file(images_seen)
        write_picture(picture, sheet)
        self.drawn(picture, images_seen)
        numbers = self.measure(model, judged=images_seen > 0)
        if numbers:
            line = {"images_seen": images_seen} | numbers
            if comparable(line) and line[DISTANCE] < self.lowest:
                self.lowest = line[DISTANCE]
                keep_best(self.run, replace(self.template, model=model, images_seen=images_seen, distance=self.lowest))
            self.log(line)

    def measure(self, model: Model, judged: bool = True) -> Numbers:
        """The numbers that the model's abilities allow; a number that is not finite is left out.

        judged: whether the judge sees samples; of a model that has learnt nothing yet it need not.
        """
        # Out of the model's autocast: a judge that is trained within it would go on with its first weights for ever, as
        # autocast keeps the weights that it has rounded until its outermost context ends.
        real = self.real if self.judge and judged else None
        known = len(self.known.images) > 0  # a table may know the attributes of training images only
        with self.autocast():
            numbers = self.of_encoder(model) if isinstance(model, Encodes) and known else {}
            if real:
                samples, fake_logits = self.sample(model)
                numbers |= self.of_samples(real, samples)
                if isinstance(model, Discriminates) and known:
                    numbers["discriminator_real"] = float((realness(model, self.known) > 0).mean())
                    numbers["discriminator_fake"] = float((fake_logits <= 0).mean())
        return {f"validation/{name}": value for name, value in numbers.items() if math.isfinite(value)}

    def sample(self, model: Model) -> tuple[arrays.Pictures, NDArray[np.float32]]:
        """Samples, and the discriminator's logits of them before they are rounded: as in training.

        -> [N,S,S,3], and [N]: empty for a model without a discriminator
        """
        pictures, logits = [], [np.empty(0, np.float32)]
        latents = of_models.latents(model, self.sampled, Seed.SNAPSHOT)
        with of_models.evaluating(model) as device:
            for piece in pieces(len(latents)):
                y = None if self.judged is None else self.judged[piece].to(device)
                x = model.generate(latents[piece].to(device), y)
                pictures.append(to_stored(x))
                if isinstance(model, Discriminates):
                    logits.append(model.realness(x, y).float().cpu().numpy())
        return np.concatenate(pictures), np.concatenate(logits)

    @cached_property
    def real(self) -> "Real":
        """The validation images as the judge sees them; the judge is trained for it where there is none yet."""
        assert self.judge
        judge = self.judge()
        features = features_of(judge, self.validation)
        sharpness = float(laplacian_variance(self.validation).mean())
        return Real(judge, gaussian_of(features), mean_distance(features), sharpness)

    def of_samples(self, real: "Real", samples: arrays.Pictures) -> Numbers:
        """How near samples are to the validation images, and how varied and sharp beside them."""
        features = features_of(real.judge, samples)
        return {
            "fd_judge": frechet_distance(gaussian_of(features), real.gaussian),
            "variety": share(mean_distance(features), real.distance),
            "sharpness": share(float(laplacian_variance(samples).mean()), real.sharpness),
        }

    def of_encoder(self, model: Encodes) -> Numbers:
        """The error of reconstructions, and how much the latents hold."""
        numbers = {"reconstruction": reconstruction_error(model, self.known)}
        if self.judge:
            means, logvars = of_models.encode(model, *self.known)
            mu, logvar = torch.from_numpy(means), torch.from_numpy(logvars)
            numbers |= {
                "reconstruction_of_training": reconstruction_error(model, self.training),
                "kl_nats": float(losses.kl_to_standard_normal(mu, logvar).mean()),
                "active_units": float(active(means)),
            }
        return numbers


class Real(NamedTuple):
    """A judge, and real images as it sees them: their Gaussian, their mean distance, and their sharpness."""

    judge: Judge
    gaussian: Gaussian
    distance: float
    sharpness: float


def features_of(judge: Judge, images: arrays.Pictures) -> NDArray[np.float32]:
    """The judge's features of images, in float32, whatever the training computes in.  [N,S,S,3] -> [N,F]"""
    device = next(judge.network.parameters()).device.type
    with torch.autocast(device, enabled=False):
        return judge.features(images)


class Labelled(NamedTuple):
    """Pictures, [N,S,S,3], and their attributes for a conditional model, [N,A] or None."""

    images: arrays.Pictures
    y: Tensor | None


def labelled(model: Model, faces: Faces, split: Split, most: int) -> Labelled:
    """At most so many faces of a split, of those whose attributes the model can be told."""
    rows = spread(faces.rows(split, known=model.attributes), most)
    return Labelled(faces.images[rows], of_models.labels_of(model, faces, rows))


def realness(model: Discriminates, real: Labelled) -> NDArray[np.float32]:
    """A discriminator's logits of real images.  -> [N]"""
    with of_models.evaluating(model) as device:
        logits = [model.realness(x, y) for x, y in of_models.with_labels(*real, device)]
    answer: NDArray[np.float32] = torch.cat(logits).float().cpu().numpy()
    return answer


def reconstruction_error(model: Encodes, real: Labelled) -> float:
    """Mean squared error of reconstructions, pixels in [-1, 1]."""
    difference = of_models.reconstruct(model, *real).astype(np.float32) - real.images
    return float(np.square(difference / GREY_LEVELS).mean())


def share(value: float, real: float) -> float:
    """A value over that of real images; NaN where the real images are all the same, or flat."""
    return value / real if real else math.nan


def pieces(count: int) -> Iterator[slice]:
    """Slices over so many images, CHUNK at a time."""
    return (slice(start, start + CHUNK) for start in range(0, count, CHUNK))


def comparable(line: dict[str, Any]) -> bool:
    """Whether a line can be of the best snapshot: its distance was measured, and something was learnt."""
    return DISTANCE in line and line["images_seen"] > 0


def keep_best(run: Run, trained: TrainedModel) -> None:
    """Write the best weights; earlier best weights stay as long as a checkpoint may go back to them.

    Raises: RunError where the disk is full.
    """
    checkpoints = [seen_by(path, -1) for path in (run.checkpoint, one_before(run.checkpoint))]
    if (seen := seen_by(run.best)) <= checkpoints[0]:
        run.best.replace(run.best_before(int(seen)))
    needed = {newest(run.bests_before(), seen) for seen in checkpoints}
    for path in run.bests_before():
        if path not in needed:
            path.unlink()
    save_model(run.best, trained)


def rewind_best(run: Run) -> None:
    """Restore the best weights of the time of the checkpoint, as the log is rewound to it."""
    seen = seen_by(run.checkpoint, -1)
    if seen_by(run.best) <= seen:
        return
    run.best.unlink(missing_ok=True)
    if earlier := newest(run.bests_before(), seen):
        earlier.replace(run.best)


def newest(paths: list[Path], seen: float) -> Path | None:
    """The newest weights that have seen at most so many images; None where no weights have."""
    return max((path for path in paths if seen_by(path) <= seen), key=seen_by, default=None)


def seen_by(path: Path, otherwise: float = math.inf) -> float:
    """How many images weights or a checkpoint have seen, by the file's header; `otherwise` where it cannot be read."""
    try:
        return int(read_header(path)[0]["images_seen"])
    except (OSError, *UNREADABLE):
        return otherwise
