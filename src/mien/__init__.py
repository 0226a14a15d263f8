"""mien: train, judge and compare generative models of labelled face images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.exported import ExportedModel
    from mien.faces import Faces
    from mien.plans import PlanResult
    from mien.plans.training import Observer
    from mien.trained import TrainedModel

__all__ = ["__version__", "open_faces", "open_run", "run"]
__version__ = "0.1.0"


def run(
    data: str | Path | None = None,
    plan: str | Path = "quick",
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    observer: "Observer | None" = None,
) -> "PlanResult":
    """Train, measure and report every model of a plan, as `mien run` does.

    data: a folder, a .zip, 'drawn' or 'drawn:COUNT'; None: what the recipes say, which is 'drawn' for the presets.
    plan: a preset's name or a TOML file.
    overrides: 'section.key=value' for any key of the recipes, such as 'training.seed=1'.

    Raises: mien.errors.MienError for whatever a user can mend.
    """
    from mien.plans import load_plan, run_plan

    source = None if data is None else str(data)
    return run_plan(load_plan(plan), source=source, out=out, overrides=overrides, observer=observer)


def open_run(path: str | Path) -> "TrainedModel | ExportedModel":
    """A trained model, to sample from or to reconstruct with.

    path: a run's folder, its file of weights alone, or an .onnx that `mien export` wrote, which needs no PyTorch.

    Raises: mien.errors.RunError where there is none, or it is not trained yet.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        from mien.exported import open_exported

        return open_exported(path)
    from mien.runs import Run
    from mien.trained import load_model

    return load_model(path if path.is_file() else Run.open(path).weights)


def open_faces(source: str | Path, *, size: int = 64) -> "Faces":
    """Faces packed for training: a folder, a .zip, 'drawn' or 'drawn:COUNT'; `mien.faces.open_faces` has more options.

    Raises: mien.errors.DataError where they cannot be used.
    """
    from mien import faces

    return faces.open_faces(source, size=size)
