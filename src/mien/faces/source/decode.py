"""One picture, in any format that Pillow opens, to a square of uint8 RGB.

Upright (EXIF), over white where it is transparent, cropped, and resized with Lanczos' filter, which Pillow widens with
the reduction, so that nothing aliases. No draft mode: it is faster for JPEG, but shifts the picture by part of a pixel.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mien.errors import DataError

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels
Crop = Box | Literal["square", "celeba"]

CELEBA_SIZE = (178, 218)  # of the aligned pictures
CELEBA_BOX: Box = (25, 50, 153, 178)
MAX_BYTES = 256 * 2**20  # larger files are refused
MOST_SHOWN = 300  # letters of a path in a message
# Formats that Pillow registers, but that are no photographs, only stubs, or (EPS) handed to another program.
NOT_PICTURES = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "MPEG", "PDF", "WMF"}


class BadPicture(Exception):
    """A picture that cannot be used; the text is the reason in words."""


class Original(NamedTuple):
    """Size and format of a picture before it was packed."""

    width: int  # upright, pixels
    height: int
    kind: str  # format and mode, as in 'JPEG RGB'


@cache
def formats() -> tuple[str, ...]:
    """The names of the formats that are opened."""
    Image.init()
    return tuple(sorted(set(Image.OPEN) - NOT_PICTURES))


@cache
def extensions() -> frozenset[str]:
    """The file name endings, lower case with the dot, of the formats that are opened."""
    opened = formats()
    known = {ending for ending, name in Image.registered_extensions().items() if name in opened}
    return frozenset({*known, ".mpo"})  # several JPEGs in one, of which Pillow opens the first


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's warnings from the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(content: bytes, size: int, crop: Crop) -> tuple[NDArray[np.uint8], Original]:
    """Decode the bytes of one picture file.  -> uint8 [size,size,3]

    A picture of the pack's size keeps its pixels exactly. Call it inside `quiet()`.

    Raises: BadPicture, with the reason in words.
    """
    if not content:
        raise BadPicture("the file is empty")
    try:
        with Image.open(BytesIO(content), formats=formats()) as image:
            kind = f"{image.format} {image.mode}"
            smaller = _decode_smaller(image)
            image.load()
            _turn_upright(image)
            width, height = image.width * smaller, image.height * smaller
            left, top, right, bottom = (end / smaller for end in _box(width, height, crop))
            small = _to_rgb(image).resize((size, size), Image.Resampling.LANCZOS, box=(left, top, right, bottom))
            return np.asarray(small), Original(width, height, kind)
    except BadPicture:
        raise
    except UnidentifiedImageError:
        raise BadPicture(_unread(content)) from None
    except Image.DecompressionBombError:
        raise BadPicture(f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; save it smaller") from None
    except Exception as error:  # decoders raise many kinds of errors for broken bytes
        raise BadPicture(f"damaged: {str(error) or type(error).__name__}") from None


def _unread(content: bytes) -> str:
    """Why Pillow does not know these bytes, by how they begin."""
    if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return "HEIC, as phones save, which is not read: save it as JPEG"
    if content[:2] == b"\xff\x0a" or content[4:8] == b"JXL ":
        return "JPEG XL, which is not read: save it as JPEG"
    return "not a picture that Pillow can read"


def _decode_smaller(image: Image.Image) -> int:
    """Have a JPEG of today's phones decoded at a quarter of its sides, which fits into memory.  -> 4, or 1 for others

    Raises: BadPicture for another format of so many pixels.
    """
    pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS or math.inf
    if pixels <= most:
        return 1
    if image.format not in ("JPEG", "MPO"):
        raise BadPicture(f"{pixels:,} pixels, more than {most:,}; save it smaller, or as a JPEG")
    image.draft(None, (image.width // 4, image.height // 4))
    return 4


def _turn_upright(image: Image.Image) -> None:
    """Turn a picture as its EXIF orientation says, in place."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # broken EXIF beside sound pixels: there is no orientation to go by
        return


def _box(width: int, height: int, crop: Crop) -> tuple[float, float, float, float]:
    """The part of a picture that is kept, in its own pixels."""
    if crop == "celeba" and abs(width * CELEBA_SIZE[1] / (height * CELEBA_SIZE[0]) - 1) < 0.02:
        scale_x, scale_y = width / CELEBA_SIZE[0], height / CELEBA_SIZE[1]
        left, top, right, bottom = CELEBA_BOX
        return left * scale_x, top * scale_y, right * scale_x, bottom * scale_y
    if isinstance(crop, tuple):
        if crop[2] > width or crop[3] > height:
            raise BadPicture(f"{width}x{height} pixels: smaller than the crop {crop}")
        return crop
    side = min(width, height)  # also a picture in CelebA's layout that has not the shape of the aligned ones
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: 16 bits, or as many as there are in them, to 8; transparent over white."""
    if image.mode == "F":
        raise BadPicture("pixels are floating-point numbers, whose range is not known")
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        if deep.dtype.itemsize > 2:  # one copy and no more: a large picture has a hundred million pixels
            deep = np.clip(deep, 0, 65535).astype(np.uint16)
        return Image.fromarray((deep >> (_depth(deep) - 8)).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, clear).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # convert would copy an RGB image


def _depth(deep: NDArray[np.uint16]) -> int:
    """How many bits a camera or a scanner put into 16: 8, 10, 12, 14 or 16, by the brightest value."""
    brightest = int(deep.max(initial=0))
    return next(bits for bits in (8, 10, 12, 14, 16) if brightest < 1 << bits)


def read_picture(path: Path, size: int, crop: Crop = "square") -> NDArray[np.uint8]:
    """One picture file, prepared as those of a pack are.  -> uint8 [size,size,3]

    Raises: DataError: no such file, or not a picture that can be used.
    """
    try:
        with quiet():
            return decode(_bytes_of(path), size, crop)[0]
    except (OSError, ValueError, BadPicture) as error:  # ValueError: a name that no file can have
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(
            f"{str(path)[:MOST_SHOWN]}: cannot be used: {why}. Give a JPEG, a PNG or another format that Pillow opens."
        ) from None


def _bytes_of(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # opening a pipe would block for ever, and a device has no end
        raise BadPicture("not a file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BadPicture(f"{size:,} bytes, more than the {MAX_BYTES:,} that a picture may have")
    return path.read_bytes()
