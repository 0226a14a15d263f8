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
SIDE = 2_048  # of the matrices that are multiplied: large enough to reach the machine's best


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
    """How fast two matrices are multiplied, the best of five times."""
    matrix = torch.randn(SIDE, SIDE, device=device, dtype=getattr(torch, kind))
    best = float("inf")
    for _ in range(6):
        started = time.perf_counter()
        (matrix @ matrix).sum().item()
        best = min(best, time.perf_counter() - started)
    return f"{2 * SIDE**3 / best / 1e9:,.0f} GFLOP/s"


def free(path: Path) -> str:
    """Room on the disk of a path that may not be there yet."""
    while not path.exists():
        path = path.parent
    return f"{shutil.disk_usage(path).free / 2**30:.0f} GiB"
