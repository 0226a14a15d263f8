"""Hostile pictures: cut short, damaged, mislabelled, gigantic, turned, in every mode and format."""

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from awkward import bad_files, encoded, fill, numbered, picture, sound_files, upright, write, zip_of
from hostile_case import Case

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "JPEG2000")
CUTS, DAMAGES = 14, 10  # of each format
ENDINGS = ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm", "ico")


def cases() -> Iterator[Case]:
    """All of them."""
    for name, content in made().items():
        yield Case("pictures", name, content, "a picture")
    for name, content in sound().items():
        yield Case("pictures", name, content, "a picture", "success")
    for name, content in unsound().items():
        yield Case("pictures", name, content, "a picture", "refusal")
    count = len(made()) + len(sound()) + len(unsound()) + 100
    yield Case("pictures", "all of them in a folder", together, "every file", "success", gives=count)
    yield Case("pictures", "all of them in a .zip", zipped, "every file", "success", gives=count)


def together(folder: Path) -> Path:
    """All pictures in a folder, and a hundred sound ones."""
    hostile = [*made().values(), *sound().values(), *unsound().values()]
    fill(folder / "all", {f"{at:04d}.{ENDINGS[at % len(ENDINGS)]}": content for at, content in enumerate(hostile)})
    write(folder / "all", *numbered(100, "sound-"))
    return folder / "all"


def zipped(folder: Path) -> Path:
    """The same in a .zip."""
    return zip_of(together(folder), folder / "all.zip")


@cache
def whole() -> dict[str, bytes]:
    """A sound picture of each format."""
    return {kind: encoded(picture(40 + at, 60, 50), kind) for at, kind in enumerate(FORMATS)}


@cache
def made() -> dict[str, bytes]:
    """Pictures that may decode or not."""
    dice = random.Random(0)
    found = {}
    for kind, content in whole().items():
        for part in range(CUTS):
            found[f"{kind} cut at {part}/{CUTS}"] = content[: len(content) * part // CUTS]
        for at in range(DAMAGES):
            found[f"{kind} damaged {at}"] = damaged(content, dice, 1 + at * 2)
        found[f"{kind} with rubbish behind"] = content + dice.randbytes(5000)
        found[f"{kind} twice"] = content + content
        found[f"{kind} header and noise"] = content[:40] + dice.randbytes(3000)
    for name, profile in profiles().items():
        for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
            found[f"{kind} with {name}"] = encoded(picture(60), kind, icc_profile=profile)
    for at in range(12):
        broken = b"Exif\x00\x00" + (b"II*\x00" if at % 2 else b"MM\x00*") + dice.randbytes(4 + at * 6)
        found[f"broken EXIF {at}"] = encoded(picture(61), "JPEG", exif=broken)
    return found | {f"noise of {length} bytes": dice.randbytes(length) for length in (1, 2, 7, 100, 10_000)}


@cache
def sound() -> dict[str, bytes]:
    """Pictures that have to decode, however odd they are."""
    found = {f"sound {name}": content for name, content in sound_files().items()}
    for orientation in range(10):  # 1 to 8 are defined
        exif = Image.Exif()
        exif[0x0112] = orientation
        found[f"EXIF orientation {orientation}"] = encoded(upright(), "JPEG", exif=exif)
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LA", "I;16", "I"):
        for kind in ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"):
            if content := attempt(partial(encoded, in_mode(mode), kind)):
                found[f"{kind} of mode {mode}"] = content
    frames = [picture(seed) for seed in range(70, 80)]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        found[f"animated {kind}"] = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    for width, height in ((1, 1), (1, 3000), (3000, 1), (2, 2), (31, 33)):
        found[f"{width}x{height}"] = encoded(picture(81, width, height), "PNG")
    return found


@cache
def unsound() -> dict[str, bytes]:
    """Files that cannot be a picture."""
    dice = random.Random(1)
    found = {f"bad {name}": content for name, content in bad_files().items()}
    for width, height in ((60_000, 60_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (0, 10), (10, 0), (100_000, 1_000)):
        found[f"PNG that says {width}x{height}"] = png_that_says(width, height)
        found[f"BMP that says {width}x{height}"] = bmp_that_says(width, height)
    found["GIF that says 65535x65535"] = b"GIF89a" + struct.pack("<HH", 65535, 65535) + whole()["GIF"][10:]
    found["a plain PPM that says 50000x50000"] = b"P3 50000 50000 255\n" + b"1 " * 1000
    found["a bomb: 12000x12000 of one colour"] = flat_png(12_000)
    found["a bomb in a PNG's text"] = png_with(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(20 * 2**20)))
    found["a page of HTML"] = b"<!doctype html><title>404</title>" * 20
    found["a PDF"] = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n" * 10
    found["PostScript"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) (r) file\n" * 5
    found["an SVG"] = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>1</script></svg>'
    found["an ELF program"] = b"\x7fELF\x02\x01\x01" + dice.randbytes(500)
    found["zeros"] = bytes(5000)
    found["a pickle"] = b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."
    return found


def damaged(content: bytes, dice: random.Random, count: int) -> bytes:
    """Some bytes replaced, the first ones spared."""
    spoilt = bytearray(content)
    for _ in range(count):
        spoilt[dice.randrange(min(8, len(spoilt) - 1), len(spoilt))] = dice.randrange(256)
    return bytes(spoilt)


def attempt(make: Callable[[], bytes]) -> bytes | None:
    """What Pillow cannot write is no case."""
    try:
        return make()
    except (OSError, KeyError, ValueError):
        return None


def in_mode(mode: str) -> Image.Image:
    """A picture of a mode."""
    if mode.startswith("I"):
        deep = np.asarray(picture(2).convert("L")).astype(np.uint16) << 8
        return Image.fromarray(deep if mode == "I;16" else deep.astype(np.int32))
    return picture(3).convert(mode)


def profiles() -> dict[str, bytes]:
    """Colour profiles, sound and broken."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return {
        "an sRGB profile": srgb,
        "a LAB profile": lab,
        "a profile cut short": srgb[: len(srgb) // 2],
        "a profile of noise": random.Random(2).randbytes(600),
        "an empty profile": b"\x00",
    }


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_that_says(width: int, height: int) -> bytes:
    """A PNG of a few bytes with a header of that size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def png_with(kind: bytes, content: bytes) -> bytes:
    """A sound PNG with one more chunk, before its pixels."""
    plain = whole()["PNG"]
    return plain[:33] + chunk(kind, content) + plain[33:]


def flat_png(side: int) -> bytes:
    """A PNG of a single colour: some kilobytes a hundred million pixels."""
    packer = zlib.compressobj(9)
    lines = [packer.compress(bytes(side + 1)) for _ in range(side)]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"".join(lines) + packer.flush()) + chunk(b"IEND", b"")


def bmp_that_says(width: int, height: int) -> bytes:
    """A BMP of a few bytes with a header of that size."""
    stream = BytesIO(encoded(picture(4, 8, 8), "BMP"))
    stream.seek(18)
    stream.write(struct.pack("<ii", width, height))
    return stream.getvalue()
