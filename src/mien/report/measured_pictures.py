"""Plates of pictures that a measurement left in the run's folder."""

from typing import Any

import numpy as np
from PIL import Image

from mien.faces import Faces
from mien.pictures.arrays import Pictures
from mien.report.encoded_pictures import GAP, Plate, sheet
from mien.report.run_section import Chapter

CAPTIONS = {  # name of the picture -> caption, and names of its rows
    "neighbours": (
        "Samples over the training image that is nearest to each in the judge's features: a copy would show.",
        ("sample", "nearest in training"),
    ),
    "mixture": (
        "Samples whose latents are drawn from N(0, I), over samples whose latents are drawn from a mixture of "
        "Gaussians that was fitted to the training images' latents.",
        ("N(0, I)", "mixture"),
    ),
}


def draw_measured(chapter: Chapter, model: Any, faces: Faces, place: int) -> list[Plate]:
    """A plate for each picture that the measurement has left."""
    plates: list[Plate] = []
    for name, (caption, rows) in CAPTIONS.items():
        images = read_sheet(chapter, name, len(rows))
        if images is not None:
            jpeg = sheet(images, len(images) // len(rows))
            plates.append(chapter.plate(place + len(plates), caption, jpeg, rows))
    return plates


def read_sheet(chapter: Chapter, name: str, rows: int) -> Pictures | None:
    """The faces of a sheet, row by row; None where its file is missing, or was cut short.  -> [N,S,S,3]"""
    side = chapter.recipe.data.size
    try:
        with Image.open(chapter.run.measured_picture(name)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except OSError:
        return None
    step = side + GAP
    columns = (pixels.shape[1] + GAP) // step
    return np.stack(
        [
            pixels[row * step : row * step + side, column * step : column * step + side]
            for row in range(rows)
            for column in range(columns)
        ]
    )
