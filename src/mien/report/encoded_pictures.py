"""Plates: the pictures of the page, each with its number, caption and, where it has one, its file in figures/."""

import base64
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from mien.pictures.arrays import Pictures, grid

SHEET_WIDTH = 1200  # pixels, about: faces are enlarged by a whole factor until their sheet is as wide
GAP = 2  # pixels between faces, before they are enlarged
SVG_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial"


@dataclass(frozen=True)
class Inline:
    """An image within the page: its bytes, their media type, and its description in words."""

    content: bytes
    media: str
    alt: str

    @property
    def uri(self) -> str:
        """The image as a data: URI."""
        return f"data:{self.media};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True)
class Plate:
    """One numbered figure of the page.

    rows: names of the rows of a sheet of faces.    file, jpeg: its name and content in figures/, where it has one.
    """

    number: str
    caption: str
    images: tuple[Inline, ...]
    rows: tuple[str, ...] = ()
    file: str = ""
    jpeg: bytes = b""
    narrow: bool = False


def picture_plate(
    number: str, caption: str, jpeg: bytes, rows: tuple[str, ...] = (), *, file: str = "", narrow: bool = False
) -> Plate:
    """A figure that is one JPEG, described by its caption."""
    return Plate(number, caption, (Inline(jpeg, "image/jpeg", caption),), rows, file, jpeg if file else b"", narrow)


def sheet(images: Pictures, columns: int) -> bytes:
    """Faces side by side, enlarged by a whole factor, as JPEG.  uint8 [N,S,S,3]"""
    side = images.shape[1]
    factor = max(1, round(SHEET_WIDTH / (columns * (side + GAP))))
    return encode_jpeg(grid(enlarge(images, factor), columns, gap=GAP * factor))


def enlarge(images: Pictures, factor: int) -> Pictures:
    """Faces at a multiple of their size, smoothly: squares would hide the face.  [N,S,S,3] -> [N,fS,fS,3]"""
    if factor == 1:
        return images
    size = (images.shape[2] * factor, images.shape[1] * factor)
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in images])


def encode_jpeg(pixels: NDArray[np.uint8], quality: int = 90) -> bytes:
    """A picture as JPEG, its colours at full resolution.  uint8 [H,W,3]"""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
    return buffer.getvalue()


def figure_jpeg(figure: Figure, dpi: int = 200) -> bytes:
    """A drawn figure as JPEG."""
    return _save(figure, "jpeg", dpi=dpi, pil_kwargs={"quality": 92, "subsampling": 0, "optimize": True})


def figure_svg(figure: Figure) -> bytes:
    """A drawn figure as SVG, whose text is set in the reader's own fonts; the same figure gives the same bytes."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mien"}):
        content = _save(figure, "svg", metadata={"Date": None, "Creator": None})
    return content.replace(b"'DejaVu Sans'", SVG_FONTS.encode())


def _save(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes in the JPEG; the page itself has it as text.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def read_strips(files: Sequence[Path], side: int, faces: int) -> dict[int, Pictures]:
    """The first faces of each sample grid that training left behind, by images seen.  -> [faces,S,S,3] each

    A grid that a kill cut short is left out.
    """
    strips = {}
    for file in files:
        try:
            with Image.open(file) as picture:
                pixels = np.asarray(picture.convert("RGB"))
        except OSError:
            continue
        columns = [slice(place * (side + GAP), place * (side + GAP) + side) for place in range(faces)]
        strips[int(file.stem)] = np.stack([pixels[:side, column] for column in columns])
    return strips


def moments(count: int, most: int = 6) -> list[int]:
    """Which of so many moments to show: the first, the last, and ever wider steps between."""
    if count <= most:
        return list(range(count))
    return sorted({round(place) - 1 for place in np.geomspace(1, count, most)})
