"""The public names: sorted, typed, documented, and all that somebody needs."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from mien import errors
from mien.errors import DataError, MienError, RunError, did_you_mean
from mien.runs.folder import Run
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

FUNCTIONS = [getattr(mien, name) for name in mien.__all__ if callable(getattr(mien, name))]


def test_the_public_names_are_sorted_and_there() -> None:
    assert mien.__all__ == sorted(mien.__all__)
    assert {function.__name__ for function in FUNCTIONS} == {"open_faces", "open_run", "run"}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_a_public_function_is_typed_and_says_what_it_raises(function: Any) -> None:
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in signature.parameters.values())
    assert "Raises: mien.errors." in (function.__doc__ or "")


def test_the_package_is_marked_as_typed() -> None:
    assert (Path(mien.__file__).parent / "py.typed").exists()


def test_the_version_is_that_of_the_citation() -> None:
    assert f"version: {mien.__version__}" in (Path(__file__).parents[1] / "CITATION.cff").read_text()


def test_every_error_that_a_user_can_mend_is_one_kind_of_error() -> None:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, Exception)]
    assert all(issubclass(kind, MienError) for kind in kinds)
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in kinds)


def test_the_nearest_name_is_offered_whatever_its_case_and_none_where_none_is_near() -> None:
    assert did_you_mean("smilling", ["Male", "Smiling"]) == " Did you mean 'Smiling'?"
    assert did_you_mean("xyz", ["Male", "Smiling"]) == ""


def test_faces_are_opened_by_one_call(faces: Any) -> None:
    opened = mien.open_faces("drawn:200", size=32)
    assert opened.fingerprint == faces.fingerprint
    with pytest.raises(DataError):
        mien.open_faces("/no/such/folder")


def test_a_trained_run_is_opened_by_one_call(trained_runs: dict[str, Run]) -> None:
    model = mien.open_run(trained_runs[CONDITIONAL].path)
    images = model.sample(5, seed=1, attributes={"Male": 1})
    assert (images.shape, images.dtype) == ((5, 32, 32, 3), np.uint8)
    same = mien.open_run(str(trained_runs[CONDITIONAL].weights))
    assert (images == same.sample(5, seed=1, attributes={"Male": 1})).all()
    assert (images != model.sample(5, seed=2, attributes={"Male": 1})).any()


def test_a_trained_model_that_encodes_reconstructs(trained_runs: dict[str, Run], faces: Any) -> None:
    assert mien.open_run(trained_runs[ENCODING].path).reconstruct(faces.images[:3]).shape == (3, 32, 32, 3)


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (1, -1)])
def test_samples_that_cannot_be_drawn_are_refused(trained_runs: dict[str, Run], count: int, seed: int) -> None:
    with pytest.raises(MienError, match="the count is 1 or more, the seed 0 or more"):
        mien.open_run(trained_runs[ADVERSARIAL].path).sample(count, seed=seed)


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        mien.open_run(tmp_path / "nowhere")
