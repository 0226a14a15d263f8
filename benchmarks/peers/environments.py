"""The environments of peers that mien does not depend on, each in a virtual environment of its own.

python benchmarks/peers/environments.py pythae keras-tensorflow keras-jax
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".environments"
REQUIREMENTS = {
    "pythae": ("pythae==0.1.2", "torch==2.13.0"),
    "keras-tensorflow": ("keras==3.15.1", "tensorflow-cpu==2.21.0"),
    "keras-jax": ("keras==3.15.1", "jax[cpu]==0.10.2"),
}


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment, whether it was made already or not."""
    return FOLDER / name / "bin" / "python"


def is_ready(name: str) -> bool:
    """Whether a peer's environment holds what this version asks for; those with none of their own are always ready."""
    note = FOLDER / name / "requirements.txt"
    return name not in REQUIREMENTS or (note.exists() and note.read_text().split() == list(REQUIREMENTS[name]))


def make_ready(name: str) -> None:
    """Make a peer's environment from the package index, where it is not there yet; takes minutes and about 1 GB.

    Raises: subprocess.CalledProcessError where a package cannot be had.
    """
    if is_ready(name):
        return
    print(f"making an environment for {name}: {', '.join(REQUIREMENTS[name])}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER / name)], check=True)
    pip = [str(python_of(name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *REQUIREMENTS[name]], check=True)
    (FOLDER / name / "requirements.txt").write_text("\n".join(REQUIREMENTS[name]) + "\n")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or REQUIREMENTS:
        make_ready(wanted)
