"""Pictures and folders for the tests of faces: ordinary ones, and those that people really have."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

ORDINARY = 100  # sound pictures beside the awkward ones, so that one bad file is not yet more than 1 %


def picture(seed: int, width: int = 40, height: int = 40) -> Image.Image:
    """Coloured blobs, different for every seed."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def write(folder: Path, *names: str, kind: str = "PNG", seed: int = 0) -> None:
    """Write a different picture under each name."""
    for at, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(picture(seed + at), kind))


def numbered(count: int, prefix: str = "", ending: str = ".png", start: int = 0) -> list[str]:
    return [f"{prefix}{at:03d}{ending}" for at in range(start, start + count)]


def zip_of(folder: Path, archive: Path, top: str = "") -> Path:
    """A .zip of a folder, made as macOS makes them."""
    with zipfile.ZipFile(archive, "w") as out:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                out.write(path, top + name)
                out.writestr(f"__MACOSX/{top}._{path.name}", b"not a picture")
    return archive


def upright() -> Image.Image:
    """Red on the left, blue on the right, with a green bar on top."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :16, 0] = pixels[:, 16:, 2] = 255
    pixels[:8] = (0, 255, 0)
    return Image.fromarray(pixels)


def sound_files() -> dict[str, bytes]:
    """Every file here is a picture, whatever it looks like at first."""
    image, grey = picture(1), picture(2).convert("L")
    clear = picture(3).convert("RGBA")
    clear.putalpha(grey)
    deep = Image.fromarray((np.asarray(grey).astype(np.uint16) << 8) + 7)
    palette = picture(4).quantize(16)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    turned = upright().transpose(Image.Transpose.ROTATE_90)
    broken_exif = encoded(picture(14), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    return {
        "16bit.png": encoded(deep, "PNG"),
        "palette.png": encoded(palette, "PNG", transparency=3),
        "grey.png": encoded(grey, "PNG"),
        "grey-alpha.png": encoded(clear.convert("LA"), "PNG"),
        "rgba.png": encoded(clear, "PNG"),
        "bilevel.png": encoded(picture(5).convert("1"), "PNG"),
        "cmyk.jpg": encoded(picture(6).convert("CMYK"), "JPEG"),
        "turned.jpg": encoded(turned, "JPEG", exif=exif, quality=95, subsampling=0),
        "broken-exif.jpg": broken_exif,
        "dot.png": encoded(picture(7, 1, 1), "PNG"),
        "wide.webp": encoded(picture(8, 200, 30), "WEBP"),
        "tall.bmp": encoded(picture(9, 30, 200), "BMP"),
        "GREY.PGM": encoded(picture(10).convert("L"), "PPM"),
        "moving.gif": encoded(picture(11), "GIF", save_all=True, append_images=[picture(12)]),
        "really-a-jpeg.png": encoded(picture(13), "JPEG"),
        "SHOUTING.JPG": encoded(image, "JPEG"),
        "élève Zoë 写真.jpg": encoded(picture(15), "JPEG"),
        "a/b/c/nested.tiff": encoded(picture(16), "TIFF"),
        "copy one.png": encoded(picture(17), "PNG"),
        "copy two.bmp": encoded(picture(17), "BMP"),
    }


def bad_files() -> dict[str, bytes]:
    """Every file here claims to be a picture, and is none."""
    whole = encoded(picture(20, 200, 200), "JPEG")
    return {
        "empty.jpg": b"",
        "letter.jpg": b"Dear Sir or Madam, please find enclosed",
        "truncated.jpg": whole[: len(whole) // 2],
        "truncated.png": encoded(picture(21, 100, 100), "PNG")[:300],
        "float.tiff": encoded(Image.fromarray(np.ones((20, 20), np.float32)), "TIFF"),
    }


def noise_files() -> dict[str, bytes]:
    """Nobody means these."""
    return {
        ".hidden.png": b"x",
        ".git/object.png": b"x",
        "__MACOSX/._a.jpg": b"x",
        "Thumbs.db": b"x",
        "a/.DS_Store": b"x",
    }


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
