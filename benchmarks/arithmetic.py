"""How much arithmetic a training image takes, counted while mien's trainer does it."""

import tempfile
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from mien.faces import Faces
from mien.faces.batches import Batches
from mien.models import build
from mien.recipes.recipe import Recipe
from mien.training.devices import Hardware
from mien.training.loop import Trainer

COUNTED = 2  # images of the batch that is counted


def flops_of_image(recipe: Recipe, faces: Faces) -> float:
    """Floating-point operations of one image in a step of a recipe, in matrix products and convolutions of all phases.

    A multiplication and an addition are two. For a VAE it is three times the forward pass, less the gradient by the
    image, which nobody asks for; for an adversarial model what its phases ask for: images generated
    once for each of the two, and no gradients by weights that are frozen.
    """
    training = recipe.training.model_copy(update={"batch_size": COUNTED, "steps": 1, "epochs": None})
    model = build(recipe.model, faces.size)
    batches = Batches(faces, "train", attributes=model.attributes)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.safetensors"
        trainer = Trainer(model, batches, training, Hardware(torch.device("cpu"), "float32"), checkpoint=checkpoint)
        with FlopCounterMode(display=False) as counter:
            trainer.run()
    return float(counter.get_total_flops()) / COUNTED
