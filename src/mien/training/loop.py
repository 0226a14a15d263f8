"""The trainer: one loop for any list of phases.

Progress is counted in images seen, and all randomness is a pure function of (seed, images seen), so that a run that was
killed goes on exactly where its checkpoint stands, in one process or in several.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.errors import Diverged, Interrupted, RecipeError
from mien.faces.batches import Batch, Batches
from mien.models.base import Model, Phase, Term, Terms
from mien.training.averages import WEIGHTS, Meter
from mien.training.checkpoint import load_checkpoint, save_checkpoint
from mien.training.config import TrainConfig, crosses
from mien.training.cuda_graphs import Replays
from mien.training.devices import Hardware, is_out_of_memory, keep_freed_memory
from mien.training.moving_average import MovingAverage
from mien.training.optimizers import Adam, RMSprop
from mien.training.stopping import stop_requested

AGREE_EVERY_STEPS = 8  # how often several processes agree on whether to stop


class Trainer:
    """A model, its optimizers and how far it has come.

    log: called with each line of numbers.    snapshot: called with the model to sample from, and the images seen.
    progress: called after each step with the images seen and to see.    note: called with a sentence for
    the user.    All four are called on rank 0 only.
    """

    def __init__(
        self,
        model: Model,
        batches: Batches,
        config: TrainConfig,
        hardware: Hardware,
        *,
        checkpoint: Path,
        log: Callable[[dict[str, Any]], None] = lambda line: None,
        snapshot: Callable[[Model, int], None] = lambda model, images_seen: None,
        progress: Callable[[int, int], None] = lambda images_seen, total: None,
        note: Callable[[str], None] = lambda words: None,
    ) -> None:
        if config.batch_size % hardware.processes:
            raise RecipeError(
                f"training.batch_size is {config.batch_size}, which {hardware.processes} processes cannot share "
                f"equally. Use a multiple of {hardware.processes}."
            )
        self.model, self.batches, self.config, self.hardware = model, batches, config, hardware
        self.checkpoint, self.log, self.snapshot, self.progress, self.note = checkpoint, log, snapshot, progress, note
        recordable = config.cuda_graphs and hardware.device.type == "cuda" and hardware.processes == 1
        self.replays = Replays() if recordable else None
        self.moved = {phase.moves: parameters(model, phase) for phase in model.phases}
        self.optimizers = {moves: make_optimizer(moved, config) for moves, moved in self.moved.items()}
        self.moving: tuple[str, ...] | None = None  # the networks that are not frozen now
        self.average = MovingAverage(model, config.ema_decay) if config.ema_decay else None
        self.images_per_step = config.images_per_step(model)
        self.total = config.total_images(len(batches), self.images_per_step)
        self.images_seen = 0
        self.seconds = 0.0  # of training, without snapshots and checkpoints, over all resumptions
        self.since = 0.0  # when they were counted last
        self.halvings = 0  # of each batch, because it did not fit into memory
        self.meter = Meter(hardware.mean)

    @property
    def sampling_model(self) -> Model:
        """The model that samples and scores are made with: the moving average, where there is one."""
        return self.average.model if self.average else self.model

    def run(self) -> None:
        """Train to the end, from the checkpoint where there is one.

        Raises: Diverged when a loss or weight is not finite; Interrupted, after saving, on SIGINT or SIGTERM;
        RecipeError where the checkpoint is past the recipe's end; RunError where another process of the same training
        has ended.
        """
        keep_freed_memory()
        resumed = self.checkpoint.exists()
        if resumed:
            self._restore()
        saved = self.since = time.monotonic()
        if not resumed and self.hardware.rank == 0:
            self._snapshot()
        with self.hardware.generators_kept(), stop_requested() as stop:
            while self.images_seen < self.total and not self._stopping(stop):
                before = self.images_seen
                self.step()
                self._report(before)
                if time.monotonic() - saved >= self.config.checkpoint_every_seconds:
                    self.save()
                    saved = time.monotonic()
        self.save()
        if self.images_seen < self.total:
            raise Interrupted(f"stopped at {self.images_seen:,} of {self.total:,} images; all of it is saved")

    def _count_seconds(self) -> None:
        now = time.monotonic()
        self.seconds, self.since = self.seconds + now - self.since, now

    @contextmanager
    def _off_the_clock(self) -> Iterator[None]:
        """Context whose seconds do not count as training; the GPU finishes its work first, as that does count."""
        self.hardware.synchronize()
        self._count_seconds()
        yield
        self.since = time.monotonic()

    def _stopping(self, stop: threading.Event) -> bool:
        """Whether a signal has asked one of the processes to stop; several compare every few steps, by a message."""
        if self.hardware.processes == 1:
            return stop.is_set()
        step = self.images_seen // self.images_per_step
        return step % AGREE_EVERY_STEPS == 0 and self.hardware.any(stop.is_set())

    def _parts(self) -> tuple[dict[str, nn.Module], dict[str, torch.optim.Optimizer]]:
        """The modules and optimizers of a checkpoint, by their names there."""
        modules: dict[str, nn.Module] = {"model": self.model}
        if self.average:
            modules["average"] = self.average.model
        return modules, {"+".join(moves): optimizer for moves, optimizer in self.optimizers.items()}

    def _restore(self) -> None:
        progress = load_checkpoint(self.checkpoint, *self._parts(), self.hardware.device)
        self.images_seen, self.seconds, self.halvings = progress.images_seen, progress.seconds, progress.halvings
        if self.halvings and self.hardware.rank == 0:
            self.note(f"a batch did not fit into memory before: {describe_halvings(self.halvings)}")
        self.meter.restore(progress.model_dump(), self.hardware.device)
        if self.images_seen > self.total:
            raise RecipeError(
                f"{self.checkpoint}: has seen {self.images_seen:,} images, and its recipe ends at {self.total:,}. "
                f"Give it at least training.steps={-(-self.images_seen // self.images_per_step)}."
            )

    def step(self) -> None:
        """One pass through the phases."""
        step, size = self.images_seen // self.images_per_step, self.config.batch_size
        share = size // self.hardware.processes
        part = slice(self.hardware.rank * share, (self.hardware.rank + 1) * share)
        starts = range(self.images_seen, self.images_seen + self.images_per_step, size)
        progress = self.images_seen / self.total
        batches = [split_batch(self.batches.at(start, size, part, progress), self.halvings) for start in starts]
        learning_rate = self._learning_rate()
        for index, phase in enumerate(self.model.phases):
            if phase.is_active(step, progress):
                if phase.moves != self.moving:
                    freeze_all_but(self.model, phase.moves)
                    self.moving = phase.moves
                self.optimizers[phase.moves].set_learning_rate(learning_rate * phase.learning_rate)
                for number in range(phase.repeat):
                    seed = update_seed(self.config.seed, self.images_seen, index, number)
                    self.meter.add(phase.name, self._update(phase, batches, number, seed))
        self.images_seen += self.images_per_step
        if self.average:
            self.average.update(step + 1)

    def _update(self, phase: Phase, batches: list[list[Batch]], number: int, seed: int) -> Terms:
        """One optimizer update, on a batch in as many pieces as it takes to fit into memory."""
        while True:
            try:
                self.hardware.seed(seed)
                if self.replays and len(batches[number]) == 1:
                    return self.replays(phase.name, number, partial(self._minimise, phase, seed), batches[number])
                return self._minimise(phase, seed, batches[number])
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                lacked = str(error)  # not the error itself, whose traceback holds the tensors of the first try
            self._halve(batches, phase, lacked)

    def _minimise(self, phase: Phase, seed: int, pieces: list[Batch]) -> Terms:
        """Add up the gradients of the pieces of a batch, and make one step with them.  -> means over the batch"""
        optimizer = self.optimizers[phase.moves]
        optimizer.zero_grad(set_to_none=True)
        images = sum(len(piece.x) for piece in pieces)
        sums: dict[str, Term] = {}
        for piece in pieces:
            if len(pieces) > 1:
                self.hardware.seed(seed)  # each piece draws for the whole batch and keeps its own rows
            with self.hardware.autocast():
                terms = phase.loss(piece)
            share = len(piece.x) / images
            torch.stack([term.weighted * share for term in terms.values()]).sum().backward()  # type: ignore[no-untyped-call]
            sums = add_terms(sums, terms, share)
        self.hardware.average_gradients(self.moved[phase.moves])
        optimizer.step()
        return sums

    def _halve(self, batches: list[list[Batch]], phase: Phase, lacked: str) -> None:
        """Go on with pieces half as large.  Raises: RecipeError where they are single images already."""
        if all(len(piece.x) < 2 for pieces in batches for piece in pieces):
            raise RecipeError(
                f"the {phase.name} phase does not fit into memory, not even one image at a time ({lacked[:200]}). "
                "Use a smaller model.width, model.latent_dim or data.size, or a device with more memory."
            )
        self.halvings += 1
        self.replays = None  # recordings hold memory
        batches[:] = [[half for piece in pieces for half in split_batch(piece, 1)] for pieces in batches]
        if self.hardware.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.hardware.rank == 0:
            self.note(f"a batch does not fit into memory in the {phase.name} phase: {describe_halvings(self.halvings)}")

    def _learning_rate(self) -> float:
        if self.config.schedule == "cosine":
            return self.config.learning_rate * 0.5 * (1 + float(np.cos(np.pi * self.images_seen / self.total)))
        return self.config.learning_rate

    def _report(self, before: int) -> None:
        """Log, take a snapshot and report progress, each at its interval."""
        if crosses(before, self.images_seen, self.config.log_every_images) or self.images_seen >= self.total:
            self._count_seconds()
            self._write(self.meter.close(self.images_seen, self.seconds))
        if self.hardware.rank > 0:
            return
        if self.config.is_snapshot_due(before, self.images_seen) or self.images_seen >= self.total:
            self._snapshot()
        self.progress(self.images_seen, self.total)

    def _write(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            for name, value in line.items():
                if name != WEIGHTS and not np.isfinite(value):
                    raise self._diverged(name, value, line["images_seen"])
            if self.hardware.rank == 0:
                self.log(line)

    def _diverged(self, name: str, value: float, images_seen: int) -> Diverged:
        return Diverged(
            f"{name} is {value} at {images_seen:,} images: training has diverged. "
            f"The checkpoint before it is kept ({self.checkpoint}). Try a lower training.learning_rate than "
            f"{self.config.learning_rate:g}, training.precision=float32, or another training.seed, in a new run."
        )

    def _snapshot(self) -> None:
        model = self.sampling_model
        model.eval()
        with self._off_the_clock(), self.hardware.generators_kept():
            self.snapshot(model, self.images_seen)
        self.model.train()

    def save(self) -> None:
        """Write the checkpoint, unless something in it is not finite.

        Raises: Diverged for that; RunError where the file cannot be written.
        """
        if self.hardware.rank > 0:
            return
        with self._off_the_clock():
            self._write(self.meter.flush())
            for name, tensor in self.model.state_dict().items():
                if not tensor.isfinite().all():
                    raise self._diverged(f"the weight {name}", float("nan"), self.images_seen)
            progress = {"images_seen": self.images_seen, "seconds": self.seconds, "halvings": self.halvings}
            save_checkpoint(self.checkpoint, *self._parts(), progress | self.meter.state())


def parameters(model: Model, phase: Phase) -> list[Tensor]:
    """The parameters a phase moves."""
    return [p for network in phase.moves for p in getattr(model, network).parameters()]


def make_optimizer(moved: list[Tensor], config: TrainConfig) -> Adam:
    """The recipe's optimizer; RMSprop with Keras's epsilon, which the coursework used."""
    if config.optimizer == "rmsprop":
        return RMSprop(moved, config.learning_rate, config.rho, eps=1e-7)
    return Adam(moved, config.learning_rate, (config.beta1, config.beta2), eps=1e-8)


def add_terms(sums: dict[str, Term], terms: Terms, share: float) -> dict[str, Term]:
    """Means over a batch, with those of one more piece of it.  share: of the batch that is in the piece"""

    def mean(name: str, term: Term) -> Term:
        value, weight = term.value.detach().float() * share, term.weight
        weight = weight.detach().float() * share if isinstance(weight, Tensor) else weight
        if name in sums:
            value = value + sums[name].value
            weight = weight + sums[name].weight if isinstance(weight, Tensor) else weight
        return Term(value, weight)

    return {name: mean(name, term) for name, term in terms.items()}


def describe_halvings(halvings: int) -> str:
    """The remedy for a batch that does not fit into memory, in words."""
    return (
        f"from here on its gradients are added up from {2**halvings} pieces: the same mathematics, more slowly; but "
        "batch normalization and an automatic KL weight look at each piece alone"
    )


def split_batch(batch: Batch, halvings: int) -> list[Batch]:
    """A batch, halved so many times."""
    pieces = [batch]
    for _ in range(halvings):
        pieces = [half for piece in pieces for half in piece.halves() if len(half.x)]
    return pieces


def freeze_all_but(model: Model, moves: tuple[str, ...]) -> None:
    """Let only the named networks learn.

    A frozen network still normalizes by its batch, but its running statistics stay: they belong to the phase in
    which it learns.
    """
    for name, network in model.named_children():
        network.requires_grad_(name in moves)
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.track_running_stats = name in moves


def update_seed(seed: int, images_seen: int, phase: int, number: int) -> int:
    """Seed of one update's randomness, of all processes alike: independent streams for any two updates or seeds."""
    low, high = np.random.SeedSequence([seed, images_seen, phase, number]).generate_state(2, np.uint32)
    return int(high) << 32 | int(low)
