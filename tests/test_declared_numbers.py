"""What numbers are is declared once: names are put together and taken apart alike, and scores are read as they were."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mien.metrics import numbers
from mien.metrics.numbers import NUMBERS, UNKNOWN, Number, besides, find, of_each, of_number
from mien.runs.folder import Run
from mien.runs.score import Score, jsonable_scores, read_scores

CLOSED = {"count": ("2k", "600"), "components": ("16",), "extractor": ("pixels", "own")}
ANYTHING = st.one_of(
    st.text(max_size=9),
    st.lists(st.sampled_from(["-", ">", "->", "%", "-%", "3E", "25", "_", "/", "{", "}", "A"]), max_size=6).map(
        "".join
    ),
)
GOLDEN = Path(__file__).parent / "golden_runs" / "1" / "run"


def values_of(number: Number, draw: Any) -> tuple[str, ...]:
    return tuple(draw(st.sampled_from(CLOSED[part]) if part in CLOSED else ANYTHING) for part in number.parts)


@given(st.data())
def test_a_name_is_taken_apart_as_it_was_put_together_whatever_attributes_are_called(data: st.DataObject) -> None:
    number = data.draw(st.sampled_from(NUMBERS))
    values = values_of(number, data.draw)
    name = number.of(*values)
    assert find(name)[:2] == (number, values)
    assert [other for other in NUMBERS if other.parts_of(name) is not None] == [number]


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_two_pairs_of_attributes_never_have_one_name(a: str, b: str, c: str, d: str) -> None:
    names = {numbers.LEAK_SHIFT.of(a, b), numbers.LEAK_SHIFT.of(c, d)}
    assert len(names) == len({(a, b), (c, d)})


def test_an_attribute_that_holds_an_arrow_is_written_so_that_the_arrow_between_two_is_the_first() -> None:
    assert numbers.LEAK_SHIFT.of("A", "B->C") == "leak_shift_A->B->C"
    assert numbers.LEAK_SHIFT.of("A->B", "C") == "leak_shift_A-%3EB->C"


@pytest.mark.parametrize(
    "name", ["brand_new", "{", "fd_judge", "fd_Other_2k", "fd_inception_2k", "baseline_pca_2k_mse", "test_mse_", ""]
)
def test_a_name_that_is_of_no_number_is_shown_as_it_is(name: str) -> None:
    assert find(name) == (UNKNOWN, (name,), name)


def test_a_floor_stands_beside_the_number_of_the_same_parts_alone() -> None:
    names = [
        "flip_rate_A",
        "flip_ceiling_A",
        "flip_ceiling_B",
        "flip_rate_B",
        "fd_judge_2k",
        "fd_judge_600_floor_train",
    ]
    names += [
        "fd_judge_2k_floor_train",
        "fd_face_2k_floor_train",
        "test_mse",
        "baseline_pca_16_mse",
        "baseline_pca_4_ssim",
    ]
    found = {name: besides(name, names) for name in names}
    assert {name: beside for name, beside in found.items() if beside} == {
        "flip_rate_A": ["flip_ceiling_A"],
        "flip_rate_B": ["flip_ceiling_B"],
        "fd_judge_2k": ["fd_judge_2k_floor_train"],
        "test_mse": ["baseline_pca_16_mse"],
    }


def test_what_stands_beside_a_number_is_measured_in_its_unit_or_says_otherwise() -> None:
    other_units = {(beside.name, of.name) for beside in NUMBERS for of in beside.beside if beside.unit != of.unit}
    assert other_units == set()


def test_numbers_of_a_family_are_told_by_the_parts_of_their_names() -> None:
    scores = {"flip_rate_A_B": 1, "flip_rate_": 2, "flip_back_A": 3, "leak_shift_A->B": 4, "leak_flips_A->B": 5}
    assert of_each(scores, numbers.FLIP_RATE) == {"A_B": 1, "": 2}
    assert of_number(scores, numbers.LEAK_SHIFT) == {("A", "B"): 4}


def test_groups_have_titles_of_their_own() -> None:
    groups = list(dict.fromkeys(number.group for number in NUMBERS))
    assert len({group.title for group in groups}) == len(groups)


def test_the_numbers_of_a_run_of_format_1_are_read_and_written_as_they_were() -> None:
    run = Run.open(GOLDEN)
    content = json.loads(run.metrics_file.read_text(encoding="utf-8"))
    assert json.loads(json.dumps(jsonable_scores(run.metrics()))) == content
    assert {find(name).number.metric == score.metric for name, score in run.metrics().items()} == {True}
    assert run.metrics()["test_mse"]["value"] == run.metrics()["test_mse"].value == content["test_mse"]["value"]


@pytest.mark.parametrize("ends", [(None, None), (math.nan, math.nan), (-math.inf, math.inf), (0.0, math.inf)])
def test_an_interval_that_has_no_two_finite_ends_is_none(ends: tuple[float | None, float | None]) -> None:
    score = Score(1.0, *ends)
    assert (score.low, score.high, score.interval) == (None, None, None)


@pytest.mark.parametrize(
    "entry",
    [
        *({"value": value} for value in (None, True, "1", [], 10**400)),
        *({"value": 1.0, "low": low} for low in (0.0, "0")),
        *({"value": 1.0, "images": images} for images in (-1, 2**63, True, "9", 1.5)),
        *({"value": 1.0, key: 3} for key in ("protocol", "metric", "weights", "extractors")),
        *(3, None, [], "text"),
    ],
    ids=repr,
)
def test_an_entry_that_is_no_score_is_left_out(entry: object) -> None:
    assert read_scores({"a": entry, "b": {"value": 2, "low": None, "more": {}}}) == {"b": Score(2.0)}


def test_a_score_is_read_as_it_was_written_and_no_other_can_be_made() -> None:
    score = Score(1.0, 0.5, 1.5, 10, "how", "flips", "sha256:0", ("judge",))
    assert read_scores(json.loads(json.dumps({"a": asdict(score)}))) == {"a": score}
    with pytest.raises(ValidationError):
        Score(1.0, 0.5)
