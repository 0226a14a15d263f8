"""Layouts, tables and single pictures: from what people have to pixels and values."""

import csv
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFilter

from awkward import bad_files, encoded, fill, noise_files, numbered, picture, sound_files, upright, write, zip_of
from mien.errors import DataError
from mien.faces.source import decode as decoding
from mien.faces.source import layout, readers
from mien.faces.source.decode import BadPicture, decode, quiet
from mien.faces.source.listing import list_source, reader
from mien.faces.source.tables import label, parse
from mien.faces.splits import NOT_GIVEN, TEST, TRAIN, VALIDATION

NAMES = numbered(20)


def read(folder: Path, table: Path | None = None) -> layout.Layout:
    listing = list_source(folder)
    return readers.read_layout(listing, readers.find_table(listing, table) if table else None)


def unpack(content: bytes, size: int = 32, crop: decoding.Crop = "square") -> np.ndarray:
    with quiet():
        return decode(content, size, crop)[0]


def table_of(rows: list[tuple[str, ...]], delimiter: str = ",") -> bytes:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    return stream.getvalue().encode()


def values(content: bytes, names: list[str] = NAMES) -> dict[str, list[int]]:
    found = label(parse(content, "t.csv"), names)
    return {name: found.values[:3, at].tolist() for at, name in enumerate(found.names)}


# Pictures


@pytest.mark.parametrize("name", sound_files())
def test_every_sound_file_is_decoded(name: str) -> None:
    image = unpack(sound_files()[name])
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("name", bad_files())
def test_every_bad_file_has_a_reason_in_words(name: str) -> None:
    with pytest.raises(BadPicture, match=r"empty|not a picture|damaged|floating-point") as error:
        unpack(bad_files()[name])
    assert "0x" not in str(error.value)


def test_a_picture_of_the_right_size_keeps_its_pixels() -> None:
    image = picture(3, 64, 64)
    assert np.array_equal(unpack(encoded(image, "PNG"), 64), np.asarray(image))


def test_a_turned_picture_is_set_upright() -> None:
    assert np.abs(unpack(sound_files()["turned.jpg"]).astype(int) - np.asarray(upright())).mean() < 4


def test_sixteen_bits_become_eight() -> None:
    deep = unpack(sound_files()["16bit.png"], 64)
    grey = unpack(sound_files()["grey.png"], 64)
    assert np.array_equal(deep, grey)


def test_what_is_transparent_becomes_white() -> None:
    clear = picture(0).convert("RGBA")
    clear.putalpha(0)
    assert unpack(encoded(clear, "PNG")).min() == 255
    palette = picture(0).quantize(2)
    assert (unpack(encoded(palette, "PNG", transparency=b"\0\0")) == 255).all()


def test_a_cmyk_photograph_keeps_its_colours() -> None:
    plain = np.asarray(picture(6).resize((32, 32))).astype(int)
    assert np.abs(unpack(sound_files()["cmyk.jpg"]) - plain).mean() < 12


def test_the_centre_square_is_kept() -> None:
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 200
    assert (unpack(encoded(decoding.Image.fromarray(wide), "PNG")) == 200).all()


def test_the_celeba_box_scales_with_the_picture() -> None:
    whole = picture(5, 178, 218)
    half = whole.resize((89, 109), decoding.Image.Resampling.BOX)
    a, b = (unpack(encoded(image, "PNG"), 32, "celeba").astype(int) for image in (whole, half))
    by_hand = np.asarray(whole.crop((25, 50, 153, 178)).resize((32, 32), decoding.Image.Resampling.LANCZOS))
    assert np.abs(a - by_hand).mean() < 1  # the filter looks beyond the box, so the rim differs a little
    assert np.abs(a - b).mean() < 1


def test_a_reduction_does_not_alias() -> None:
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    assert np.ptp(unpack(encoded(decoding.Image.fromarray(board), "PNG"))[2:-2, 2:-2]) <= 4


