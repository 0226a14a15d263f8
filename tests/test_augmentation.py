"""What the discriminator of a small set sees: altered images, the more of them the oftener the set was seen."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import tiny
from mien.faces.batches import Batch
from mien.models.augmentation import LARGEST_SHIFT, MOST, alter
from mien.recipes.recipe import load_recipe
from mien.sessions.chosen_by_data import SMALL, settle_augmentation

SIDE = 32


def faces(count: int = 64) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1


def altered(x: Tensor, passes: float, seen: float, seed: int = 0) -> Tensor:
    """Images altered after so many passes of a number of passes."""
    torch.manual_seed(seed)
    return alter(x, Batch(x, torch.zeros(len(x), 0), passes=torch.tensor(seen)), passes)


def share_changed(x: Tensor, y: Tensor) -> float:
    return float(((x - y).abs() > 1e-5).flatten(1).any(1).float().mean())


def test_the_share_of_altered_images_grows_evenly_with_the_passes() -> None:
    x = faces(2000)
    shares = [share_changed(x, altered(x, 100.0, seen)) for seen in (0.0, 25.0, 50.0, 100.0, 900.0)]
    assert shares == pytest.approx([0.0, MOST / 4, MOST / 2, MOST, MOST], abs=0.04)
    assert shares[0] == 0


@given(seed=st.integers(0, 2**31))
def test_colours_are_changed_and_places_moved(seed: int) -> None:
    """A constant image stays constant but for the border that was moved in."""
    colour = torch.tensor([0.5, -0.25, 0.125])
    x = colour[:, None, None].expand(4, 3, SIDE, SIDE)
    for image in altered(x, 1.0, 1.0, seed):
        kept = image.abs().amax(0) > 0
        assert image[:, kept].std(1).max() < 1e-5
        assert kept.sum() >= (SIDE * (1 - LARGEST_SHIFT)) ** 2


def test_faces_are_moved_by_whole_pixels_and_no_further_than_an_eighth() -> None:
    """Where the shift is: the pixel that was lit, of an image that is dark elsewhere"""
    x = -torch.ones(400, 3, SIDE, SIDE)
    x[:, :, SIDE // 2, SIDE // 2] = 1
    found = altered(x, 1.0, 1.0).mean(1)
    places = torch.stack([(image == image.max()).nonzero()[0] for image in found]).float() - SIDE // 2
    lit = torch.tensor([int((image == image.max()).sum()) == 1 and float(image.max()) > 0.3 for image in found])
    assert lit.sum() > 100
    assert places[lit].abs().max() == SIDE * LARGEST_SHIFT
    assert places[lit].mean().abs() < 0.5


def test_gradients_reach_the_images_that_were_altered() -> None:
    x = faces(8).requires_grad_()
    altered(x, 1.0, 1.0).square().sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().sum((1, 2, 3)) > 0).all()


def test_a_part_of_a_batch_is_altered_as_in_the_whole() -> None:
    x = faces(10)
    whole = Batch(x, torch.zeros(10, 0), passes=torch.tensor(0.5))
    pieces = []
    for part in whole.halves():
        torch.manual_seed(3)
        pieces.append(alter(part.x, part, 1.0))
    torch.manual_seed(3)
    assert torch.equal(torch.cat(pieces), alter(x, whole, 1.0))


@pytest.mark.parametrize("name", [tiny.ADVERSARIAL, tiny.CONDITIONAL])
def test_a_discriminator_is_trained_on_what_is_altered(name: str, tmp_path: Path) -> None:
    trained = []
    for passes in (0.0, 0.5):
        trainer = tiny.trainer(tiny.model(name, augmentation_passes=passes), tmp_path, checkpoint=str(passes), steps=20)
        trainer.run()
        trained.append(torch.cat([p.flatten() for p in trainer.model.parameters()]))
    assert not torch.equal(*trained)


@pytest.mark.parametrize(("count", "passes"), [(200, 300.0), (SMALL * 2, 0.0)])
def test_a_small_set_is_altered_and_a_large_one_is_not(count: int, passes: float) -> None:
    recipe = load_recipe(f"{tiny.ADVERSARIAL}-quick", [f"data.source=drawn:{count}"])
    few = SimpleNamespace(rows=lambda split: range(count))
    chosen = settle_augmentation(recipe, few)  # type: ignore[arg-type]
    assert chosen.model.augmentation_passes == passes
    given = load_recipe(f"{tiny.ADVERSARIAL}-quick", ["model.augmentation_passes=7"])
    assert settle_augmentation(given, few).model.augmentation_passes == 7  # type: ignore[arg-type]
