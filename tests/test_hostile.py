"""Hostile and awkward input in short: a part of every kind of case of verification/hostile.py, and of the fuzzers."""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuzz
import fuzz_guided
import fuzz_targets
import hostile
from awkward import write
from hostile_case import Case, Reader, attempted, tried, unfit
from hostile_readers import NAMES, READERS, labels
from hostile_sources import NAMES as STEMS
from mien.cli import main
from mien.errors import printable, shown
from mien.recipes.recipe import check

EVERY = 10  # so many-th case of each kind is tried here; `make verify` tries all
GROUPS = (
    "pictures", "names", "file system", "zips", "tables", "recipes", "plans", "studies", "weights", "checkpoints",
    "logs", "metrics", "run folders", "kinds of file", "ONNX", "commands", "packs",
)  # fmt: skip


def test_the_corpus_is_large_and_each_case_has_a_name_and_a_reader_of_its_own() -> None:
    cases = hostile.cases()
    assert len(cases) > 3600
    assert {case.group for case in cases} == set(GROUPS)
    assert {case.reader for case in cases} <= set(READERS)
    names = Counter((case.group, case.name) for case in cases)
    assert [name for name, count in names.items() if count > 1] == []


def test_a_part_of_the_corpus_has_all_kinds_of_cases() -> None:
    cases = hostile.cases()
    some = list(hostile.every(EVERY, cases))
    assert len(some) < len(cases) / 5
    assert {(case.group, case.reader, case.expected) for case in some} == {
        (case.group, case.reader, case.expected) for case in cases
    }


def endless() -> None:
    while True:
        pass


def test_a_reader_that_hangs_or_says_too_much_fails() -> None:
    ending, words = attempted(endless, 0.05)
    assert ending == "failure"
    assert "TooSlow" in words
    assert unfit("x" * 5000)
    assert not unfit("a\nb: what was given and what to do")


def test_a_reader_that_waits_fails_after_a_while() -> None:
    ending, words = attempted(lambda: time.sleep(10), 0.05)
    assert (ending, "TooSlow" in words) == ("failure", True)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (Case("x", "given back", b"1", "bytes", gives=b"2"), "b'1' was given, not b'2'"),
        (Case("x", "success", b"1", "bytes", "refusal"), "success, where refusal was due"),
        (Case("x", "a traceback", b"1", "a fault"), "ZeroDivisionError"),
        (Case("x", "a refusal", b"1", "refused", "success"), "refusal, where success was due"),
        (Case("x", "other words", b"1", "refused", says="a pipe"), "a refusal that does not say 'a pipe'"),
    ],
    ids=lambda given: given.name if isinstance(given, Case) else "",
)
def test_a_case_that_ends_otherwise_is_a_failure(
    case: Case, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READERS, "bytes", Reader(Path.read_bytes, "a"))
    monkeypatch.setitem(READERS, "a fault", Reader(lambda path: 1 / 0, "a"))
    monkeypatch.setitem(READERS, "refused", Reader(lambda path: check({}, "r.toml"), "a"))
    ended = tried(case, tmp_path)
    assert ended["ending"] == "failure"
    assert words in ended["words"]


def test_what_does_not_show_is_escaped_and_what_is_long_is_cut() -> None:
    assert printable("a\n\x1b[2J\u202e\udcff é 写") == "a\\n\\x1b[2J\\u202e\\udcff é 写"
    assert len(shown("x" * 10**6)) <= 100
    assert len(shown([[[[[[["x"] * 100] * 100] * 100]]]])) < 1500


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
    ending, words = attempted(lambda: labels(content, NAMES[:3]))
    assert ending != "failure", words


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
def test_any_request_is_answered_or_refused(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    asked = json.dumps({"run": "run", "snapshot": "last"} | content).encode()
    ending, words = fuzz.tried(READERS["a request"], asked, tmp_path_factory.getbasetemp())
    assert ending == "success", words


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["name", "data", "model", "training", "health", "x"]), JSON, max_size=5))
def test_any_table_is_a_recipe_or_refused(table: dict[str, Any]) -> None:
    ending, words = attempted(lambda: check(table, "r.toml"))
    assert ending == "refusal", words


# The command line


def test_a_folder_of_names_in_every_script_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stems = list(dict.fromkeys(stem for stem in STEMS.values() if not stem.startswith((".", "/"))))[:60]
    write(tmp_path, *(f"{stem}/a.png" for stem in stems))
    assert main(["data", "show", str(tmp_path)]) == 0
    shown_there = capsys.readouterr().out
    assert all(line.isprintable() for line in shown_there.splitlines())
    assert "脸面" in shown_there
