"""Folders and tables as people have them: labels are those of the files, or the source is refused in words."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from awkward import encoded, numbered, picture, write, zip_of
from mien.errors import DataError
from mien.faces.source import layout, readers
from mien.faces.source.decode import decode, quiet
from mien.faces.source.listing import list_source
from mien.faces.source.tables import label, parse
from mien.faces.splits import NOT_GIVEN, TEST, TRAIN, VALIDATION


def read(folder: Path, table: str | None = None, names_column: str | None = None) -> layout.Layout:
    listing = list_source(folder)
    return readers.read_layout(listing, readers.find_table(listing, Path(table)) if table else None, names_column)


def written(columns: dict[str, list[object]], **options: str) -> bytes:
    stream = io.StringIO()
    rows = csv.writer(stream, **options)  # type: ignore[arg-type]
    rows.writerow(columns)
    rows.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue().encode()


def splits(found: layout.Layout) -> dict[str, int]:
    return {picture: int(split) for picture, split in zip(found.pictures, found.given, strict=True)}


# Whose label it is


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_order_of_columns_and_rows_and_no_index_changes_a_label(data: st.DataObject) -> None:
    """Pictures are called by numbers, so that an index of any kind fits them as well as their names do."""
    count = data.draw(st.integers(20, 60))
    start = data.draw(st.integers(0, 3))
    ending = data.draw(st.sampled_from([".jpg", ".png", ".JPG"]))
    pictures = [f"{at}{ending}" for at in range(start, start + count)]
    dice = random.Random(data.draw(st.integers(0, 10**6)))
    truth = {name: dice.randint(0, 1) for name in pictures}
    truth |= dict(zip(pictures[:2], (0, 1), strict=True))
    rows = data.draw(st.permutations(pictures))
    index = data.draw(st.sampled_from(["", "Unnamed: 0", "index", "row", "id"]))
    columns: dict[str, list[object]] = {
        index: list(range(count)),
        data.draw(st.sampled_from(["filename", "image", "path"])): list(rows),
        "Male": [truth[name] for name in rows],
        "age": [dice.randint(10, 90) for _ in rows],
    }
    shuffled = {name: columns[name] for name in data.draw(st.permutations(list(columns)))}
    found = label(parse(written(shuffled), "t.csv"), pictures)
    assert found.names == ("Male",)
    assert dict(zip(pictures, found.values[:, 0].tolist(), strict=True)) == truth


@pytest.mark.parametrize("index", ["", "Unnamed: 0", "index"])
def test_an_index_of_pandas_is_no_column_of_names_beside_another(index: str) -> None:
    pictures = numbered(20, ending=".jpg")
    names = list(range(19, -1, -1))
    content = written({index: list(range(20)), "image_id": names, "Male": [name % 2 for name in names]})
    found = label(parse(content, "t.csv"), [f"{at}.jpg" for at in range(20)])
    assert found.values[:, 0].tolist() == [at % 2 for at in range(20)]
    assert pictures


def test_two_columns_that_name_different_pictures_are_refused_with_both() -> None:
    pictures = [f"{at}.jpg" for at in range(20)]
    columns = {"one": pictures, "other": pictures[::-1], "Male": [at % 2 for at in range(20)]}
    with pytest.raises(DataError, match=r"columns 'one' and 'other' both name pictures.*--names-column"):
        label(parse(written(columns), "t.csv"), pictures)
    for name, expected in (("one", [0, 1]), ("other", [1, 0])):
        assert label(parse(written(columns), "t.csv"), pictures, name).values[:2, 0].tolist() == expected


def test_a_column_of_names_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, *numbered(20))
    (tmp_path / "t.csv").write_bytes(written({"file": numbered(20), "Male": [0, 1] * 10}))
    assert read(tmp_path, names_column="file").labels.names == ("Male",)
    with pytest.raises(DataError, match=r"no column 'fiel'. Did you mean 'file'\?"):
        read(tmp_path, names_column="fiel")


def test_of_rows_that_disagree_the_majority_is_taken_and_a_note_says_so() -> None:
    pictures = numbered(20)
    says = {0: (1, 1, 0), 1: (0, 0, 1), 2: (1, 0, "")}
    rows = [(p, who, says.get(at, (at % 2,) * 3)[who]) for at, p in enumerate(pictures) for who in range(3)]
    columns = dict(zip(("file", "annotator", "Male"), map(list, zip(*rows, strict=True)), strict=True))
    found = label(parse(written(columns), "t.csv"), pictures)
    assert found.values[:4, 0].tolist() == [1, 0, -1, 1]
    assert "3 pictures have rows that disagree" in found.notes[-1]


@pytest.mark.parametrize("column", ["attribute", "property", "class_name"])
def test_a_table_with_a_row_for_each_attribute_is_refused_with_what_makes_another_of_it(column: str) -> None:
    rows = [(p, kind, at % 2) for at, p in enumerate(numbered(20)) for kind in ("Male", "Smiling")]
    columns = dict(zip(("image", column, "value"), map(list, zip(*rows, strict=True)), strict=True))
    with pytest.raises(DataError, match=rf"table.pivot\(index='image', columns='{column}', values='value'\)"):
        label(parse(written(columns), "t.csv"), numbered(20))


# Which folders are what


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("train", "test"), (TRAIN, TEST)),
        (("training", "testing"), (TRAIN, TEST)),
        (("Train", "Val"), (TRAIN, VALIDATION)),
        (("train_images", "test_images"), (TRAIN, TEST)),
        (("images-train", "images-dev"), (TRAIN, VALIDATION)),
        (("TrainSet", "TestSet"), (TRAIN, TEST)),
        (("train_data", "eval_data"), (TRAIN, VALIDATION)),
    ],
)
def test_folders_of_splits_are_no_classes_and_classes_within_them_are(
    folders: tuple[str, str], expected: tuple[int, int], tmp_path: Path
) -> None:
    for folder in folders:
        for kind in ("happy", "sad"):
            write(tmp_path / folder / kind, *numbered(5))
    found = read(tmp_path)
    assert found.labels.names == ("happy", "sad")
    assert {name.split("/")[0]: split for name, split in splits(found).items()} == dict(
        zip(folders, expected, strict=True)
    )


def test_two_domains_of_two_splits_are_attributes(tmp_path: Path) -> None:
    for folder in ("trainA", "trainB", "testA", "testB"):
        write(tmp_path / folder, *numbered(5))
    found = read(tmp_path)
    assert found.labels.names == ("A", "B")
    of = dict(zip(found.pictures, found.labels.values.tolist(), strict=True))
    assert {name[: name.find("/")]: values for name, values in of.items()} == {
        **{"testA": [1, 0], "testB": [0, 1]},
        **{"trainA": [1, 0], "trainB": [0, 1]},
    }
    assert set(found.given.tolist()) == {TRAIN, TEST}


@pytest.mark.parametrize("folders", [("trainers", "testimony"), ("with_train", "no_train"), ("contest", "retrain")])
def test_other_words_are_classes(folders: tuple[str, str], tmp_path: Path) -> None:
    for folder in folders:
        write(tmp_path / folder, *numbered(10))
    found = read(tmp_path)
    assert found.labels.names == tuple(sorted(folders))
    assert set(found.given.tolist()) == {NOT_GIVEN}


@pytest.mark.parametrize(
    "folders", [("00000", "00001"), ("00000", "01000", "02000"), ("part1", "part2"), ("batch_0", "batch_1"), ("img 1",)]
)
def test_folders_that_are_only_numbered_are_no_attributes(folders: tuple[str, ...], tmp_path: Path) -> None:
    for folder in folders:
        write(tmp_path / folder, *numbered(10, prefix=folder[:1]))
    assert read(tmp_path).labels.names == ()


def test_digits_are_classes(tmp_path: Path) -> None:
    for folder in "012":
        write(tmp_path / folder, *numbered(10))
    assert read(tmp_path).labels.names == ("0", "1", "2")


@pytest.mark.parametrize("folder", ["masks", "CelebAMask-HQ-mask-anno/3", "seg", "face_landmarks"])
def test_masks_and_the_like_are_left_out_with_a_note(folder: str, tmp_path: Path) -> None:
    write(tmp_path / "CelebA-HQ-img", *numbered(20))
    write(tmp_path / folder, *numbered(40, prefix="m"))
    found = read(tmp_path)
    assert len(found.pictures) == 20
    assert found.labels.names == ()
    assert f"40 pictures in {folder}/ were left out" in found.notes[0]
    assert len(read(tmp_path / folder).pictures) == 40


@pytest.mark.parametrize("folders", [("with_mask", "without_mask"), ("mask", "no_mask"), ("mask", "nomask")])
def test_people_with_and_without_masks_are_classes(folders: tuple[str, str], tmp_path: Path) -> None:
    for folder in folders:
        write(tmp_path / folder, *numbered(10))
    assert read(tmp_path).labels.names == tuple(sorted(folders))


def test_with_a_table_folders_without_any_row_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "faces", *numbered(20))
    write(tmp_path / "sketches", *numbered(20, prefix="s"))
    (tmp_path / "t.csv").write_bytes(written({"file": numbered(20), "Male": [0, 1] * 10}))
    found = read(tmp_path)
    assert all(name.startswith("faces/") for name in found.pictures)
    assert found.labels.values[:2, 0].tolist() == [0, 1]
    assert "20 pictures in sketches/ were left out" in found.notes[0]


@pytest.mark.parametrize(
    "name", ["@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg", "$RECYCLE.BIN/0.jpg", "#recycle/0.jpg", "lost+found/0.jpg"]
)
def test_what_systems_leave_is_no_picture(name: str, tmp_path: Path) -> None:
    for folder in ("men", "women"):
        write(tmp_path / folder, *numbered(10))
    write((tmp_path / name).parent, Path(name).name, kind="JPEG")
    found = read(tmp_path)
    assert (len(found.pictures), found.labels.names) == (20, ("men", "women"))


def test_one_picture_beside_folders_costs_no_labels(tmp_path: Path) -> None:
    for folder in ("men", "women"):
        write(tmp_path / folder, *numbered(60))
    write(tmp_path, "cover.png")
    found = read(tmp_path)
    assert (len(found.pictures), found.labels.names) == (120, ("men", "women"))
    assert found.notes == ["left out, as beside the folders: cover.png"]


@pytest.mark.parametrize(
    "content", [b"class,meaning\n0,men\n1,women\n", b"id\n1\n2\n", b"name,count\nmen,10\nwomen,10\n"]
)
def test_a_table_that_is_not_about_pictures_stops_nothing_unless_it_is_named(content: bytes, tmp_path: Path) -> None:
    for folder in ("men", "women"):
        write(tmp_path / folder, *numbered(10))
    (tmp_path / "classes.csv").write_bytes(content)
    found = read(tmp_path)
    assert found.labels.names == ("men", "women")
    assert "classes.csv" in found.notes[0]
    with pytest.raises(DataError, match=r"classes\.csv"):
        read(tmp_path, "classes.csv")


def test_a_table_of_ids_alone_leaves_its_split_without_labels(tmp_path: Path) -> None:
    for folder in ("train", "test"):
        write(tmp_path / folder, *numbered(20))
    (tmp_path / "train.csv").write_bytes(written({"id": numbered(20), "Male": [0, 1] * 10}))
    (tmp_path / "test.csv").write_text("id\n" + "\n".join(numbered(20)))
    (tmp_path / "sample_submission.csv").write_bytes(written({"id": numbered(20), "Male": [0] * 20}))
    found = read(tmp_path)
    test = found.given == TEST
    assert (found.labels.values[test] == -1).all()
    assert sorted(set(found.labels.values[~test, 0].tolist())) == [0, 1]


def test_files_that_are_passed_over_are_counted_by_kind(tmp_path: Path) -> None:
    write(tmp_path, *numbered(20))
    for name in ("a.HEIC", "b.heic", "c.jxl", "d"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "labels.txt").write_text("0.png 1\n")
    (tmp_path / "meta.json").write_text(json.dumps({}))
    notes = read(tmp_path).notes
    assert notes[0] == "passed over, as no pictures that are read: 2 .heic, 1 .json, 1 .jxl, 1 no ending"
    assert notes[1] == "if labels.txt holds attributes, name the table with --attributes"
    assert np.all(read(tmp_path).given == NOT_GIVEN)


# Which pixels


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_as_many_bits_as_a_camera_put_into_sixteen_become_eight(bits: int, kind: str) -> None:
    grey = np.asarray(picture(3, 64, 64).convert("L")).astype(np.uint16)
    grey[0, 0] = 255
    deep = grey << (bits - 8) | grey >> (16 - bits)
    with quiet():
        image, _ = decode(encoded(Image.fromarray(deep), kind), 64, "square")
    assert np.abs(image[..., 0].astype(int) - grey).max() <= 1


# Labels in words, splits in a column, and tables in JSON


def found_in(columns: dict[str, list[object]]) -> dict[str, list[int]]:
    found = label(parse(written({"file": numbered(20), **columns}), "t.csv"), numbered(20))
    return {name: found.values[:, at].tolist() for at, name in enumerate(found.names)}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("Female", "Male"), "Male"),
        (("male", "female"), "male"),
        (("F", "M"), "column M"),
        (("young", "old"), "young"),
        (("neutral", "smiling"), "smiling"),
    ],
)
def test_two_words_are_a_yes_and_a_no(words: tuple[str, str], name: str) -> None:
    cells = [*words, *words, "", "n/a", *words * 7]
    yes = name.removeprefix("column ")
    expected = [-1 if cell in ("", "n/a") else int(cell == yes) for cell in cells]
    assert found_in({"column": cells}) == {name: expected}


def test_more_words_are_an_attribute_each_and_exclude_one_another() -> None:
    hair = ["black", "blond", "red", "black"] * 5
    found = found_in({"hair": hair, "black": [0, 1] * 10})
    assert list(found) == ["black", "hair black", "blond", "red"]
    assert [found["hair black"][at] + found["blond"][at] + found["red"][at] for at in range(20)] == [1] * 20


def test_tags_in_a_cell_are_an_attribute_each() -> None:
    tags = ["Smiling|Male", "Male", "", "Smiling"] * 5
    assert found_in({"tags": tags}) == {"Male": [1, 1, 0, 0] * 5, "Smiling": [1, 0, 0, 1] * 5}


@pytest.mark.parametrize(
    "cells",
    [
        [f"somebody {at}" for at in range(20)],  # each once
        ["20-29", "3-9"] * 10,  # numbers
        [f"word {at % 15}" for at in range(30)][:20],
        ["a"] * 20,
    ],
)
def test_other_words_are_left_out_with_a_reason(cells: list[object]) -> None:
    columns = {"file": numbered(20), "words": cells, "Male": [0, 1] * 10}
    found = label(parse(written(columns), "t.csv"), numbered(20))
    assert found.names == ("Male",)
    assert found.left_out[0][0] == "words"


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("split", ["train", "val", "test", "train"], [TRAIN, VALIDATION, TEST, TRAIN]),
        ("Set", ["Training", "Testing", "Training", "Testing"], [TRAIN, TEST, TRAIN, TEST]),
        ("Usage", ["Training", "PublicTest", "PrivateTest", "Training"], [TRAIN, VALIDATION, TEST, TRAIN]),
        ("partition", ["0", "1", "2", "0"], [TRAIN, VALIDATION, TEST, TRAIN]),
        ("is_train", ["1", "0", "1", "0"], [TRAIN, TEST, TRAIN, TEST]),
        ("is_test", ["True", "False", "True", "False"], [TEST, TRAIN, TEST, TRAIN]),
        ("split", ["train", "test", "", "train"], [TRAIN, TEST, NOT_GIVEN, TRAIN]),
    ],
)
def test_a_column_says_the_split(header: str, cells: list[object], expected: list[int], tmp_path: Path) -> None:
    write(tmp_path, *numbered(20))
    content = written({"file": numbered(20), header: cells * 5, "Male": [0, 1] * 10})
    (tmp_path / "t.csv").write_bytes(content)
    found = read(tmp_path)
    assert (found.given.tolist(), found.labels.names) == (expected * 5, ("Male",))


@pytest.mark.parametrize("header", ["split", "Male"])
def test_what_may_be_anything_is_no_split(header: str) -> None:
    found = label(parse(written({"file": numbered(20), header: [0, 1] * 10}), "t.csv"), numbered(20))
    assert (found.given, found.names) == (None, (header,))


def test_a_table_with_a_row_a_line_in_json_is_read_where_it_lies(tmp_path: Path) -> None:
    for folder in ("train", "test"):
        write(tmp_path / folder, *numbered(10))
        names = enumerate(numbered(10))
        rows = [{"file_name": name, "Male": bool(at % 2), "note": f"{at}, and more"} for at, name in names]
        (tmp_path / folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read(tmp_path)
    assert found.labels.names == ("Male",)
    assert found.labels.values[:, 0].tolist() == [0, 1] * 10


@pytest.mark.parametrize(("classes", "names"), [((0, 1), ("class 1",)), ((0, 1, 2), ("class 0", "class 1", "class 2"))])
def test_the_labels_of_a_stylegan_data_set_are_read(
    classes: tuple[int, ...], names: tuple[str, ...], tmp_path: Path
) -> None:
    for folder in ("00000", "00001"):
        write(tmp_path / folder, *numbered(12, prefix=f"img{folder}"))
    pictures = list_source(tmp_path).pictures
    labels = [[name, classes[at % len(classes)]] for at, name in enumerate(pictures)]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": random.Random(0).sample(labels, len(labels))}))
    found = read(tmp_path)
    assert found.labels.names == names
    assert found.labels.values[:, -1].tolist() == [int(at % len(classes) == classes[-1]) for at in range(24)]


@pytest.mark.parametrize("content", ['{"labels": null}', "{}", "[1, 2]", '{"a": 1}\n{"a"', '{"labels": [1]}'])
def test_json_that_is_no_table_stops_nothing_unless_it_is_named(content: str, tmp_path: Path) -> None:
    write(tmp_path, *numbered(20))
    (tmp_path / "dataset.json").write_text(content)
    found = read(tmp_path)
    assert (found.labels.names, len(found.pictures)) == ((), 20)
    assert "dataset.json" in found.notes[0]
    with pytest.raises(DataError, match=r"dataset\.json"):
        read(tmp_path, "dataset.json")


# Names that a spreadsheet changed, names in two columns, rows that name folders, lines above the header


@pytest.mark.parametrize("write_number", [str, lambda at: f"{at}.0"])
@pytest.mark.parametrize("digits", [2, 6])
def test_names_whose_zeros_were_cut_off_are_found_by_number(write_number: Any, digits: int) -> None:
    pictures = [f"{at:0{digits}d}.jpg" for at in range(1, 60)]
    columns = {"id": [write_number(at) for at in range(1, 60)], "Male": [at % 2 for at in range(1, 60)]}
    found = label(parse(written(columns), "t.csv"), pictures)
    assert found.has_row.all()
    assert found.values[:, 0].tolist() == [at % 2 for at in range(1, 60)]


def test_an_age_is_no_name_of_a_picture() -> None:
    pictures = [f"{at:06d}.jpg" for at in range(20)]
    ages = random.Random(1).sample(range(20), 20)
    columns = {"age": ages, "image_id": [p[:-4] for p in pictures], "Male": [at % 2 for at in range(20)]}
    assert label(parse(written(columns), "t.csv"), pictures).values[:, 0].tolist() == [0, 1] * 10


def test_a_name_in_two_columns_is_put_together() -> None:
    pictures = [f"{person}/{at}.jpg" for person in ("ann", "bob", "cid") for at in range(8)]
    rows = [(at % 2, *p.split("/")) for at, p in enumerate(pictures)]
    random.Random(0).shuffle(rows)
    columns = dict(zip(("Male", "person", "file"), map(list, zip(*rows, strict=True)), strict=True))
    assert label(parse(written(columns), "t.csv"), pictures).values[:, 0].tolist() == [0, 1] * 12


def test_rows_that_name_folders_label_their_pictures(tmp_path: Path) -> None:
    people = [f"n{at:03d}" for at in range(8)]
    for person in people:
        write(tmp_path / person, *numbered(3))
    columns = {"id": people[::-1], "Male": [at % 2 for at in range(8)]}
    (tmp_path / "identity_meta.csv").write_bytes(written(columns))
    found = read(tmp_path)
    truth = dict(zip(people[::-1], columns["Male"], strict=True))
    assert [int(v) for v in found.labels.values[:, 0]] == [truth[name[:4]] for name in found.pictures]
    assert "its rows name folders" in found.labels.notes[-1]


@pytest.mark.parametrize("above", ["sep=,\n", "# exported today\n", "# one\n# two, three\n", "\n\n"])
def test_lines_above_the_header_are_passed_over(above: str) -> None:
    content = above.encode() + written({"file": numbered(20), "Male": [0, 1] * 10})
    assert label(parse(content, "t.csv"), numbered(20)).names == ("Male",)


def test_a_lone_table_whose_names_are_of_no_picture_is_refused(tmp_path: Path) -> None:
    write(tmp_path, *numbered(20))
    (tmp_path / "t.csv").write_bytes(written({"file": numbered(20, prefix="other"), "Male": [0, 1] * 10}))
    with pytest.raises(DataError, match="no row matches a picture"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"PK\3\4", "an Excel workbook"),
        (b"PAR1", "a Parquet file"),
        (b"MATLAB 5.0", "a MATLAB file"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\x80\4", "a pickle"),
    ],
)
def test_a_table_of_another_kind_is_called_by_its_name(start: bytes, words: str) -> None:
    with pytest.raises(DataError, match=f"{words}.* save it as CSV"):
        parse(start + bytes(99), "labels.csv")


def test_what_is_advised_of_celebas_archive_works(tmp_path: Path) -> None:
    write(tmp_path / "here" / "img_align_celeba", *numbered(20, ending=".jpg"), kind="JPEG")
    (tmp_path / "celeba").mkdir()
    zip_of(tmp_path / "here", tmp_path / "celeba" / "img_align_celeba.zip")
    table = tmp_path / "celeba" / "list_attr_celeba.txt"
    rows = [f"{name} {at % 2 * 2 - 1}\n" for at, name in enumerate(numbered(20, ending=".jpg"))]
    table.write_text("20\nMale\n" + "".join(rows))
    with pytest.raises(DataError, match=r"Give the \.zip itself with --attributes and the table beside it: .*\.zip"):
        read(tmp_path / "celeba")
    archive = tmp_path / "celeba" / "img_align_celeba.zip"
    assert f"add --attributes {table}" in read(archive).notes[0]
    assert read(archive, str(table)).labels.values[:, 0].tolist() == [0, 1] * 10


@pytest.mark.parametrize("header", ["Male Smiling", "file Male  Smiling", "# a comment\nMale   Smiling"])
def test_columns_that_blanks_set_apart_are_read(header: str) -> None:
    rows = "".join(f"{name}  {at % 2} -1\n" for at, name in enumerate(numbered(20)))
    found = label(parse(f"{header}\n{rows}".encode(), "labels.txt"), numbered(20))
    assert found.names == ("Male", "Smiling")
    assert found.values[:2].tolist() == [[0, 0], [1, 0]]
