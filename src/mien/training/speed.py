"""How fast a training is on this machine, by steps that are thrown away."""

import itertools
import math
import time

from mien.training.loop import Trainer

LONGEST_PERIOD = 64  # steps, after which all phases are taken to have had their turn
AMPLE_STEPS = 10**9  # so that the end is not passed meanwhile
LEAST_SECONDS = 2.0  # of steps that are timed, for each part of a training in which other phases take part


def seconds_per_image(trainer: Trainer, least_seconds: float = LEAST_SECONDS) -> float:
    """How long a training takes for one image, on average from its start to its end.

    trainer: one that is not used for anything else: its steps move its networks.    least_seconds: of each part that
    are timed, after one round of all phases that is not.
    """
    model = trainer.model
    model.train()
    trainer.total = max(trainer.total, AMPLE_STEPS * trainer.images_per_step)
    edges = sorted({0.0, 1.0, *(edge for phase in model.phases for edge in (phase.start, phase.end))})
    with trainer.hardware.generators_kept():
        return sum(
            (end - start) * seconds_at(trainer, (start + end) / 2, least_seconds)
            for start, end in itertools.pairwise(edges)
        )


def seconds_at(trainer: Trainer, progress: float, least_seconds: float) -> float:
    """How long an image takes when so much of the training is done; phases that are rare are counted as they come."""
    period = min(math.lcm(*(phase.every for phase in trainer.model.phases)), LONGEST_PERIOD)
    first = int(progress * trainer.total) // trainer.images_per_step // period * period
    trainer.images_seen = first * trainer.images_per_step
    run_steps(trainer, period)
    steps, started = 0, time.monotonic()
    while not steps or time.monotonic() - started < least_seconds:
        run_steps(trainer, period)
        steps += period
    return (time.monotonic() - started) / (steps * trainer.images_per_step)


def run_steps(trainer: Trainer, count: int) -> None:
    """So many steps, to their end on the device."""
    for _ in range(count):
        trainer.step()
    trainer.hardware.synchronize()
