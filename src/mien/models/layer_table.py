"""The layers of a model as a table, found by watching one example go through it."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mien.faces.batches import Batch
from mien.models.base import Model


@dataclass(frozen=True)
class Layer:
    """One layer: its network and place in it, what it is, the shape of one example's output, its parameters.

    shape is () for a layer that only holds parameters, or that the example did not pass.
    """

    network: str
    place: str
    kind: str
    settings: str
    shape: tuple[int, ...]
    parameters: int


def layer_table(model: Model) -> list[Layer]:
    """Every layer of every network, in the order in which they were built.

    The example goes through each phase's loss, so that all networks that learn are passed, whatever the model is.
    """
    shapes: dict[nn.Module, tuple[int, ...]] = {}

    def watch(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            shapes.setdefault(module, tuple(output.shape[1:]))

    device, side = next(model.parameters()).device, model.image_size
    x, y = torch.zeros(1, 3, side, side, device=device), torch.zeros(1, len(model.attributes), device=device)
    devices = [device] if device.type == "cuda" else []
    hooks = [module.register_forward_hook(watch) for module in model.modules()]
    training = model.training
    model.eval()  # batch statistics are not defined for one example, and those of the model must stay
    try:
        with torch.random.fork_rng(devices), torch.enable_grad():
            for phase in model.phases:
                phase.loss(Batch(x, y))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return [
        _layer(f"{network}.{name}".rstrip("."), module, shapes.get(module, ()))
        for network, body in model.named_children()
        for name, module in body.named_modules()
        if not list(module.children()) or own_parameters(module)
    ]


def own_parameters(module: nn.Module) -> int:
    """How many numbers a module learns itself, without the modules inside it."""
    return sum(parameter.numel() for parameter in module.parameters(recurse=False))


def _layer(path: str, module: nn.Module, shape: tuple[int, ...]) -> Layer:
    network, _, place = path.partition(".")
    holds_others = bool(list(module.children()))
    settings = re.sub(r"\((\d+), \1\)", r"\1", "" if holds_others else module.extra_repr())
    return Layer(network, place, type(module).__name__, settings, () if holds_others else shape, own_parameters(module))
