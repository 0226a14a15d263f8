"""The data card: its numbers against numbers worked out by hand."""

import json

import numpy as np
import pytest

from awkward import numbered, write
from mien.faces import Faces, open_faces
from mien.faces.pack.statistics import correlation, lines, printable, rare_pairs


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    folder = tmp_path_factory.mktemp("data")
    write(folder / "faces", *numbered(100))
    write(folder / "faces", "000.jpg", kind="JPEG", seed=0)
    rows = [f"{at:03d}.png,{at % 2},{'' if at < 10 else int(at % 4 == 1)},{at}" for at in range(100)]
    table = "\n".join(["name,Male,Hat,Age", *rows, "gone.png,1,1,1"])
    (folder / "faces" / "t.csv").write_text(table)
    return open_faces(folder / "faces", size=64, cache=folder / "cache")


def test_the_card_is_plain_json(found: Faces) -> None:
    assert json.loads(json.dumps(found.card)) == found.card


def test_frequencies_count_only_what_is_known(found: Faces) -> None:
    male, hat = found.card["attributes"]
    assert (male["name"], male["unknown"], sum(male["known"].values())) == ("Male", 1, 100)
    assert (hat["name"], hat["unknown"], sum(hat["known"].values())) == ("Hat", 11, 90)
    has = found.attributes[found.rows("train", ("Hat",)), 1]
    assert hat["share"]["train"] == pytest.approx(has.mean(), abs=1e-6)


def test_what_does_not_fit_is_counted_and_named(found: Faces) -> None:
    assert found.card["rows_without_picture"] == {"count": 1, "first": ["gone.png"]}
    assert found.card["pictures_without_row"] == {"count": 1, "first": ["000.jpg"]}
    assert found.card["columns_left_out"] == [["Age", "line 4 has '2'"]]
    assert found.card["originals"]["kinds"] == {"PNG RGB": 100, "JPEG RGB": 1}
    assert found.card["originals"]["width"] == [40, 40.0, 40]
    assert "some pictures are smaller than 64 pixels and were enlarged" in found.card["caveats"]


def test_the_correlation_is_pearsons_where_everything_is_known() -> None:
    values = np.random.default_rng(0).integers(0, 2, (200, 4)).astype(np.int8)
    values[:, 1] = values[:, 0]
    values[:, 2] = 1 - values[:, 0]
    phi = correlation(values)
    assert np.allclose(phi, np.corrcoef(values.T))
    assert phi[0, 1] == pytest.approx(1)
    assert phi[0, 2] == pytest.approx(-1)


def test_the_correlation_leaves_out_the_unknown_and_the_constant() -> None:
    values = np.array([[0, 0, 1], [1, 1, 1], [0, 0, 1], [1, 1, 1], [1, -1, 1], [-1, 0, 1]], np.int8)
    phi = correlation(values)
    assert phi[0, 1] == pytest.approx(1)
    assert np.isnan(phi[0, 2])


def test_rare_pairs_are_those_of_common_attributes() -> None:
    values = np.zeros((20_000, 4), np.int8)
    values[:10_000, 0] = values[9_985:, 1] = 1  # 15 faces have both: fewer than 0.1 %
    values[5_000:15_000, 2] = 1
    values[:5, 3] = 1  # rare by itself
    assert rare_pairs("ABCD", values) == [{"attributes": ["A", "B"], "count": 15}]


def test_the_text_names_the_source_the_attributes_and_the_caveats(found: Faces) -> None:
    text = "\n".join(lines(found.card))
    for words in (
        found.card["source"],
        "t.csv, which lies there",
        "101: ",
        "Male",
        "1 unknown",
        "Age",
        "were enlarged",
    ):
        assert words in text


def test_a_name_that_no_terminal_takes_is_escaped() -> None:
    assert printable("caf\udce9.png") == "caf\\udce9.png"
