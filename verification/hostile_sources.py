"""Hostile folders and .zips: names in any script, loops, sockets, devices, archives that climb, lie, explode."""

import io
import os
import socket
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from awkward import encoded, numbered, picture, write
from hostile_case import Case
from hostile_readers import COUNT as SOUND

ONE_PICTURE = encoded(picture(500), "PNG")
NAMES = {
    "Arabic": "وجه", "Hebrew": "פנים", "Chinese": "脸面", "Thai": "ใบหน้า", "Devanagari": "चेहरा", "Tamil": "முகம்",
    "Georgian": "სახე", "Cherokee": "ᎤᎧᏛ", "cuneiform": "𒅗", "an emoji of seven": "👨‍👩‍👧‍👦", "a flag": "🏴‍☠️",
    "accents apart": "e\u0301le\u0300ve", "accents joined": "élève", "a dotless i": "ı", "a dotted I": "İ", "sharp s": "ß",
    "a newline": "two\nlines", "a carriage return": "back\rover", "a tab": "a\tb", "an escape": "\x1b[31mred\x1b[0m",
    "a title": "\x1b]0;owned\x07", "a bell": "\x07", "a backspace": "a\b\b\b", "delete": "\x7f", "a C1 control": "\x9b2J",
    "right to left": "\u202egnp.exe", "isolates": "\u2066a\u2069", "no width": "a\u200bb", "a byte order mark": "\ufeffa",
    "a line separator": "a\u2028b", "a private letter": "\ue000", "an unassigned letter": "\U000e0fff",
    "no UTF-8": b"\xff\xfe\x80".decode("utf-8", "surrogateescape"), "half UTF-8": b"\xe5\x86".decode("utf-8", "surrogateescape"),
    "a leading dash": "-rf", "two dashes": "--out=x", "a leading blank": " a", "blanks behind": "a  ", "only blanks": "   ",
    "dots": "a.b.c..d", "dots behind": "a...", "three dots": "...a", "a tilde": "~root", "a dollar": "$HOME", "a percent": "%s%n%x",
    "a brace": "{0.__class__}", "a template": "{{7*7}}", "markup": "[red]x[bold]", "a script": "<script>alert(1)<&", "quotes": "'\"`",
    "a backslash": "a\\b", "a glob": "*?[a]", "a semicolon": "a;b", "a pipe": "a|b&c", "a colon": "a:b", "a comma": "a,b",
    "CON": "CON", "NUL": "NUL", "a number": "0", "not a number": "nan", "a date": "2018-01-01", "drawn": "drawn",
    "very long": "x" * 240, "long letters": "写" * 80, "a hash": "#1", "an at": "@a", "an equals": "=1+1", "None": "None",
}  # fmt: skip


def cases() -> Iterator[Case]:
    """All of them."""
    for name, stem in NAMES.items():
        hidden = stem.startswith(".")
        for kind, make, count in (
            ("file", named_file, SOUND + (not hidden)),
            ("folder", named_folder, SOUND if hidden else 2 * SOUND),
        ):
            yield Case("names", f"a {kind} called {name}", partial(make, stem), "faces", "success", gives=count)
        yield Case("names", f"a member of a .zip called {name}", partial(named_member, stem), "faces")
    yield from FILES
    for depth in (10, 31, 60, 500):
        yield Case("file system", f"folders {depth} deep", partial(deep, depth), "faces")
    for path in TABLES:
        yield Case("file system", f"a table at {path!r}", partial(with_table, path), "faces")
    for name, path in PATHS.items():
        for kind, reader in (("source", "faces without leave"), ("photograph", "a photograph")):
            yield Case("file system", f"a {kind} called {name}", partial(nothing_but, path), reader, "refusal")
    for name, change in ARCHIVES.items():
        yield Case("zips", name, partial(archived, change), "faces")
    for method in METHODS:
        for part in range(8):
            yield Case("zips", f"{method}, cut at {part}/8", cut_zip(method, part), "faces")
        for at in range(14):
            yield Case("zips", f"{method}, damaged {at}", damaged_zip(method, at), "faces")


