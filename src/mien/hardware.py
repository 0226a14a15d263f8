"""The machine training runs on: its device, its precision, and the other processes of the same job."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed
from torch import Tensor

from mien.errors import RecipeError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class Hardware:
    """Where to compute, in which precision, and as which of how many processes."""

    device: torch.device
    precision: Precision
    rank: int = 0
    processes: int = 1

    def autocast(self) -> torch.autocast:
        """Context in which matrix products and convolutions compute in the chosen precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def generators_kept(self) -> contextlib.AbstractContextManager[None]:
        """Context after which PyTorch's generators are as they were, those of this device only."""
        devices = [self.device] if self.device.type == "cuda" else []
        kept: contextlib.AbstractContextManager[None] = torch.random.fork_rng(devices)
        return kept

    def average_gradients(self, parameters: list[Tensor]) -> None:
        """Replace every gradient by its mean over the processes; one message for all of them."""
        if self.processes == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.processes
        for gradient, piece in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(piece.view_as(gradient))


def choose_device(name: DeviceName = "auto") -> torch.device:
    """The device of that name; 'auto' takes a GPU where there is one.

    Raises: RecipeError where this machine has none of that name.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(candidate for candidate in ("cuda", "mps", "cpu") if available[candidate])
    if not available[name]:
        have = ", ".join(d for d, here in available.items() if here)
        raise RecipeError(
            f"training.device is {name!r}, but PyTorch {torch.__version__} finds no such device here. "
            f"Devices here: {have}. Leave it at 'auto', or see `mien doctor`."
        )
    return torch.device(name, int(os.environ.get("LOCAL_RANK", "0"))) if name == "cuda" else torch.device(name)


def choose_precision(precision: Precision, device: torch.device) -> Precision:
    """bfloat16 where the device multiplies it faster than float32, float32 elsewhere; or what was asked for."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type == "cpu":
        return "bfloat16" if cpu_multiplies_bfloat16() else "float32"
    return "float32"


def cpu_multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for products of bfloat16 (AVX512-BF16 or AMX)."""
    if not hasattr(torch.cpu, "get_capabilities"):  # before PyTorch 2.13
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16"))


def rank() -> int:
    """Which of the processes that `torchrun` started this one is; 0 where there is only one."""
    return int(os.environ.get("RANK", "0"))


def require_one_process(what: str, instead: str) -> None:
    """Raises: RecipeError under `torchrun`, for what several processes would all do at once."""
    if (processes := process_count()) > 1:
        raise RecipeError(f"{what} is for one process, and `torchrun` started {processes}. {instead}")


def process_count() -> int:
    """How many processes `torchrun` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextlib.contextmanager
def hardware(device: DeviceName = "auto", precision: Precision = "auto") -> Iterator[Hardware]:
    """The machine, with the process group of `torchrun` joined where it started this process.

    Raises: RecipeError for a device that is not here.
    """
    chosen = choose_device(device)
    processes = process_count()
    if processes > 1:
        torch.distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    try:
        yield Hardware(chosen, choose_precision(precision, chosen), rank(), processes)
        if processes > 1:
            torch.distributed.barrier()  # none leaves before the first one has written the weights
    finally:
        if processes > 1:
            torch.distributed.destroy_process_group()
