"""What every model keeps to, whatever it is; each check says in words what is broken."""

import pytest
import torch

from mien.faces.batches import Batch
from mien.models.base import Model, Phase

SEED = 3


def terms(phase: Phase, batch: Batch) -> dict[str, float]:
    """What a phase minimises on a batch, with the randomness of one seed."""
    torch.manual_seed(SEED)
    return {name: float(term.weighted.detach()) for name, term in phase.loss(batch).items()}


def assert_draws_through_its_batch(model: Model, batch: Batch) -> None:
    """A batch in two pieces loses what the whole loses, when each piece is given the same seed."""
    for phase in model.phases:
        whole, halves = terms(phase, batch), [terms(phase, half) for half in batch.halves()]
        for name, value in whole.items():
            mean = sum(half[name] for half in halves) / 2
            assert mean == pytest.approx(value, rel=1e-3, abs=1e-5), (
                f"{phase.name}/{name} is {value:.6g} for a batch and {mean:.6g} for its two halves: the loss draws "
                "random numbers past its batch, or looks at the batch as one. Draw with batch.noise and batch.uniform."
            )
