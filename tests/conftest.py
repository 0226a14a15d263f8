"""What all tests share: a cache of their own, one thread, a small set of faces and a trained run of each model."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from filelock import FileLock

WORKER = "PYTEST_XDIST_WORKER" in os.environ  # of several that share the tests, a cache and what is trained
if not WORKER:  # before any test, and for the processes they start
    os.environ["MIEN_CACHE"] = tempfile.mkdtemp(prefix="mien-tests-")
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

import tiny  # noqa: E402
from mien.faces import Faces  # noqa: E402
from mien.models import MODELS  # noqa: E402
from mien.runs.folder import Run  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate-golden", action="store_true", help="write tests/golden.json anew")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not WORKER:
        shutil.rmtree(os.environ["MIEN_CACHE"], ignore_errors=True)


@pytest.fixture(scope="session")
def faces() -> Faces:
    return tiny.faces()


class TrainedRuns(Mapping[str, Run]):
    """Runs by their models' names: one that cannot be trained fails the tests that want it, and no others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, name: str) -> Run:
        run = Run(self.folder / name)
        with FileLock(self.folder / f"{name}.lock"):
            return run if run.weights.exists() else tiny.train(run.path, tiny.recipe(name))

    def __iter__(self) -> Iterator[str]:
        return iter(MODELS)

    def __len__(self) -> int:
        return len(MODELS)


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Run]:
    """A trained run of each model, to look at and not to change; trained when it is asked for."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if WORKER else base) / "trained"
    folder.mkdir(exist_ok=True)
    return TrainedRuns(folder)


@pytest.fixture
def run_of(trained_runs: Mapping[str, Run], tmp_path: Path):
    """A copy of a model's trained run, to do anything with."""

    def copy(name: str) -> Run:
        shutil.copytree(trained_runs[name].path, tmp_path / name)
        return Run.open(tmp_path / name)

    return copy
