"""The origin of a run: versions, machine, command line, time."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mien.version import __version__


def surroundings() -> dict[str, Any]:
    """Versions, machine, command and time of this process."""
    import numpy
    import torch

    return {
        "mien": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "command": shlex.join(["mien", *sys.argv[1:]]) if started_as_command() else "Python",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def started_as_command() -> bool:
    """Whether this process is `mien` or `python -m mien`, rather than another program."""
    program = Path(sys.argv[0])
    return program.stem == "mien" or program.parts[-2:] == ("mien", "__main__.py")


def machine() -> str:
    """The processor with the widest instructions that PyTorch uses, and the GPU, where there is one, in words."""
    import torch

    from mien.training.devices import cpu_multiplies_bfloat16

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    widest = torch.backends.cpu.get_cpu_capability()
    name += f" with {widest} and bfloat16" if cpu_multiplies_bfloat16() else f" with {widest}"
    words = f"{name}, {os.cpu_count()} cores, {platform.system()}"
    return f"{words}; {torch.cuda.get_device_name()}" if torch.cuda.is_available() else words


def commit() -> str | None:
    """The commit of mien's own checkout, '-dirty' where files differ from it; None for an installed package."""
    checkout = Path(__file__).parents[3]
    if not (checkout / ".git").exists():  # git would search the folders above, and find another checkout
        return None
    try:
        result = subprocess.run(
            ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
