"""From a source to a pack and back: once, stable, safe against bad files, full disks and killed processes."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awkward import ORDINARY, bad_files, encoded, fill, noise_files, numbered, picture, sound_files, write, zip_of
from mien.errors import DataError
from mien.faces import SPLITS, UNKNOWN, Faces, open_faces
from mien.faces.drawn import drawing_processes, drawn_faces
from mien.faces.drawn.drawn_faces import draw
from mien.faces.pack import chunks, open, store
from mien.faces.splits import NOT_GIVEN, TEST, TRAIN, VALIDATION, divide


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    write(tmp_path / "faces", *numbered(40))
    return tmp_path / "faces"


def packs(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def split_of(faces: Faces) -> dict[str, int]:
    return dict(zip(faces.files, faces.split.tolist(), strict=True))


# What a pack holds


def test_a_folder_of_awkward_files_packs_all_that_are_pictures(tmp_path: Path, cache: Path) -> None:
    sound, bad = sound_files(), bad_files()
    folder = fill(tmp_path / "faces", sound | bad | noise_files() | {"notes.docx": b""})
    found = open_faces(folder, size=32, skip_bad=True)
    assert set(found.files) == set(sound)
    assert (found.images.shape, found.images.dtype) == ((len(sound), 32, 32, 3), np.uint8)
    assert {name for name, _ in found.card["bad"]["files"]} == set(bad)
    assert found.card["duplicates"] == {
        "count": 2,
        "first": [["copy one.png", "copy two.bmp"], ["16bit.png", "grey.png"]],
    }


def test_images_attributes_and_names_stay_together(tmp_path: Path, cache: Path) -> None:
    names = numbered(200)
    write(tmp_path / "faces", *names)
    (tmp_path / "faces" / "000.png").write_bytes(b"")  # the rows after a bad file must not slip
    rows = "".join(f"{name},{at % 2},{at // 2 % 2}\n" for at, name in enumerate(names) if at != 7)
    (tmp_path / "faces" / "labels.csv").write_text("name,Odd,Half\n" + rows)
    found = open_faces(tmp_path / "faces", size=32)
    assert len(found.files) == 199
    for at, name in enumerate(found.files):
        number = int(name[:3])
        expected = [UNKNOWN, UNKNOWN] if number == 7 else [number % 2, number // 2 % 2]
        assert found.attributes[at].tolist() == expected
    shrunk = picture(150).resize((32, 32), 1)  # Lanczos
    assert np.array_equal(found.images[found.files.index("150.png")], np.asarray(shrunk))
    assert found.card["pictures_without_row"] == {"count": 1, "first": ["007.png"]}


def test_processes_change_nothing_but_the_time(tmp_path: Path) -> None:
    write(tmp_path / "faces", *numbered(300))
    one = open_faces(tmp_path / "faces", size=32, cache=tmp_path / "one", workers=1)
    two = open_faces(tmp_path / "faces", size=32, cache=tmp_path / "two", workers=2)
    assert one.fingerprint == two.fingerprint
    assert np.array_equal(one.images, two.images)
    assert one.card | {"pack": ""} == two.card | {"pack": ""}


def test_processes_that_draw_load_no_pytorch() -> None:
    code = "import sys, mien.faces.drawn.drawing_processes; print({'torch', 'pydantic'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_a_zip_packs_like_its_folder(tmp_path: Path, faces: Path, cache: Path) -> None:
    plain = open_faces(faces, size=32)
    zipped = open_faces(zip_of(faces, tmp_path / "faces.zip"), size=32, workers=2)
    assert zipped.fingerprint == plain.fingerprint
    assert not any(path.is_dir() and "zip" in path.name for path in tmp_path.iterdir())


def test_a_zip_is_read_ahead_by_bytes_and_not_only_by_count(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 20_000)
    names = sorted(path.name for path in faces.iterdir())
    parts = list(chunks.read_in_parts(zip_of(faces, tmp_path / "faces.zip"), names))
    assert [name for part, _ in parts for name in part] == names
    held = [sum(map(len, contents)) for _, contents in parts]
    assert max(held) < 30_000 < sum(held)


def test_drawn_faces_come_with_attributes_and_factors(cache: Path) -> None:
    found, expected = open_faces("drawn:300", size=32), draw(300, size=32)
    assert np.array_equal(found.images, expected.images)
    assert np.array_equal(found.attributes, expected.attributes)
    factors = open.factors(found)
    assert factors is not None
    assert np.array_equal(factors, expected.factors)
    assert len(found.card["factors"]) == factors.shape[1]


def test_the_crop_is_in_the_pictures_own_pixels(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "faces", *numbered(16))
    found = open_faces(tmp_path / "faces", size=32, crop=(4, 2, 36, 34))
    assert np.array_equal(found.images[3], np.asarray(picture(3))[2:34, 4:36])


# Splits


def test_without_a_given_split_it_is_80_10_10(cache: Path) -> None:
    split = open_faces("drawn:2000", size=32).split
    assert np.abs(np.bincount(split) / 2000 - [0.8, 0.1, 0.1]).max() < 0.02


digests = st.lists(st.binary(min_size=16, max_size=16), min_size=16, max_size=60)


def as_array(content: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(content), np.uint8).reshape(len(content), 16)


@settings(max_examples=50, deadline=None)
@given(digests, st.randoms(use_true_random=False))
def test_the_split_does_not_depend_on_the_order(content: list[bytes], random: st.DataObject) -> None:
    shuffled = random.sample(content, len(content))  # type: ignore[attr-defined]
    given = np.full(len(content), NOT_GIVEN, np.int8)
    one, other = divide(as_array(content), given).split, divide(as_array(shuffled), given).split
    assert dict(zip(content, one, strict=True)) == dict(zip(shuffled, other, strict=True))


@settings(max_examples=50, deadline=None)
@given(digests)
def test_duplicates_never_straddle_and_no_side_is_empty(content: list[bytes]) -> None:
    split = divide(as_array(content * 2), np.full(2 * len(content), NOT_GIVEN, np.int8)).split
    assert np.array_equal(split[: len(content)], split[len(content) :])
    assert len(np.unique(split)) == min(3, len({one[:8] for one in content}))


def test_a_picture_keeps_its_side_whatever_it_is_called_and_whatever_joins_it(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "a", *numbered(60))
    write(tmp_path / "b", *numbered(90, prefix="renamed-"))
    before, after = split_of(open_faces(tmp_path / "a", size=32)), split_of(open_faces(tmp_path / "b", size=32))
    assert all(after[f"renamed-{name}"] == side for name, side in before.items())


def test_a_given_test_split_is_kept_and_validation_comes_from_train(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "faces", *numbered(100, "train/"), *numbered(20, "test/"))
    shutil.copy(tmp_path / "faces/train/005.png", tmp_path / "faces/test/again.png")
    found = open_faces(tmp_path / "faces", size=32)
    sides = split_of(found)
    assert {name for name, side in sides.items() if side == TEST} == {n for n in sides if n.startswith("test/")}
    assert 1 <= found.card["split"]["validation"] <= 15
    assert found.card["leaks"] == {"count": 1, "first": [["test/again.png", "train/005.png"]]}
    assert any("1 pictures of test have the same pixels" in caveat for caveat in found.card["caveats"])


def test_a_given_validation_split_is_kept() -> None:
    given = np.repeat(np.array([TRAIN, 1, TEST, NOT_GIVEN], np.int8), 10)
    split = divide(np.random.default_rng(0).integers(0, 256, (40, 16), np.uint8), given).split
    assert split.tolist() == [0] * 10 + [1] * 10 + [2] * 10 + [0] * 10


# The second time


def test_the_second_opening_reads_the_pack(faces: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_faces(faces, size=32)
    monkeypatch.setattr(open, "_write", None)
    second = open_faces(faces, size=32)
    assert second.fingerprint == first.fingerprint
    assert second.card == first.card
    assert isinstance(second.images, np.memmap)
    assert second.rows("train").tolist() == first.rows("train").tolist()


@pytest.mark.parametrize("change", ["add", "remove", "modify", "table"])
def test_a_changed_source_is_packed_again(faces: Path, cache: Path, change: str) -> None:
    (faces / "t.csv").write_text("f,A\n001,1\n")
    first = open_faces(faces, size=32)
    if change == "add":
        write(faces, "new.png", seed=99)
    elif change == "remove":
        (faces / "039.png").unlink()
    elif change == "modify":
        write(faces, "003.png", seed=98)
    else:
        (faces / "t.csv").write_text("f,A\n001,0\n")
    second = open_faces(faces, size=32)
    assert second.fingerprint != first.fingerprint
    assert second.images.shape[0] == len(second.files) == {"add": 41, "remove": 39}.get(change, 40)
    assert len(packs(cache)) == 1


@pytest.mark.parametrize(
    "marks", [[".report.lock"], ["recipe.toml", "provenance.json"], ["bundle.json", "exhibit.json"]]
)
def test_what_mien_wrote_into_a_source_is_no_part_of_it(faces: Path, cache: Path, marks: list[str]) -> None:
    before = open_faces(faces, size=32)
    write(faces / "runs" / "mine", "samples/0001.png", seed=99)
    assert open_faces(faces, size=32).fingerprint != before.fingerprint  # a folder of somebody
    for name in marks:
        (faces / "runs" / "mine" / name).touch()
    assert open_faces(faces, size=32).fingerprint == before.fingerprint


def test_a_changed_table_outside_the_source_is_noticed(tmp_path: Path, faces: Path, cache: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("f,A\n001,1\n")
    assert open_faces(faces, size=32, attributes_table=table).attributes[1, 0] == 1
    table.write_text("f,A\n001,false\n")
    assert open_faces(faces, size=32, attributes_table=table).attributes[1, 0] == 0


def test_sizes_and_crops_have_packs_of_their_own(faces: Path, cache: Path) -> None:
    for _ in range(2):
        for size in (32, 64):
            assert open_faces(faces, size=size).size == size
        open_faces(faces, size=32, crop="square")
    assert len(packs(cache)) == 3


def test_a_damaged_pack_is_made_again(faces: Path, cache: Path) -> None:
    first = open_faces(faces, size=32)
    folder = Path(first.card["pack"])
    for name in ("images.npy", "pack.json", "split.npy", "files.json"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
        assert open_faces(faces, size=32).fingerprint == first.fingerprint


@pytest.mark.parametrize("name", ["images.npy", "attributes.npy", "split.npy"])
def test_a_bit_that_flips_in_a_pack_is_found_by_verifying_it(tmp_path: Path, cache: Path, name: str) -> None:
    fill(tmp_path / "faces", sound_files())
    table = "file,Male\n" + "".join(f"{name},1\n" for name in ("grey.png", "16bit.png"))
    (tmp_path / "faces" / "attributes.csv").write_text(table)
    open.verify(open_faces(tmp_path / "faces", size=32))
    path = Path(open_faces(tmp_path / "faces", size=32).card["pack"]) / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is not as it was packed.*Delete the folder"):
        open.verify(open_faces(tmp_path / "faces", size=32))


def test_names_stay_those_of_the_images_when_the_pack_is_replaced(faces: Path, cache: Path) -> None:
    first = open_faces(faces, size=32)
    (faces / "000.png").rename(faces / "renamed.png")
    second = open_faces(faces, size=32)
    assert (first.files[0], second.files[-1]) == ("000.png", "renamed.png")
    assert first.files[1:3] == second.files[:2] == ("001.png", "002.png")


def test_a_pack_with_its_names_in_pack_json_is_read_as_before(faces: Path, cache: Path) -> None:
    first = open_faces(faces, size=32)
    about_file = Path(first.card["pack"]) / "pack.json"
    about = json.loads(about_file.read_text())
    del about["files_bytes"]
    about_file.write_text(json.dumps(about | {"files": list(first.files)}))
    (about_file.parent / "files.json").unlink()
    again = open_faces(faces, size=32)
    assert again.files == tuple(first.files)
    assert not (about_file.parent / "files.json").exists()


def test_a_pack_opens_without_its_pictures(faces: Path, cache: Path) -> None:
    first = open_faces(faces, size=32)
    shutil.rmtree(faces)
    second = open_faces(first.card["pack"], size=32)
    assert second.fingerprint == first.fingerprint
    assert list(second.files) == list(first.files)
    assert second.card == first.card


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 64}, r"packed at 32x32, and size is 64. Give size 32, or the pictures"),
        ({"size": 32, "crop": "square"}, r"a pack, whose crop and attributes are fixed"),
        ({"size": 32, "attributes_table": "t.csv"}, r"a pack, whose crop and attributes are fixed"),
    ],
)
def test_a_pack_is_not_changed_by_opening_it(
    faces: Path, cache: Path, options: dict[str, object], message: str
) -> None:
    folder = open_faces(faces, size=32).card["pack"]
    with pytest.raises(DataError, match=message):
        open_faces(folder, **options)  # type: ignore[arg-type]


def test_a_damaged_pack_given_by_itself_is_told(faces: Path, cache: Path) -> None:
    folder = Path(open_faces(faces, size=32).card["pack"])
    (folder / "split.npy").unlink()
    with pytest.raises(DataError, match=r"a damaged pack, or one of another version. Give the pictures"):
        open_faces(folder, size=32)


def test_a_pack_of_another_version_is_not_taken(faces: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(open_faces(faces, size=32).card["pack"])
    signature = json.loads((folder / "pack.json").read_text())["signature"]
    assert store.read_pack(folder, signature) is not None
    monkeypatch.setattr(store, "VERSION", store.VERSION + 1)
    assert store.read_pack(folder, signature) is None


def test_progress_is_told_from_nothing_to_all(faces: Path, cache: Path) -> None:
    told: list[tuple[str, int, int]] = []
    for _ in range(2):
        open_faces(faces, size=32, progress=lambda *words: told.append(words))
    assert told == [("packing", 0, 40), ("packing", 40, 40)]


# When things go wrong


class Killed(BaseException):
    pass


def test_a_killed_pack_leaves_nothing_that_is_taken_for_one(faces: Path, cache: Path) -> None:
    def kill(words: str, done: int, total: int) -> None:
        if done:
            raise Killed

    with pytest.raises(Killed):
        open_faces(faces, size=32, progress=kill)
    assert packs(cache) == []
    assert len(open_faces(faces, size=32).files) == 40


def test_what_a_killed_process_left_is_cleaned_when_it_is_old(faces: Path, cache: Path) -> None:
    for name, age in (("old", 2 * store.STALE_AFTER), ("young", 0)):
        left = cache / f".packing-{name}"
        fill(left, {"images.npy": b"half"})
        for path in (left / "images.npy", left):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    open_faces(faces, size=32)
    assert (cache / ".packing-young").exists()
    assert not (cache / ".packing-old").exists()


def test_of_two_that_pack_at_once_both_have_a_pack(faces: Path, cache: Path) -> None:
    def another(words: str, done: int, total: int) -> None:
        if done == 0:
            open_faces(faces, size=32)  # begins later and ends first

    found = open_faces(faces, size=32, progress=another)
    assert len(found.files) == 40
    assert len(packs(cache)) == 1


def test_a_process_that_dies_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_processes, "PROGRAM", "import os; os._exit(1)")
    with pytest.raises(DataError, match=r"A process that draws faces ended: no memory left"):
        list(drawing_processes.draw_in_processes(600, 32, 128, 2))


def test_several_processes_draw_the_faces_that_one_does() -> None:
    drawn = list(drawing_processes.draw_in_processes(100, 32, 16, 3))
    assert np.array_equal(np.concatenate(drawn), drawn_faces.draw(100, size=32).images)
    assert [len(images) for images in drawn] == [16] * 6 + [4]


CALLS = {  # of programs that have no line `if __name__ == "__main__":`
    "a script": (["{script}"], None),
    "standard input": (["-"], "{text}"),
    "a command": (["-c", "{text}"], None),
    "a process of a pool": (
        ["-c", "import multiprocessing as m\nm.get_context('fork').Pool(1).map(exec, [{text!r}])"],
        None,
    ),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("source", ["drawn:520", "photographs"])
def test_a_program_without_a_guard_packs_by_several_workers(call: str, source: str, tmp_path: Path) -> None:
    pictures = {name: encoded(picture(seed), "PNG") for seed, name in enumerate(numbered(520))}
    folder = fill(tmp_path / "photographs", pictures) if source == "photographs" else None
    given = str(folder) if folder else source
    text = f"import mien.faces; print(len(mien.faces.open_faces({given!r}, size=32, workers=2).files))"
    (tmp_path / "script.py").write_text(text)
    arguments, standard_input = CALLS[call]
    done = subprocess.run(
        [sys.executable, *(part.format(script=tmp_path / "script.py", text=text) for part in arguments)],
        input=standard_input and standard_input.format(text=text),
        env=os.environ | {"MIEN_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "520\n"), done.stderr


def test_no_room_is_told_before_anything_is_written(faces: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(faces)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(
        DataError, match=r"no room on the disk: the pack needs 0.02 GB, and 0.00 GB are free. Free space"
    ):
        open_faces(faces, size=32)
    assert packs(cache) == []


def test_a_disk_that_fills_up_is_told_in_words(faces: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: store.ImageFile, images: np.ndarray) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.ImageFile, "write", full)
    with pytest.raises(DataError, match="the disk became full"):
        open_faces(faces, size=32)
    assert packs(cache) == []


def test_a_cache_that_cannot_be_written_is_told(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"Set MIEN_CACHE to a folder that you can write to"):
        open_faces(faces, size=32, cache=tmp_path / "file" / "cache")


def test_more_than_one_percent_of_bad_files_stops_and_says_how_to_go_on(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "faces"
    write(folder, *numbered(ORDINARY))
    fill(folder, {"bad1.jpg": b""})
    assert open_faces(folder, size=32).card["bad"] == {"count": 1, "files": [["bad1.jpg", "the file is empty"]]}
    fill(folder, {"bad2.jpg": b"Dear"})
    message = r"2 or more of 102 files are bad, more than 1 %: bad1.jpg \(the file is empty\); bad2.jpg .*--skip-bad"
    with pytest.raises(DataError, match=message):
        open_faces(folder, size=32)
    assert len(open_faces(folder, size=32, skip_bad=True).files) == ORDINARY
    with pytest.raises(DataError, match=message):  # also where the pack is there by now
        open_faces(folder, size=32)


def test_too_few_images_is_an_error(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "faces", *numbered(15))
    with pytest.raises(DataError, match=r"too few images: 15 pictures, and at least 16 are needed"):
        open_faces(tmp_path / "faces")
    fill(tmp_path / "faces", {"bad.png": b""})
    with pytest.raises(DataError, match=r"too few images: 15 sound pictures"):
        open_faces(tmp_path / "faces", skip_bad=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 48}, r"size is 48; it may be 32, 64 or 128"),
        ({"crop": (0, 0, 40, 30)}, r"crop is \(0, 0, 40, 30\): 40 wide and 30 high. Give left, top"),
        ({"crop": (10, 0, 5, 5)}, r"crop is"),
        ({"crop": "centre"}, r"crop is 'centre'. Give left"),
        ({"source": "drawn:many"}, r"drawn:many: 'many' is not a number of faces"),
        ({"source": "drawn:5"}, r"too few images: 5 pictures"),
        ({"source": "drawn:999999999999"}, r"not a number of faces up to 5,000,000"),
    ],
)
def test_what_may_not_be_asked_for_is_refused_in_words(
    faces: Path, cache: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        open_faces(**({"source": faces} | options))  # type: ignore[arg-type]


def test_an_attribute_that_was_left_out_is_explained(faces: Path, cache: Path) -> None:
    (faces / "t.csv").write_text("f,A,Age\n001,1,37\n")
    with pytest.raises(DataError, match=r"no attribute 'Age'.*Attributes here: A. 'Age' was left out: line 2 has '37'"):
        open_faces(faces, size=32).columns(("Age",))


def test_every_side_is_named_in_the_card(faces: Path, cache: Path) -> None:
    found = open_faces(faces, size=32)
    assert found.card["split"] == {name: len(found.rows(name)) for name in SPLITS}
    assert min(found.card["split"].values()) > 0


def test_a_picture_that_pillow_warns_of_warns_nobody(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "faces", *numbered(16))
    bytes_and_transparency = encoded(picture(50).quantize(4), "PNG", transparency=b"\x00\x80")
    fill(tmp_path / "faces", {"warned.png": bytes_and_transparency, "exif.jpg": sound_files()["broken-exif.jpg"]})
    assert len(open_faces(tmp_path / "faces", size=32).files) == 18


def test_a_given_validation_split_is_kept_and_test_is_made_from_train() -> None:
    digests = np.random.default_rng(0).integers(0, 256, (500, 16), dtype=np.uint8)
    given = np.where(np.arange(500) < 100, VALIDATION, NOT_GIVEN).astype(np.int8)
    division = divide(digests, given)
    assert (division.split[:100] == VALIDATION).all()
    assert (division.split[100:] != VALIDATION).all()
    assert 20 < (division.split == TEST).sum() < 65
    assert division.rule.startswith("validation as given by the source; 10 % of train")


def test_a_set_remembers_what_was_kept_of_its_pictures(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "faces", *numbered(20))
    assert open_faces(tmp_path / "faces", size=32).crop == "square"
    assert open_faces(tmp_path / "faces", size=32, crop=(0, 0, 16, 16)).crop == (0, 0, 16, 16)