def nothing_but(path: str, folder: Path) -> str:
    """A path alone."""
    return path


# Names


def named_file(stem: str, folder: Path) -> None:
    """A picture of that name among others."""
    write(folder, *numbered(SOUND))
    (folder / f"{stem}.png").write_bytes(ONE_PICTURE)


def named_folder(stem: str, folder: Path) -> None:
    """Two folders that are attributes, one of that name."""
    write(folder, *numbered(SOUND, "other/"), *numbered(SOUND, f"{stem}/", start=SOUND), seed=0)


def named_member(stem: str, folder: Path) -> Path:
    """The same in a .zip, which can hold any name."""
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        fill_zip(archive)
        archive.writestr(f"{stem.encode('utf-8', 'replace').decode()}.png", ONE_PICTURE)
    return folder / "a.zip"


# The file system


def loop(folder: Path) -> None:
    """Links to a folder in itself."""
    (folder / "again").symlink_to(folder, target_is_directory=True)
    (folder / "up").symlink_to("..", target_is_directory=True)
    write(folder, *numbered(SOUND))


def links(folder: Path) -> None:
    """To themselves, to each other, to nothing, to a picture, to a device."""
    write(folder, *numbered(SOUND))
    for link, target in {"self": "self", "a": "b", "b": "a", "c.png": "nothing", "d.png": "000.png"}.items():
        (folder / link).symlink_to(target)
    (folder / "self.png").symlink_to("self.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "random.csv").symlink_to("/dev/urandom")


def sockets_and_pipes(folder: Path) -> None:
    """Pipes and a socket that are called as pictures and tables; nothing listens."""
    write(folder, *numbered(SOUND))
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.png"))


def unreadable(folder: Path) -> None:
    """Two files that may not be read, in a folder of many."""
    write(folder, *numbered(SOUND))
    for name in ("000.png", "001.png"):
        (folder / name).chmod(0)


def unreadable_folder(folder: Path) -> None:
    write(folder, *numbered(SOUND), *numbered(SOUND, "locked/"))
    (folder / "locked").chmod(0)


def unreadable_table(folder: Path) -> None:
    write(folder, *numbered(SOUND))
    (folder / "t.csv").write_text("name,Hat\n000,1\n")
    (folder / "t.csv").chmod(0)


def deep(depth: int, folder: Path) -> None:
    write(folder, *numbered(SOUND, "d/" * depth))


def case_twins(folder: Path) -> None:
    write(folder, *numbered(SOUND), "Face.png", "face.png", "FACE.PNG", seed=3)
    (folder / "t.csv").write_text("name,Hat\nface.png,1\n000,0\nFACE.PNG,0\n")


def many_empty(folder: Path) -> None:
    write(folder, *numbered(SOUND))
    for at in range(500):
        (folder / f"empty{at}.jpg").touch()


def one_empty(folder: Path) -> None:
    write(folder, *numbered(SOUND))
    (folder / "\x1b[2Jempty\n.jpg").touch()


def pipe(name: str, folder: Path) -> Path:
    os.mkfifo(folder / name)
    return folder / name


def with_table(path: str, folder: Path) -> tuple[Path, str]:
    """-> a folder of pictures, and where a table is said to be"""
    write(folder, *numbered(SOUND))
    os.mkfifo(folder / "pipe.csv")
    return folder, path.replace("HERE", str(folder))


def file_case(name: str, make: Callable[[Path], object], reader: str = "faces", gives: Any = None, **more: Any) -> Case:
    """A case of the file system; where it succeeds it gives so many faces."""
    return Case("file system", name, make, reader, gives=gives, **more)


FILES = (
    file_case("folders that hold themselves", loop),
    file_case("links to themselves, each other, nothing, devices", links, gives=SOUND + 1, expected="success"),
    file_case("sockets and pipes among pictures", sockets_and_pipes, gives=SOUND, expected="success"),
    file_case("pictures that may not be read", unreadable, "faces and bad files", (SOUND - 2, 2), without_rights=True),
    file_case("a folder that may not be read", unreadable_folder, without_rights=True),
    file_case("a table that may not be read", unreadable_table, without_rights=True),
    file_case("case twins, and a table that names one", case_twins, gives=SOUND + 3),
    file_case("500 empty files", many_empty, gives=SOUND),
    file_case("a bad file whose name is an escape, not skipped", one_empty, "faces without leave"),
    file_case("a pipe as the source", partial(pipe, "pipe"), "faces without leave"),
    file_case("a pipe as a photograph", partial(pipe, "pipe.jpg"), "a photograph"),
)
TABLES = (
    "HERE", "HERE/pipe.csv", "/dev/zero", "/dev/null", "/", "", "~nobody-of-this-name/t.csv", "a\0b", "x" * 5000,
)  # fmt: skip
PATHS = {
    "nothing": "", "a device": "/dev/zero", "the null device": "/dev/null", "a terminal": "/dev/tty", "NUL": "a\0b",
    "a home of nobody": "~nobody-of-this-name/faces", "too long a name": "x" * 300, "too long a path": "x/" * 3000,
    "an escape": "\x1b[2J\x1b[H", "a newline": "a\nb", "no UTF-8": "\udcff\udcfe", "a web address": "https://example.org/faces.zip",
    "a process's memory": "/proc/self/mem", "drawn:0": "drawn:0", "drawn:-1": "drawn:-1", "drawn:1e3": "drawn:1e3",
    "drawn:x": "drawn:x", "too many drawn": "drawn:99999999999", "a count of 5000 digits": "drawn:" + "9" * 5000,
    "a count of superscripts": "drawn:²³", "drawn:3": "drawn:3", "a file below a file": "/etc/passwd/faces",
}  # fmt: skip


# Archives


def fill_zip(archive: zipfile.ZipFile, count: int = SOUND) -> None:
    for at in range(count):
        archive.writestr(f"{at:03d}.png", encoded(picture(at), "PNG"))


def archived(change: Callable[[zipfile.ZipFile], object], folder: Path) -> Path:
    """A .zip that something was done to."""
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of duplicate names
        fill_zip(archive)
        change(archive)
    return folder / "a.zip"


def member(
    name: str, content: bytes = ONE_PICTURE, method: int = zipfile.ZIP_DEFLATED
) -> Callable[[zipfile.ZipFile], None]:
    return lambda archive: archive.writestr(name, content, method)


def symlink(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("link.png")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "/etc/passwd")


def encrypted(archive: zipfile.ZipFile) -> None:
    """A member that says it has a password."""
    archive.writestr("secret.png", ONE_PICTURE)
    archive.filelist[-1].flag_bits |= 1


def lying(size: int, name: str = "bomb.png", method: int = zipfile.ZIP_DEFLATED) -> Callable[[zipfile.ZipFile], None]:
    """A member that says it is of one size, and unpacks to 300 MB (30 where no byte of it is unpacked)."""

    def change(archive: zipfile.ZipFile) -> None:
        with archive.open(zipfile.ZipInfo(name), "w") as file:
            file._compress_type = method  # type: ignore[attr-defined]
            file._compressor = zipfile._get_compressor(method)  # type: ignore[attr-defined]
            for _ in range(300 if method == zipfile.ZIP_DEFLATED else 30):
                file.write(bytes(2**20))
        archive.filelist[-1].compress_type = method
        archive.filelist[-1].file_size = size

    return change


def overlapping(archive: zipfile.ZipFile) -> None:
    """A thousand names for one member."""
    archive.writestr("real.png", ONE_PICTURE)
    real = archive.filelist[-1]
    for at in range(1000):
        twin = zipfile.ZipInfo(f"twin{at}.png")
        twin.header_offset, twin.CRC = real.header_offset, real.CRC
        twin.compress_size, twin.file_size, twin.compress_type = real.compress_size, real.file_size, real.compress_type
        archive.filelist.append(twin)


def many(count: int) -> Callable[[zipfile.ZipFile], None]:
    return lambda archive: [archive.writestr(f"n/{at}.txt", b"") for at in range(count)] and None


def within(archive: zipfile.ZipFile) -> None:
    """A .zip in a .zip."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as other:
        fill_zip(other)
    archive.writestr("inner.zip", inner.getvalue())


ARCHIVES: dict[str, Callable[[zipfile.ZipFile], object]] = {
    "a way out": member("../../../../tmp/out.png"),
    "a way out for Windows": member("..\\..\\out.png"),
    "a way out further on": member("a/b/../../../out.png"),
    "an absolute name": member("/etc/out.png"),
    "a drive": member("C:\\Windows\\out.png"),
    "a network share": member("\\\\server\\share\\out.png"),
    "a name of dots": member("./././a.png"),
    "two slashes": member("a//b.png"),
    "a folder called as a file": lambda archive: (member("x.png/")(archive), member("x.png/y.png")(archive)),
    "a name of NUL": member("a\0b.png"),
    "an escape as a name": member("\x1b[2J.png"),
    "a very long name": member("n" * 60_000 + ".png"),
    "a name of 30,000 folders": member("d/" * 30_000 + "a.png"),
    "names of 30,000 folders alone": lambda archive: [member("d/" * 30_000 + f"{at}.png")(archive) for at in range(5)],
    "a symbolic link": symlink,
    "a password": encrypted,
    "the same name twice": lambda archive: [member("000.png")(archive) for _ in range(5)],
    "case twins": lambda archive: [member(name)(archive) for name in ("Ä.png", "ä.png", "A\u0308.png")],
    "a bomb that says what it is": lying(300 * 2**20),
    "a bomb that says 100 bytes": lying(100),
    "a bomb that says 100 bytes, bzip2": lying(100, method=zipfile.ZIP_BZIP2),
    "a bomb that says 100 bytes, lzma": lying(100, method=zipfile.ZIP_LZMA),
    "a bomb as a table that says 100 bytes": lying(100, "labels.csv"),
    "a bomb as a table that says 100 bytes, bzip2": lying(100, "labels.csv", zipfile.ZIP_BZIP2),
    "a member of 10^15 bytes": lambda archive: (member("huge.png")(archive), setattr(archive.filelist[-1], "file_size", 10**15)),
    "a thousand names for one member": overlapping,
    "20,000 members": many(20_000),
    "a .zip in a .zip": within,
    "lzma": member("l.png", method=zipfile.ZIP_LZMA),
    "bzip2": member("b.png", method=zipfile.ZIP_BZIP2),
    "stored": member("s.png", method=zipfile.ZIP_STORED),
    "a comment": lambda archive: setattr(archive, "comment", b"\x1b[2J" * 10_000),
    "a way of packing there is not": lambda archive: (member("m.png")(archive), setattr(archive.filelist[-1], "compress_type", 99)),
    "a header elsewhere": lambda archive: (member("h.png")(archive), setattr(archive.filelist[-1], "header_offset", 7)),
    "another checksum": lambda archive: (member("c.png")(archive), setattr(archive.filelist[-1], "CRC", 1)),
    "a date before time": lambda archive: (member("t.png")(archive), setattr(archive.filelist[-1], "date_time", (1980, 0, 0, 0, 0, 0))),
}  # fmt: skip


METHODS = {
    "deflate": zipfile.ZIP_DEFLATED, "stored": zipfile.ZIP_STORED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA,
}  # fmt: skip


@cache
def plain_zip(method: str) -> bytes:
    """A sound .zip, with a table."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", METHODS[method]) as archive:
        fill_zip(archive)
        archive.writestr("t.csv", "name,Hat\n" + "".join(f"{at:03d},{at % 2}\n" for at in range(SOUND)))
    return stream.getvalue()


def cut_zip(method: str, part: int) -> bytes:
    content = plain_zip(method)
    return content[: len(content) * part // 8]


def damaged_zip(method: str, at: int) -> bytes:
    """Bytes replaced among the pictures, or in the list at the end, where every field is tried."""
    content = bytearray(plain_zip(method))
    directory = struct.unpack("<I", content[-6:-2])[0]
    places = (
        [directory + at * 3 + offset for offset in (0, 46 + 30)] if at % 2 else [200 + at * 97 + j for j in range(30)]
    )
    for place in places:
        content[place % len(content)] ^= 0xFF
    return bytes(content)
