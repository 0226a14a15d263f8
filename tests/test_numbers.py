"""Numbers that leave their range: a training in mixed precision that overflows is stopped and named."""

from pathlib import Path

import pytest
import torch

import tiny
from mien.errors import Diverged
from mien.models import MODELS
from mien.training.devices import Hardware


@pytest.mark.parametrize("name", MODELS)
def test_an_overflow_in_bfloat16_is_named_with_the_images_seen(name: str, tmp_path: Path) -> None:
    trainer = tiny.trainer(
        tiny.model(name),
        tmp_path,
        hardware=Hardware(torch.device("cpu"), "bfloat16"),
        steps=300,
        log_every_images=8,
    )
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.mul_(1e30)
    with pytest.raises(Diverged, match=r"images") as error:
        trainer.run()
    assert any(phase.name in str(error.value) for phase in trainer.model.phases)
