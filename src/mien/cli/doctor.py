"""Findings about this machine: versions, devices, speed and room."""

import importlib.metadata
import importlib.util
import platform
import shutil
import time
from pathlib import Path

import torch

from mien.faces.pack.store import default_cache
from mien.runs.provenance import machine
from mien.training.devices import choose_device, choose_precision
from mien.version import __version__

PACKAGES = (
    "torch",
    "numpy",
    "pillow",
    "safetensors",
    "pydantic",
    "torchmetrics",
    "scikit-learn",
    "openTSNE",
    "matplotlib",
)
SMALLEST, SIDE = 256, 2_048  # of the matrices that are multiplied: the largest reach the machine's best
LONGEST = 1.0  # seconds that one product may take


def examine() -> dict[str, list[tuple[str, str]]]:
    """Tables of findings: title -> rows of two columns. Takes some seconds: it multiplies matrices."""
    device = choose_device("auto")
    precision = choose_precision("auto", device)
    cache = default_cache()
    return {
        "versions": [("mien", __version__), ("python", platform.python_version()), *map(version, PACKAGES)],
        "machine": [
            ("processor", machine()),
            ("threads", str(torch.get_num_threads())),
            ("trains on", f"{device}, {precision}"),
            *((f"matrix product, {kind}", speed(device, kind)) for kind in ("float32", "bfloat16")),
        ],
        "room": [
            ("packed faces", f"{cache} ({free(cache)} free)"),
            ("runs", f"{Path('runs').resolve()} ({free(Path.cwd())} free)"),
        ],
    }


def version(package: str) -> tuple[str, str]:
    """A package and its version, or how to get it."""
    try:
        return package, importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return package, f"missing: pip install {package}"


def speed(device: torch.device, kind: str) -> str:
    """How fast two matrices are multiplied, the best of five times.

    They grow as long as a product takes little time: without instructions for bfloat16 a large one takes minutes.
    """
    side, best = SMALLEST, min(seconds_of_product(SMALLEST, device, kind) for _ in range(2))  # the first warms up
    while side < SIDE and 8 * best < LONGEST:  # twice the side is eight times the work
        side *= 2
        best = min(seconds_of_product(side, device, kind) for _ in range(6))
    rate = 2 * side**3 / best / 1e9
    return f"{rate:,.0f} GFLOP/s" if rate >= 10 else f"{rate:.2g} GFLOP/s"


def seconds_of_product(side: int, device: torch.device, kind: str) -> float:
    """Seconds of one product of two square matrices."""
    matrix = torch.randn(side, side, device=device, dtype=getattr(torch, kind))
    started = time.perf_counter()
    (matrix @ matrix).sum().item()
    return time.perf_counter() - started


def free(path: Path) -> str:
    """Room on the disk of a path that may not be there yet."""
    while not path.exists():
        path = path.parent
    return f"{shutil.disk_usage(path).free / 2**30:.0f} GiB"
