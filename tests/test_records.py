"""What files of runs hold: what is sound is read as it was written, and anything else is refused in words."""

import json
from pathlib import Path
from typing import Any

import pytest

import tiny
from mien.errors import RunError
from mien.files.tensors import read_tensors, write_tensors
from mien.files.validation import Record, checked
from mien.runs.folder import ReadOnce, Run, log_line
from mien.runs.plan_folder import read_plan, write_plan
from mien.runs.records import Divergence, ExportedFacts, Provenance, WeightsFacts
from mien.studies.run_study import study_of
from mien.training.checkpoint import Progress, read_progress
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

PROVENANCE = {"format": 1, "data_fingerprint": "f", "seed": 0, "started": "now"}
PROGRESS = {"images_seen": 8, "seconds": 1.0, "sums": {"phase/kl": 0.5}, "counts": {"phase/kl": 2}, "last": [0, 0.0]}
WEIGHTS = {"recipe": {}, "images_seen": 8, "combinations": [[[0, 1], 5], [[1, 1], 2]], "crop": "square"}
RECIPE = {"data": {"size": 32}, "model": {"name": CONDITIONAL, "latent_dim": 4}}
EXPORTED = WEIGHTS | {"recipe": RECIPE, "attributes": ["a", "b"], "part": "generator", "encodes": False, "weights": "x"}
SOUND: tuple[tuple[type[Record], dict[str, Any]], ...] = (
    (Provenance, PROVENANCE),
    (Progress, PROGRESS),
    (WeightsFacts, WEIGHTS),
    (ExportedFacts, EXPORTED),
    (Divergence, {"error": "phase/kl is nan"}),
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", tiny.recipe(ENCODING), "fingerprint")


@pytest.mark.parametrize(("kind", "content"), SOUND, ids=lambda given: getattr(given, "__name__", ""))
def test_each_key_that_is_read_has_to_be_there(kind: type[Record], content: dict[str, Any]) -> None:
    assert checked(kind, content)
    for key in set(content) - {"recipe"}:
        with pytest.raises(ValueError, match=f"^{key} is missing$"):
            checked(kind, {name: value for name, value in content.items() if name != key})


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (Provenance, PROVENANCE | {"seed": "0"}, r"^seed is '0': input should be a valid integer"),
        (Provenance, PROVENANCE | {"starts": [{"device": "cpu"}]}, r"^starts\.0\.precision is missing"),
        (Progress, PROGRESS | {"images_seen": -1}, r"^images_seen is -1: .*greater than or equal to 0"),
        (Progress, PROGRESS | {"images_seen": True}, r"^images_seen is True: "),
        (Progress, PROGRESS | {"images_seen": 2**64}, r"^images_seen is 18446744073709551616: .*less than or equal"),
        (Progress, PROGRESS | {"halvings": 2**40}, r"^halvings is 1099511627776: .*less than or equal to 64"),
        (Progress, PROGRESS | {"seconds": float("nan")}, r"^seconds is nan: input should be a finite number"),
        (WeightsFacts, WEIGHTS | {"crop": "round"}, r"^crop is 'round': input should be 'square' or 'celeba'"),
        (WeightsFacts, WEIGHTS | {"crop": [0, 0, 2**40, 1]}, r"^crop"),
        (WeightsFacts, WEIGHTS | {"combinations": [[[0, 2], 5]] * 10**5}, r"^combinations\.0\.0\.1 is 2: .*equal to 1"),
        (WeightsFacts, WEIGHTS | {"combinations": [[[0, 1], -5]]}, r"^combinations\.0\.1 is -5"),
        (WeightsFacts, WEIGHTS | {"validation/fd_judge": "low"}, r"^validation/fd_judge is 'low'"),
        (ExportedFacts, EXPORTED | {"attributes": ["a"]}, r"^combinations are not all of 1 values$"),
        (ExportedFacts, EXPORTED | {"combinations": [[[], 5]]}, r"^combinations are not all of 2 values$"),
        (ExportedFacts, EXPORTED | {"combinations": [[[0, 1], 0]]}, r"^combinations count no faces$"),
        (ExportedFacts, EXPORTED | {"recipe": RECIPE | {"data": {"size": 4096}}}, r"^recipe\.data\.size is 4096: "),
        (ExportedFacts, EXPORTED | {"recipe": RECIPE | {"data": 3}}, r"^recipe\.data\.size is missing$"),
    ],
)
def test_what_is_wrong_is_said_with_its_key_and_its_value(
    kind: type[Record], content: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        checked(kind, content)


def test_a_line_of_a_log_keeps_its_numbers_and_leaves_out_what_is_none() -> None:
    written = {"images_seen": 8, "seconds": 1.5, "weights": {"phase/kl": 0.1}, "phase/kl": 2, "words": ["it turns"]}
    text = json.dumps(written | {"odd": "x", "nan": float("nan"), "endless": float("inf"), "true": True, "list": [1]})
    line = log_line(text.encode())
    assert line
    assert line.entries() == written


@pytest.mark.parametrize(
    "text",
    ["", "3", "[1]", "{}", '{"images_seen": 1.5}', '{"images_seen": 1, "words": "w"}', "[" * 10**5, '{"images_'],
)
def test_what_is_no_line_of_a_log_is_none(text: str) -> None:
    assert log_line(text.encode()) is None


def test_what_another_version_knows_of_a_run_is_kept_when_it_starts_again(run: Run) -> None:
    content = json.loads(run.provenance_file.read_text()) | {"weather": "rain"}
    run.provenance_file.write_text(json.dumps(content))
    run.add_start("cpu", "float32")
    run.add_start("cuda", "bf16")
    again = json.loads(run.provenance_file.read_text())
    assert {key: again[key] for key in content} == content | {"starts": again["starts"]}
    assert [start["device"] for start in again["starts"]] == ["cpu", "cuda"]


def test_a_run_that_is_read_once_does_not_see_what_is_written_later(run: Run) -> None:
    once = ReadOnce(run.path)
    assert once.log() == []
    run.append_log({"images_seen": 8})
    assert (once.log(), run.log()) == ([], [{"images_seen": 8}])


def test_a_checkpoint_that_claims_what_cannot_be_is_refused_in_words(tmp_path: Path) -> None:
    tiny.trainer(tiny.model(ADVERSARIAL), tmp_path).run()
    path = tmp_path / "checkpoint.safetensors"
    content, tensors = read_tensors(path)
    write_tensors(path, tensors, content | {"halvings": 2**62})
    with pytest.raises(RunError, match=r"is not a checkpoint that can be read \(halvings is 46.* Delete it to train"):
        read_progress(path)


@pytest.mark.parametrize("more", [{"study": {"name": "x"}, "length": {}}, {"study": [], "length": 3}])
def test_a_study_whose_plan_is_damaged_is_refused_in_words(tmp_path: Path, more: dict[str, Any]) -> None:
    write_plan(tmp_path, "p", "t", ["a-seed0"], {}, **more)
    with pytest.raises(RunError, match=r"plan\.json: is damaged \(.* is .*\)\. Run the (plan|study) again"):
        study_of(tmp_path, read_plan(tmp_path))
