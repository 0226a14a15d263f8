"""Hostile tables: in other encodings, with other marks, ragged, huge, binary, saying nothing."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from awkward import write
from hostile_case import Case
from hostile_readers import COUNT, NAMES

ROWS = [("name", "Hat", "Glad"), *((name, str(at % 2), str(at % 3 == 0)) for at, name in enumerate(NAMES))]


def text(mark: str = ",", end: str = "\n", rows: list[tuple[str, ...]] = ROWS) -> str:
    """A table as text."""
    return "".join(mark.join(row) + end for row in rows)


def with_cell(cell: str) -> str:
    """The usual table with one cell replaced, in the last column."""
    return text(rows=[*ROWS[:5], (*ROWS[5][:2], cell), *ROWS[6:]])


def with_header(*names: str) -> str:
    return text(rows=[names, *ROWS[1:]])


def cases() -> Iterator[Case]:
    """All of them."""
    for name, content in sound().items():
        yield Case("tables", name, partial(beside_pictures, content), "faces", "success", gives=COUNT)
    for name, content in unsound().items():
        yield Case("tables", name, partial(beside_pictures, content), "faces", "refusal")
    for name, content in made().items():
        yield Case("tables", name, partial(beside_pictures, content), "faces", gives=COUNT)
    for name, count, seconds, full in (("100,000 rows", 10**5, 60, False), ("a million rows", 10**6, 120, True)):
        expected = ((count, 40), 20 * count)
        made_so = partial(long_table, 40, count)
        yield Case(
            "tables", f"{name} of forty columns", made_so, "labels", "success", expected, seconds=seconds, full=full
        )
    strangers = partial(beside_pictures, million_strangers)
    yield Case("tables", "a million rows that name no picture", strangers, "faces", gives=COUNT, seconds=60, full=True)
    for name, content in partitions().items():
        yield Case("tables", f"a partition: {name}", partial(beside_celeba, content), "faces", gives=COUNT)


def beside_pictures(content: bytes | Callable[[], bytes], folder: Path) -> None:
    """A table in a folder of pictures."""
    write(folder, *NAMES)
    (folder / "labels.csv").write_bytes(content if isinstance(content, bytes) else content())


def beside_celeba(content: bytes, folder: Path) -> None:
    """A partition as CelebA has it."""
    write(folder, *(f"img_align_celeba/{name}" for name in NAMES))
    (folder / "list_eval_partition.txt").write_bytes(content)


def long_table(columns: int, count: int, folder: Path) -> tuple[bytes, list[str]]:
    """-> a table of -1 and 1, and the names in it"""
    names = [f"{at:07d}" for at in range(count)]
    header = ",".join(f"a{at}" for at in range(columns))
    rows = "\n".join(f"{name}.jpg{',-1' * (columns // 2)}{',1' * (columns // 2)}" for name in names)
    return f"image_id,{header}\n{rows}".encode(), names


def million_strangers() -> bytes:
    """A table of names of nobody."""
    rows = "\n".join(f"n{at},1" for at in range(10**6))
    return f"name,Hat\n000,1\n{rows}\n".encode()


def sound() -> dict[str, bytes]:
    """Tables that have to be read."""
    plain = text()
    return {
        "a byte order mark": b"\xef\xbb\xbf" + plain.encode(),
        "UTF-16, little end first": b"\xff\xfe" + plain.encode("utf-16-le"),
        "UTF-16, big end first": b"\xfe\xff" + plain.encode("utf-16-be"),
        "latin-1": with_header("name", "Glücklich", "Hat").encode("latin-1"),
        "CRLF": text(end="\r\n").encode(),
        "CR alone": text(end="\r").encode(),
        "LF and CRLF mixed": plain.replace("\n", "\r\n", 7).encode(),
        "no end of the last line": plain.rstrip("\n").encode(),
        "semicolons": text(";").encode(),
        "tabs": text("\t").encode(),
        "blanks around cells": text(" , ").encode(),
        "a mark at the end of each line": text(end=",\n").encode(),
        "blank lines": text(end="\n\n").encode(),
        "quotes around everything": text('","').replace("\n", '"\n"').join('""')[:-1].encode(),
        "rows of commas": (plain + ",,\n" * 10).encode(),
        "rows twice": (plain + text(rows=ROWS[1:])).encode(),
        "rows without a picture": (plain + "ghost,1,1\n" * 30).encode(),
        "few rows": text(rows=ROWS[:3]).encode(),
        "NaN in a column": with_cell("NaN").encode(),
        "nothing in a cell": with_cell("").encode(),
        "another word in a cell": with_cell("perhaps").encode(),
        "a cell of 100,000 letters": with_cell("x" * 100_000).encode(),
        "a cell of 100,000 digits": with_cell("1" * 100_000).encode(),
        "a cell of 100,000 folders": with_cell("d/" * 50_000).encode(),
        "a name of escapes": with_header("name", "\x1b[2J\x1b[31mHat", "\u202eGlad").encode(),
        "a name that is a script": with_header("name", "<script>alert(1)</script>", "{{7*7}}").encode(),
        "a name of 100,000 letters": with_header("name", "Hat", "x" * 100_000).encode(),
        "a column without a name": with_header("name", "", "Hat").encode(),
        "CelebA's form": f"{COUNT}\nHat Glad \n{''.join(f'{name}  -1  1' + chr(10) for name in NAMES)}".encode(),
        "-1, 0 and 1 together": text(rows=[("n", "Hat"), *((name, str(at % 3 - 1)) for at, name in enumerate(NAMES))]).encode(),
        "a formula": with_cell("=cmd|' /C calc'!A0").encode(),
    }  # fmt: skip


def unsound() -> dict[str, bytes]:
    """Tables that cannot be used."""
    plain, dice = text(), random.Random(3)
    return {
        "no bytes": b"",
        "blanks": b"   \n \n",
        "a header alone": b"name,Hat\n",
        "one column": "\n".join(NAMES).encode(),
        "no header": text(rows=ROWS[1:]).replace("True", "1").replace("False", "0").encode(),
        "two columns of one name": with_header("name", "Hat", "Hat").encode(),
        "a cell too many": (plain + "000,1,1,1\n").encode(),
        "a cell too few": (plain + "000,1\n").encode(),
        "a cell too many, named by an escape": ("name,\x1b[2J\n" + "000,1,1,1\n" * 3).encode(),
        "no picture is named": text(rows=[ROWS[0], *(("x" * 5000 + row[0], *row[1:]) for row in ROWS[1:])]).encode(),
        "no attribute": text(rows=[("name", "hair"), *((name, "brown") for name in NAMES)]).encode(),
        "nothing is known": text(rows=[("name", "Hat"), *((name, "?") for name in NAMES)]).encode(),
        "UTF-16 without a mark": plain.encode("utf-16-le"),
        "UTF-32": plain.encode("utf-32"),
        "a cell beyond csv's limit": with_cell("x" * 200_000).encode(),
        "a quote that never ends": with_cell('"' + "x" * 200_000).encode(),
        "noise": dice.randbytes(20_000),
        "zeros": bytes(20_000),
        "a .zip": b"PK\x03\x04" + dice.randbytes(2000),
        "a spreadsheet of old": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(3000),
        "JSON": b'[{"name": "000", "Hat": 1}]' * 20,
        "HTML": b"<!doctype html><table><tr><td>000</td></tr></table>" * 20,
        "100,000 columns": (",".join(f"a{at}" for at in range(100_000)) + "\n000" + ",1" * 99_999 + "\n").encode(),
        "a line of commas": b"," * 10**6,
        "a million quotes": b'"' * 10**6,
        "3,000 attributes": (f"n,{','.join(f'a{at}' for at in range(3000))}\n" + f"000{',1' * 3000}\n").encode(),
        "CelebA's form, cut short": f"{COUNT}\nHat Glad\n000 1\n".encode(),
        "CelebA's form without names": b"20\n\n000 1\n",
        "a number alone": b"20\n",
    }  # fmt: skip


def made() -> dict[str, bytes]:
    """Tables that may be read or not."""
    dice, found = random.Random(4), {}
    for encoding in ("utf-7", "utf-8", "cp1252", "shift_jis", "gb18030", "koi8-r", "cp037", "utf-32-le"):
        found[f"{encoding}, with names in Chinese"] = with_header("name", "帽子", "Hat").encode(encoding, "replace")
    for at in range(20):
        content = bytearray(text().encode())
        for _ in range(1 + at):
            content[dice.randrange(len(content))] = dice.choice(b'\x00",;\t\r\n\xff\x1b0')
        found[f"damaged {at}"] = bytes(content)
    for at in range(0, 200, 20):
        found[f"cut at {at}"] = text().encode()[:at]
    odd = (
        "1e999",
        "-0.0",
        "1_0",
        "١",
        "½",
        "0x1",
        "TRUE",
        "Yes",
        "∞",
        "-inf",
        "1,1",
        '""',
        "\\",
        "\0",
        "\ufeff",
        "\u2028",
        "\ud800",
    )
    return found | {f"{cell!a} in a cell": with_cell(cell).encode("utf-8", "surrogatepass") for cell in odd}


def partitions() -> dict[str, bytes]:
    """Lists of who is in which part."""
    plain = "".join(f"{name} {at % 3}\n" for at, name in enumerate(NAMES))
    return {
        "as it is": plain.encode(),
        "nothing": b"",
        "another number": (plain + "000 7\n").encode(),
        "an escape": (plain + "000 \x1b[2J\n").encode(),
        "a word of 100,000 letters": (plain + "000 " + "x" * 100_000).encode(),
        "all in train": "".join(f"{name} 0\n" for name in NAMES).encode(),
        "strangers": b"ghost 0\n" * 50,
        "noise": random.Random(5).randbytes(5000),
        "UTF-16": plain.encode("utf-16"),
        "names of many folders": ("d/" * 40_000 + "000 0\n").encode() * 20,
    }
