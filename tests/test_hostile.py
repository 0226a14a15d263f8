"""Hostile and awkward input: every case of the corpus, in a process of its own, and some through the command line."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hostile
from awkward import numbered, write
from hostile_sources import NAMES
from mien.cli import main
from mien.errors import DataError, printable, shown
from mien.faces import open_faces
from mien.faces.source.tables import label, parse
from mien.recipes.recipe import check

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import fuzz
import fuzz_guided
import fuzz_targets

ROOMS = ("pictures", "names", "file system", "zips", "tables", "recipes", "plans", "studies")
FILES = ("weights", "checkpoints", "logs", "metrics", "run folders", "kinds of file", "ONNX")


@pytest.fixture(scope="module")
def tried() -> tuple[list[dict[str, Any]], int]:
    """How each case ended, and the most memory that it took, in MiB."""
    command = [sys.executable, str(Path(hostile.__file__))]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode in (0, 1), ran.stderr
    *endings, last = map(json.loads, ran.stdout.splitlines())
    return endings, last["peak_mebibytes"]


@pytest.mark.parametrize("group", [*ROOMS, *FILES])
def test_every_case_ends_in_success_or_in_one_clear_line(group: str, tried: Any) -> None:
    ended = [case for case in tried[0] if case["group"] == group]
    assert [case for case in ended if case["ending"] == "failure"] == []
    assert ended


def test_the_corpus_is_large_and_its_memory_bounded(tried: Any) -> None:
    assert len(tried[0]) > 2000
    assert tried[1] < hostile.MOST_MEMORY


def test_no_two_cases_have_one_name(tried: Any) -> None:
    assert [
        name for name, count in Counter((case["group"], case["name"]) for case in tried[0]).items() if count > 1
    ] == []


def test_a_case_that_hangs_or_says_too_much_is_a_failure(tmp_path: Path) -> None:
    def endless(folder: Path) -> None:
        while True:
            pass

    slow = hostile.attempted(hostile.Case("x", "endless", endless, seconds=0), tmp_path, 0.05)
    assert slow["ending"] == "failure"
    assert "TooSlow" in slow["words"]
    assert hostile.unfit("x" * 5000)
    assert not hostile.unfit("a\nb: what was given and what to do")


def test_what_does_not_show_is_escaped_and_what_is_long_is_cut() -> None:
    assert printable("a\n\x1b[2J\u202e\udcff é 写") == "a\\n\\x1b[2J\\u202e\\udcff é 写"
    assert len(shown("x" * 10**6)) <= 100
    assert len(shown([[[[[[["x"] * 100] * 100] * 100]]]])) < 1500


HEADER = b"\x93NUMPY\x01\x00"
LIE = b"{'descr': '|i1', 'fortran_order': False, 'shape': (1000000000000, 40), }\n"
SPOILT = {
    "pack.json": [b"", b"[]", b"{}", b"[" * 10**5, b'{"version": 2, "signature": 1}'],
    "attributes.npy": [b"", b"\x80\x04.", HEADER + len(LIE).to_bytes(2, "little") + LIE, HEADER],
    "split.npy": [b"", HEADER + len(LIE).to_bytes(2, "little") + LIE],
    "images.npy": [b"", HEADER, HEADER + len(LIE).to_bytes(2, "little") + LIE],
    "files.json": [b"", b"[]", b"\xff" * 50],
}


@pytest.mark.parametrize("file", SPOILT)
def test_a_pack_of_somebody_else_is_read_whole_or_refused(file: str, tmp_path: Path) -> None:
    write(tmp_path / "faces", *numbered(20))
    pack = Path(open_faces(tmp_path / "faces", size=32, cache=tmp_path / "cache").card["pack"])
    sound = (pack / file).read_bytes()
    for content in [*SPOILT[file], sound[: len(sound) // 2]]:
        (pack / file).write_bytes(content)
        with pytest.raises(DataError, match=r"damaged pack|neither a folder|no pictures"):
            open_faces(pack, size=32)


# Bytes that nobody has seen before


@pytest.mark.parametrize("reader", fuzz_targets.targets())
def test_spoilt_bytes_are_read_or_refused(reader: str) -> None:
    endings, found = fuzz.fuzz(reader, seconds=60, seed=1, most=60)
    assert found == []
    assert endings.total() == 60


def test_without_atheris_the_guided_fuzzer_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    assert fuzz_guided.main() == 2
    assert capsys.readouterr().err.rstrip().endswith("is not installed: pip install atheris==3.0.0")


def test_what_a_guided_fuzzer_reached_is_read_from_its_last_words() -> None:
    said = (
        "#3\tINITED cov: 14 ft: 15 corp: 1/18b exec/s: 0 rss: 41Mb\n#71\tDONE   cov: 20 ft: 21 corp: 6/75b lim: 4096\n"
        "stat::number_of_executed_units: 71\nstat::peak_rss_mb:              41\n"
    )
    row = fuzz_guided.summary("log", seconds=5, seed=1, words=said)
    assert [row[key] for key in ("inputs", "edges_at_first", "edges", "features", "kept")] == [71, 14, 20, 21, 6]
    assert row["peak_mebibytes"] == 41


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(TEXTS, min_size=1, max_size=5), max_size=6),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_cells_are_a_table_or_refused(rows: list[list[str]], mark: str, end: str) -> None:
    content = end.join(mark.join(row) for row in rows).encode()
    ended = hostile.attempted(as_case(lambda folder: label(parse(content, "t.csv"), numbered(3))), Path())
    assert ended["ending"] != "failure", ended


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("run", "snapshot", "count", "z", "y", "x"), JSON | st.just("run"))
    )
)
def test_any_request_is_answered_or_refused(content: dict[str, Any]) -> None:
    fuzz_targets.request(json.dumps({"run": "run", "snapshot": "last"} | content).encode(), Path())


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["name", "data", "model", "training", "health", "x"]), JSON, max_size=5))
def test_any_table_is_a_recipe_or_refused(table: dict[str, Any]) -> None:
    ended = hostile.attempted(as_case(lambda folder: check(table, "r.toml")), Path())
    assert ended["ending"] == "refusal", ended


def as_case(attempt: Any) -> hostile.Case:
    return hostile.Case("hypothesis", "", attempt)


# The command line


def options(tmp_path: Path) -> dict[str, list[str]]:
    """Commands with something wrong in them."""
    write(tmp_path / "faces", *numbered(20))
    (tmp_path / "faces" / "\x1b[2J\nrm.jpg").touch()
    (tmp_path / "t.csv").write_bytes(b"\xff\x00" * 100)
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000)
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 100)
    (tmp_path / "a.onnx").write_bytes(b"\x1b[2J" * 30)
    (tmp_path / "a.zip").write_bytes(b"PK\x05\x06" + b"\xff" * 18)
    os.mkfifo(tmp_path / "pipe")
    faces, pipe = str(tmp_path / "faces"), str(tmp_path / "pipe")
    train = ["train", "vae-quick", "--data", "drawn:100", "--out", str(tmp_path / "run")]
    return {
        "bad": ["data", "show", faces],
        "pipe": ["data", "show", pipe],
        "zip": ["data", "show", str(tmp_path / "a.zip")],
        "escape": ["data", "show", "\x1b[2J"],
        "long": ["data", "show", "x" * 5000],
        "home": ["data", "show", "~nobody-of-this-name"],
        "count": ["data", "show", "drawn:" + "9" * 5000],
        "table": ["data", "show", faces, "--attributes", str(tmp_path / "t.csv")],
        "table pipe": ["data", "show", faces, "--attributes", pipe],
        "train data": [*train, "--data", pipe],
        "train deep": ["train", str(tmp_path / "deep.toml")],
        "train huge": [*train, "model.width=4096", "model.latent_dim=65536"],
        "train list": [*train, "model.name=[]"],
        "train nest": [*train, "training.epochs=" + "[" * 5000],
        "train digits": [*train, "training.steps=" + "9" * 5000],
        "train endless": [*train, "training.epochs=inf"],
        "train batch": [*train, "training.batch_size=1000000000000"],
        "train pipe": ["train", pipe],
        "train name": ["train", "x" * 5000],
        "run deep": ["run", str(tmp_path / "deep.toml")],
        "study deep": ["study", str(tmp_path / "deep.toml")],
        "resume": ["resume", faces],
        "resume long": ["resume", "x" * 5000],
        "sample": ["sample", str(tmp_path / "w.safetensors"), "--out", str(tmp_path / "s.png")],
        "sample onnx": ["sample", str(tmp_path / "a.onnx"), "--out", str(tmp_path / "s.png")],
        "sample escape": ["sample", "\x1b[2J", "--out", str(tmp_path / "s.png")],
        "evaluate": ["evaluate", faces],
        "report": ["report", pipe],
        "explore": ["explore", faces, "--no-browser"],
        "export": ["export", faces, "--to", "onnx", str(tmp_path / "b.onnx")],
    }


def test_the_command_line_answers_each_in_one_line_and_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = options(tmp_path)
    assert len(given) >= 30
    for name, arguments in given.items():
        assert main(arguments) == 2, name
        said = capsys.readouterr().err
        *before, last = said.splitlines()
        assert last.startswith("mien: "), name
        assert last.isprintable(), (name, said)
        assert all(line.isprintable() and "Traceback" not in line for line in before), (name, said)
        assert len(last) < hostile.LONGEST, name


def test_a_folder_of_names_in_every_script_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stems = list(dict.fromkeys(stem for stem in NAMES.values() if not stem.startswith((".", "/"))))[:60]
    write(tmp_path, *(f"{stem}/a.png" for stem in stems))
    assert main(["data", "show", str(tmp_path)]) == 0
    shown_there = capsys.readouterr().out
    assert all(line.isprintable() for line in shown_there.splitlines())
    assert "脸面" in shown_there