def test_a_picture_smaller_than_the_crop_is_bad() -> None:
    with pytest.raises(BadPicture, match=r"40x40 pixels: smaller than the crop"):
        unpack(encoded(picture(0), "PNG"), 32, (0, 0, 64, 64))


def test_a_decompression_bomb_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding.Image, "MAX_IMAGE_PIXELS", 1000)
    for size, words in ((40, "1,600 pixels, more than 1,000"), (400, "more than 2,000 pixels")):
        with pytest.raises(BadPicture, match=words):
            unpack(encoded(picture(0, size, size), "PNG"))


@pytest.mark.parametrize("crop", ["square", (100, 60, 300, 260)])
def test_a_photograph_of_todays_phones_is_decoded_smaller(crop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    large = picture(3, 480, 360).resize((480, 360)).filter(ImageFilter.GaussianBlur(8))
    content = encoded(large, "JPEG", quality=95)
    whole = unpack(content, 32, crop)
    monkeypatch.setattr(decoding.Image, "MAX_IMAGE_PIXELS", 100_000)
    assert np.abs(unpack(content, 32, crop).astype(int) - whole).mean() < 3


# Layouts


def test_the_coursework_layout_keeps_its_test_split(tmp_path: Path) -> None:
    write(tmp_path, *numbered(20, "train/"), *numbered(5, "test/"))
    for part, count in (("train", 20), ("test", 5)):
        rows = [("image_name", "Male"), *((name, f"{at % 2}.0") for at, name in enumerate(numbered(count)))]
        (tmp_path / f"{part}.csv").write_bytes(table_of(rows))
    layout = read(tmp_path)
    assert "coursework" in layout.reader
    assert layout.given.tolist() == [TEST] * 5 + [TRAIN] * 20
    assert layout.labels.values[:, 0].tolist() == [0, 1, 0, 1, 0] + [0, 1] * 10


def test_tables_of_train_and_test_share_their_attributes_by_name(tmp_path: Path) -> None:
    write(tmp_path, *numbered(2, "train/"), *numbered(1, "test/"))
    (tmp_path / "train.csv").write_text("f,A,B,C\n000,1,0,1\n001,1,0,1\n")
    (tmp_path / "test.csv").write_text("f,B,A\n000,0,1\n")
    labels = read(tmp_path).labels
    assert (labels.names, labels.values.tolist()) == (("A", "B"), [[1, 0]] * 3)
    assert labels.left_out == [("C", "not in every table")]


def celeba(folder: Path, nested: str = "") -> Path:
    write(folder, *numbered(20, f"img_align_celeba/{nested}", ".jpg"), kind="JPEG")
    rows = "".join(f"{at:03d}.jpg  {at % 2 * 2 - 1}  1\n" for at in range(20))
    return fill(folder, {"list_attr_celeba.txt": f"20\nMale Young \n{rows}".encode()})


@pytest.mark.parametrize("nested", ["", "img_align_celeba/"])
def test_celebas_layout_is_recognised(tmp_path: Path, nested: str) -> None:
    layout = read(celeba(tmp_path, nested))
    assert layout.celeba
    assert layout.labels.names == ("Male", "Young")
    assert layout.labels.values[:3].tolist() == [[0, 1], [1, 1], [0, 1]]
    assert (layout.given == NOT_GIVEN).all()


@pytest.mark.parametrize("form", ["{}.jpg {}\n", "{}.jpg,{}\n"])
def test_celebas_partition_is_honoured(tmp_path: Path, form: str) -> None:
    lines = "".join(form.format(f"{at:03d}", min(at // 8, 2)) for at in range(19))
    header = "image_id,partition\n" if "," in form else ""
    ending = "csv" if "," in form else "txt"
    layout = read(fill(celeba(tmp_path), {f"list_eval_partition.{ending}": (header + lines).encode()}))
    assert layout.given.tolist() == [TRAIN] * 8 + [VALIDATION] * 8 + [TEST] * 3 + [NOT_GIVEN]
    assert "1 pictures are not in" in layout.notes[0]


def test_a_partition_with_another_number_is_an_error(tmp_path: Path) -> None:
    fill(celeba(tmp_path), {"list_eval_partition.txt": b"000.jpg 0\n001.jpg 3\n"})
    with pytest.raises(DataError, match=r"list_eval_partition.txt, line 2: partition '3'"):
        read(tmp_path)


def test_the_only_table_in_the_folder_is_picked_up(tmp_path: Path) -> None:
    write(tmp_path, *NAMES)
    (tmp_path / "labels.TSV").write_bytes(table_of([("file", "Hat"), ("003", "yes")], "\t"))
    layout = read(tmp_path)
    assert "labels.TSV, which lies there" in layout.reader
    assert layout.labels.values[:5, 0].tolist() == [-1, -1, -1, 1, -1]


def test_of_several_tables_none_is_taken_but_the_one_chosen(tmp_path: Path) -> None:
    write(tmp_path, *NAMES)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("f,Hat\n000,1\n")
    assert read(tmp_path).labels.names == ()
    assert "2 tables lie there" in read(tmp_path).notes[0]
    assert read(tmp_path, Path("b.csv")).labels.names == ("Hat",)
    assert read(tmp_path, tmp_path / "a.csv").labels.names == ("Hat",)


def test_each_folder_is_an_attribute(tmp_path: Path) -> None:
    write(tmp_path, *numbered(2, "top/glad/"), *numbered(3, "top/sad/deeper/"))
    labels = read(tmp_path).labels
    assert labels.names == ("glad", "sad")
    assert labels.values.tolist() == [[1, 0]] * 2 + [[0, 1]] * 3


def test_a_validation_folder_without_a_test_folder_is_kept(tmp_path: Path) -> None:
    write(tmp_path, *numbered(40, "train/"), *numbered(5, "val/"))
    layout = read(tmp_path)
    assert layout.labels.names == ()
    assert (layout.given == VALIDATION).sum() == 5


def test_split_folders_may_hold_folders_of_attributes(tmp_path: Path) -> None:
    write(tmp_path, "train/men/a.png", "train/women/b.png", "test/men/c.png", "elsewhere/d.png")
    layout = read(tmp_path)
    assert layout.labels.names == ("men", "women")
    assert layout.given.tolist() == [TEST, TRAIN, TRAIN]
    assert "1 pictures outside train/, test/" in layout.notes[0]


def test_too_many_folders_are_no_attributes(tmp_path: Path) -> None:
    write(tmp_path, *(f"person{at}/face.png" for at in range(70)))
    layout = read(tmp_path)
    assert layout.labels.names == ()
    assert "70 folders, too many" in layout.reader


def test_a_zip_reads_like_the_folder_in_it(tmp_path: Path) -> None:
    folder = celeba(tmp_path / "plain")
    archive = zip_of(folder, tmp_path / "faces.zip", top="downloaded/")
    plain, zipped = read(folder), read(archive)
    assert zipped.celeba
    assert zipped.pictures == tuple(f"downloaded/{name}" for name in plain.pictures)
    assert np.array_equal(zipped.labels.values, plain.labels.values)
    assert reader(archive)(zipped.pictures[0]) == reader(folder)(plain.pictures[0])


def test_hidden_files_and_droppings_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, noise_files() | {"a.png": b"", "notes.docx": b""})
    listing = list_source(tmp_path)
    assert listing.pictures == ("a.png",)
    assert listing.ignored == {".docx": 1}


def test_a_zip_that_climbs_out_of_its_folder_is_not_followed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr("../../outside.png", b"x")
        archive.writestr("inside.png", b"x")
    assert list_source(tmp_path / "slip.zip").pictures == ("inside.png",)


def test_a_huge_member_of_a_zip_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.faces.source.listing.MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(100_000))
    with pytest.raises(BadPicture, match="100,000 bytes, more than the 1,000"):
        reader(tmp_path / "bomb.zip")("bomb.png")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_links_in_a_circle_end(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "missing.png")
    assert list_source(tmp_path).pictures == ("a.png",)


# Tables


@pytest.mark.parametrize("yes", ["1", "1.0", "true", "True", "YES"])
@pytest.mark.parametrize("no", ["0", "0.0", "-1", "FALSE", "no"])
@pytest.mark.parametrize("missing", ["", "NA", "nan", "?"])
def test_values_are_read_in_every_spelling(yes: str, no: str, missing: str) -> None:
    rows = [("f", "A"), ("000.png", yes), ("001.png", no), ("002.png", missing)]
    assert values(table_of(rows)) == {"A": [1, 0, -1]}


@pytest.mark.parametrize(
    "content",
    [
        b"f,A B,C\n000,1,0\n",
        b"\xef\xbb\xbff,A B,C\r\n000,1,0\r\n\r\n",
        b'"f";"A B";"C";\r"000";"1";"0";\r',
        b"f\tA B\tC\n000.png\t1\t0\n",
        "f,A B,C\n000,1,0\n".encode("utf-16"),
        b"\n,f,A B,C\n7,000,1,0\n",  # the numbered lines of pandas
    ],
)
def test_tables_come_in_every_dress(content: bytes) -> None:
    assert values(content) == {"A B": [1, -1, -1], "C": [0, -1, -1]}


@pytest.mark.parametrize("name", ["000", "000.png", "000.jpg", "faces/000.png", r"C:\me\faces\000.PNG", "./000"])
def test_names_are_found_with_or_without_folder_and_ending(name: str) -> None:
    assert values(table_of([("f", "A"), (name, "1")])) == {"A": [1, -1, -1]}


def test_names_with_accents_are_found_however_they_are_spelt() -> None:
    assert values(table_of([("f", "A"), ("Zoe\u0308.png", "1")]), ["Zo\u00eb.png"]) == {"A": [1]}


def test_of_two_rows_the_one_that_names_the_folder_wins() -> None:
    content = table_of([("f", "A"), ("elsewhere/x.png", "0"), ("here/x.png", "1")])
    found = label(parse(content, "t.csv"), ["here/x.png"])
    assert found.values.tolist() == [[1]]
    assert found.rows_passed_over == ["elsewhere/x.png"]


def test_a_name_that_fits_two_pictures_labels_neither() -> None:
    found = label(parse(table_of([("f", "A"), ("x", "1"), ("y", "1")]), "t.csv"), ["a/x.png", "b/x.png", "y.png"])
    assert found.values.tolist() == [[-1], [-1], [1]]
    assert found.rows_passed_over == ["x"]


def test_rows_without_a_picture_and_pictures_without_a_row_are_told() -> None:
    found = label(parse(table_of([("f", "A"), ("000", "1"), ("gone", "1")]), "t.csv"), NAMES)
    assert found.rows_without_picture == ["gone"]
    assert found.has_row.sum() == 1


def test_a_column_that_is_not_binary_is_left_out_and_named() -> None:
    found = label(parse(b"f,Age,A,Empty\n000,0,1,\n001,37,0,\n", "t.csv"), NAMES)
    assert found.names == ("A",)
    assert found.left_out == [("Age", "line 3 has '37'"), ("Empty", "no value in any row")]


def test_zero_beside_minus_one_and_one_is_unknown() -> None:
    found = label(parse(b"f,A,B\n000,-1,0\n001,0,1\n002,1,0\n", "t.csv"), NAMES)
    assert found.values[:3].tolist() == [[0, 0], [-1, 1], [1, 0]]
    assert "0 was taken as not known" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"f,Age\n000,37\n", r"t.csv: no column is an attribute \(column 'Age': line 2 has '37'\)"),
        (b"f,A\nanna,1\n", r"no row matches a picture. A name in the table: 'anna'; a picture: '000.png'"),
        (b"f,A\n000,1\n001,1,0\n", r"t.csv, line 3: 3 values, but the header has 2"),
        (b"000.png,1\n001.png,0\n", r"t.csv, line 1: values where the names"),
        (b"f,A,A\n000,1,0\n", r"two columns are called 'A'"),
        (b"only\n000\n", r"t.csv, line 1: 'only' is one column"),
        (b"", r"t.csv: the table is empty"),
        (b"f,A\n" + b"x" * 200_000 + b",1\n", r"t.csv: not a table .field larger"),
        (b"f,A\n", r"t.csv: a table without rows"),
        (b"2\nA B\n000.jpg 1\n", r"t.csv, line 3: 2 values, but the header has 3"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        values(content)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("abc é,;'\"\t_", min_size=1).map(lambda name: f"x{name}x"), min_size=1, max_size=4, unique=True),
    st.lists(st.lists(st.sampled_from([0, 1, -1]), min_size=4, max_size=4), min_size=2, max_size=6),
    st.sampled_from(",;\t"),
)
def test_a_table_read_is_the_table_written(names: list[str], rows: list[list[int]], delimiter: str) -> None:
    words = {0: "no", 1: "yes", -1: ""}
    body = [(f"{at:03d}", *(words[value] for value in row[: len(names)])) for at, row in enumerate(rows)]
    table = parse(table_of([("file", *names), *body], delimiter), "t.csv")
    wanted = np.array([row[: len(names)] for row in rows])
    kept = [at for at in range(len(names)) if (wanted[:, at] != -1).any()]
    if kept:
        found = label(table, NAMES)
        assert found.names == tuple(names[at] for at in kept)
        assert np.array_equal(found.values[: len(rows)], wanted[:, kept])


