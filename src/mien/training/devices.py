"""The machine training runs on: its device, its precision, and the other processes of the same job."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed

# Its functions hold, as defaults, the process group of the moment at which the module is imported. An optimizer imports
# it; where that happens after the group is joined, the group's threads live on and may abort the process as it ends.
import torch.distributed.nn
from torch import Tensor, nn

from mien.errors import RecipeError, RunError
from mien.training.config import DeviceName, Precision

Module = TypeVar("Module", bound=nn.Module)


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

    def seed(self, seed: int) -> None:
        """Seed this device's generator; `torch.manual_seed` takes half a millisecond for those that are not here."""
        if self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.get_device_module(self.device).manual_seed(seed)

    def average_gradients(self, parameters: list[Tensor]) -> None:
        """Replace every gradient by its mean over the processes; one message for all of them."""
        if self.processes == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.mean(torch.cat([g.flatten() for g in gradients]))
        for gradient, piece in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(piece.view_as(gradient))

    def mean(self, values: Tensor) -> Tensor:
        """The mean of a tensor over the processes, in its place; all of them must call it."""
        if self.processes > 1:
            with together():
                torch.distributed.all_reduce(values)
            values /= self.processes
        return values

    def synchronize(self) -> None:
        """Wait until the device has finished all its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def any(self, wish: bool) -> bool:
        """Whether `wish` is true in one of the processes; all of them must call this."""
        return bool(self.mean(torch.tensor(float(wish))) > 0)

    def meet(self) -> None:
        """Wait until all processes have called this."""
        self.any(False)

    def place(self, model: Module) -> Module:
        """The model on this device, in the layout that convolutions are fastest in there."""
        if self.device.type == "cuda":
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model.to(self.device)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Context for communication between processes.  Raises: RunError where one of them has ended."""
    try:
        yield
    except RuntimeError as error:
        raise RunError(
            f"another process of this training has ended ({str(error).splitlines()[0][:99]}). "
            "`mien resume` goes on from the last checkpoint, in any number of processes."
        ) from error


def keep_freed_memory() -> None:
    """Let the C library reuse memory that tensors have freed, instead of fetching new pages from the system.

    Every step allocates the same hundreds of megabytes; the system's zeroing of fresh pages is a sixth of a step
    of the coursework's first model on a CPU. Only glibc can be told so; elsewhere nothing happens.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        no_mapping, never_trim = (-4, 0), (-1, 2**31 - 1)  # M_MMAP_MAX and M_TRIM_THRESHOLD of malloc.h
        libc.mallopt(*no_mapping)
        libc.mallopt(*never_trim)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device, or the system, had no memory left for a tensor."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The last two are oneDNN's, for convolutions on a CPU; 'primitive descriptor' is of layers it cannot compute.
    words = ("can't allocate", "of memory", "enough memory", "bad_alloc", "create a primitive", "create a memory")
    return any(word in str(error) for word in words) and "primitive descriptor" not in str(error)


def choose_device(name: DeviceName = "auto") -> torch.device:
    """The device of that name; 'auto' takes a GPU where there is one.

    Raises: RecipeError where this machine has no such device.
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
    if name != "cuda":
        return torch.device(name)
    return torch.device(name, _number("LOCAL_RANK") if os.environ.get("LOCAL_RANK") else 0)


def memory_of(device: torch.device) -> int | None:
    """All the memory of a device, or of the machine, in bytes; None where that is not known."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def choose_precision(precision: Precision, device: torch.device) -> Precision:
    """bfloat16 where the device multiplies it faster than float32, float32 elsewhere; or the given precision."""
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
    if torch.backends.cpu.get_cpu_capability() == "AVX2":  # that PyTorch was told to keep to, too: ATEN_CPU_CAPABILITY
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16"))


def rank() -> int:
    """Which of the processes that `torchrun` started this one is; 0 where there is only one."""
    return _number("RANK") if process_count() > 1 else 0


def require_one_process(what: str, instead: str) -> None:
    """Raises: RecipeError under `torchrun`.  what: the work, for the message    instead: the next step"""
    if (processes := process_count()) > 1:
        raise RecipeError(f"{what} is for one process, and `torchrun` started {processes}. {instead}")


def process_count() -> int:
    """How many processes `torchrun` started; 1 without it.

    Raises: RecipeError where its variables are incomplete: those of another launcher, or left over from one.
    """
    processes = _number("WORLD_SIZE") if os.environ.get("WORLD_SIZE") else 1
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if processes > 1 and missing:
        raise RecipeError(
            f"WORLD_SIZE is {processes}, as if a launcher had started so many processes, but {', '.join(missing)} "
            "is not set. Run `unset WORLD_SIZE` to train in one process, or start them with torchrun."
        )
    return processes


def _number(name: str) -> int:
    """A variable of the launcher.  Raises: RecipeError where it is no number."""
    given = os.environ.get(name, "")
    if not given.isdecimal():
        raise RecipeError(f"{name} is {given!r} in the environment, where a launcher puts a number. Unset it.")
    return int(given)


@contextlib.contextmanager
def hardware(device: DeviceName = "auto", precision: Precision = "auto") -> Iterator[Hardware]:
    """The machine, with the process group of `torchrun` joined where it started this process.

    Raises: RecipeError for a device that is not here.
    """
    chosen = choose_device(device)
    processes = process_count()
    if processes > 1 and chosen.type == "mps":
        raise RecipeError("several processes cannot share an Apple GPU. Use one, or training.device=cpu for all.")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise RecipeError(
            f"this process is to use GPU {chosen.index}, and there are {torch.cuda.device_count()}. "
            "Start as many processes on a machine as it has GPUs (--nproc-per-node)."
        )
    if processes > 1:
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
        torch.backends.cudnn.benchmark = True  # every step has the same shapes, so trying the algorithms pays
    try:
        yield Hardware(chosen, choose_precision(precision, chosen), rank(), processes)
        if processes > 1:
            torch.distributed.barrier()  # none leaves before the first one has written the weights
    finally:
        if processes > 1:
            torch.distributed.destroy_process_group()