# What a user can do wrong


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("facse", r"facse: no such folder or .zip. Did you mean 'faces'\?"),
        ("not/there", r"There is no folder .*not either"),
        ("letter.zip", r"letter.zip: neither a folder nor a .zip. Give the folder"),
        ("folders", r"folders: no pictures there. Found only the folder a, the folder b. Pictures end in .jpg"),
        ("papers", r"papers: no pictures there. Found only 2 .docx, 1 tables or texts"),
    ],
)
def test_a_source_that_cannot_be_read_says_why(tmp_path: Path, source: str, message: str) -> None:
    write(tmp_path / "faces", "a.png")
    fill(tmp_path, {"letter.zip": b"Dear", "papers/a.docx": b"", "papers/b.docx": b"", "papers/c.csv": b""})
    for name in "ab":
        (tmp_path / "folders" / name).mkdir(parents=True)
    with pytest.raises(DataError, match=message):
        read(tmp_path / source)


def test_a_damaged_zip_is_named(tmp_path: Path) -> None:
    write(tmp_path / "faces", *NAMES)
    content = bytearray(zip_of(tmp_path / "faces", tmp_path / "faces.zip").read_bytes())
    content[-200:-60] = bytes(140)
    (tmp_path / "faces.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"faces.zip: a damaged .zip"):
        read(tmp_path / "faces.zip")


def test_a_table_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, *NAMES)
    (tmp_path / "labels.csv").write_text("f,A\n000,1\n")
    with pytest.raises(DataError, match=r"label.csv: no such table. Did you mean 'labels.csv'"):
        read(tmp_path, tmp_path / "label.csv")
    with pytest.raises(DataError, match=r"a folder, where the file of a table was expected"):
        read(tmp_path, tmp_path)


def test_a_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: str) -> None:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)  # the tests may run as root, whom nothing is forbidden
    with pytest.raises(DataError, match=r"no permission to read it"):
        list_source(tmp_path)
