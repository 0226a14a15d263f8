"""The commands that look at faces and trained runs, a function each. Other modules are imported inside them."""

import argparse
from pathlib import Path
from typing import Any

from mien.cli.output import say
from mien.cli.training_commands import preparation
from mien.errors import RecipeError, quoted

MOST = 10_000  # faces of one picture: at 128 x 128 pixels each, programs still open it without a warning
AT_A_TIME = 500  # faces that are in memory, of those that are written one by one
MEANINGLESS = {  # options of `mien data` that an action does not use
    "show": ("seed",),
    "pack": ("seed", "count", "out"),
    "verify": ("seed", "count", "out"),
    "draw": ("path", "crop", "attributes", "names_column", "skip_bad"),
}


def sample(args: argparse.Namespace) -> None:
    """`mien sample`"""
    from mien import open_run
    from mien.pictures import arrays

    each = args.out.is_dir() or not args.out.suffix
    if not each:
        require_room_for(args.count)
    trained, given = open_run(args.run), attribute_values(args.set)
    if each:
        save_faces(trained, args, given)
        return
    images = trained.sample(args.count, seed=args.seed, attributes=given)
    say_what_is_never_together(trained, given)
    save_picture(arrays.grid(images, columns=min(8, args.count)), args.out)


def say_what_is_never_together(trained: Any, given: dict[str, float]) -> None:
    """Say so where no training face has all the attributes that are given."""
    from mien.pictures import arrays

    if given and arrays.never_together(trained.attributes, trained.combinations, given):
        told = " and ".join(f"{name}={value:g}" for name, value in given.items())
        say(f"no training face has {told}; the other attributes are drawn from those that come nearest")


def save_faces(trained: Any, args: argparse.Namespace, given: dict[str, float]) -> None:
    """Write a PNG for each face into a folder: those of the seed, in their order.

    Raises: RecipeError for a folder that holds files; RunError where it cannot be written.
    """
    import numpy as np

    from mien.cli.terminal import Terminal
    from mien.errors import RunError
    from mien.files.writing import write_picture
    from mien.pictures import arrays

    if args.out.is_dir() and any(args.out.iterdir()):
        raise RecipeError(f"--out {args.out}: the folder holds files. Give a new one, or a picture such as faces.png.")
    arrays.require_sample(args.count, args.seed)
    latents = trained.latents(args.count, args.seed)
    labels = trained.labels(args.count, seed=args.seed, attributes=given)
    say_what_is_never_together(trained, given)
    digits = len(str(max(args.count - 1, 10_000)))
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"--out {args.out}: cannot be made ({error}). Give another folder.") from error
    with Terminal() as terminal:
        for start in range(0, args.count, AT_A_TIME):
            piece = slice(start, start + AT_A_TIME)
            y = None if labels is None else np.asarray(labels)[piece]
            for at, image in enumerate(trained.generate(latents[piece], y), start):
                write_picture(args.out / f"{at:0{digits}d}.png", image)
            terminal.work("writing faces", min(start + AT_A_TIME, args.count), args.count)
    say(f"{args.out}: {args.count:,} faces")


def attribute_values(words: list[str]) -> dict[str, float]:
    """{'Male': 1.0} for ['Male=1'].  Raises: RecipeError for words that do not read so."""
    values = {}
    for word in words:
        name, _, value = word.rpartition("=")  # a name may hold one itself, such as sex=male
        try:
            values[name] = float(value)
        except ValueError:
            raise RecipeError(f"--set {word}: expected NAME=VALUE with a value from 0 to 1, such as Male=1.") from None
    return values


def reconstruct(args: argparse.Namespace) -> None:
    """`mien reconstruct`"""
    import numpy as np

    from mien import open_run
    from mien.faces.source.decode import read_picture
    from mien.pictures import arrays

    require_room_for(2 * len(args.images))
    trained = open_run(args.run)
    originals = np.stack([read_picture(path, trained.image_size, trained.crop) for path in args.images])
    y = arrays.labels_of_pictures(trained.attributes, len(originals), attribute_values(args.set))
    both = np.concatenate([originals, trained.reconstruct(originals, y)])
    if unknown := [name for name in trained.attributes if name not in attribute_values(args.set)]:
        say(f"not given, so 0.5 for each picture: {', '.join(unknown)}. Set one with --set {unknown[0]}=1.")
    save_picture(arrays.grid(both, columns=len(originals)), args.out)


def require_room_for(count: int) -> None:
    """Raises: RecipeError for more faces than go into one picture."""
    if count > MOST:
        raise RecipeError(f"{count:,} faces: one picture holds {MOST:,} at most. Ask for fewer at a time.")


def save_picture(image: Any, path: Path) -> None:
    """Write a picture in the format its name ends in, whole.  Raises: RecipeError where that cannot be done."""
    from PIL import Image

    from mien.files.writing import replacing

    try:
        if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
            raise ValueError(f"{path.suffix or 'no ending'} is of no picture that can be written")
        with replacing(path, shared=True) as (place,):
            Image.fromarray(image).save(place)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's formats raise struct.error, SystemError and more of what does not fit them
        raise RecipeError(
            f"--out {path}: cannot be written ({error}). Give a .png or .jpg in a folder that exists."
        ) from error
    say(str(path))


def export(args: argparse.Namespace) -> None:
    """`mien export`"""
    from mien.export.onnx_export import export_onnx

    kind, target = args.to
    if kind == "web":
        export_page(args.run, Path(target), args.with_test_faces)
        return
    if kind != "onnx":
        raise RecipeError(f"--to {kind}: is not a kind of export. Give --to onnx FILE, or --to web DIR.")
    if args.with_test_faces:
        raise RecipeError("--with-test-faces: is for --to web; an ONNX file holds no faces. Leave it out.")
    for written in export_onnx(args.run, Path(target)):
        off = f"{written.difference:.2g} {written.unit.replace('_', ' ')}"
        say(f"{written.path}: {written.size / 1e6:.1f} MB, within {off} of PyTorch on {written.inputs} random inputs")


def explore(args: argparse.Namespace) -> None:
    """`mien explore`"""
    from mien.cli.terminal import Terminal
    from mien.explorer.server import serve
    from mien.explorer.site import open_site

    with Terminal() as terminal:
        site = open_site(args.runs, source=args.data, observer=terminal)
    serve(site, host=args.host, port=args.port, browser=not args.no_browser, runtime=args.runtime, say=say)


def export_page(path: Path, folder: Path, test_faces: bool) -> None:
    """Write the static bundle, and print the size of each of its parts and what they come to."""
    from mien.cli.terminal import Terminal
    from mien.explorer.bundle import MOST_BYTES, export_web

    with Terminal() as terminal:
        parts = export_web(path, folder, terminal, test_faces=test_faces)
    for part in parts:
        say(f"{part.size / 1e6:6.2f} MB  {part.name}" + (f"  ({part.words})" if part.words else ""))
    total = sum(part.size for part in parts)
    over = f", more than {MOST_BYTES / 1e6:.0f}: export fewer runs for less" if total > MOST_BYTES else ""
    say(f"{total / 1e6:6.2f} MB in all{over}    next: python -m http.server --directory {quoted(folder)}")


def evaluate(args: argparse.Namespace) -> None:
    """`mien evaluate`"""
    from rich.console import Console

    from mien.cli.terminal import Terminal, table_of_numbers
    from mien.metrics.numbers import find
    from mien.studies.run_plan import evaluate_folder

    with Terminal() as terminal:
        metrics = evaluate_folder(
            args.folder,
            names=[name.strip() for name in args.only.split(",") if name.strip()],
            inception=args.inception,
            again=args.again,
            source=args.data,
            observer=terminal,
        )
    Console().print(table_of_numbers(metrics, lambda name: not find(name).number.in_a_matrix))


def report(args: argparse.Namespace) -> None:
    """`mien report`"""
    from mien.cli.terminal import Terminal
    from mien.report.write import report_folder, report_study
    from mien.studies.run_study import is_study

    with Terminal() as terminal:
        if is_study(args.folder):
            written = report_study(args.folder, observer=terminal).page
        else:
            written = report_folder(args.folder, terminal, args.data)
    say(f"report: {written}")


def data(args: argparse.Namespace) -> None:
    """`mien data`"""
    from mien.cli.terminal import Terminal
    from mien.faces.pack.open import verify
    from mien.faces.pack.statistics import lines
    from mien.pictures import arrays
    from mien.recipes.recipe import DataConfig, toml_value, validated
    from mien.sessions.recipe_faces import read_faces

    for option in MEANINGLESS[args.action]:
        if getattr(args, option):
            name = "PATH" if option == "path" else f"--{option.replace('_', '-')}"
            raise RecipeError(f"data {args.action}: {name} has no effect there. Leave it out; see `mien data --help`.")
    count = 48 if args.count is None else args.count
    require_room_for(count)
    if args.action == "draw":
        from mien.faces.drawn.drawn_faces import draw

        images = draw(count, size=args.size or 64, seed=args.seed or 0).images
        save_picture(arrays.grid(images, columns=min(12, count)), args.out or Path("drawn.png"))
        return
    asked = {key: toml_value(value) for key, value in preparation(args).items()}
    with Terminal() as terminal:
        faces = read_faces(validated(DataConfig, asked | {"source": args.path or "drawn"}, "mien data"), terminal)
    if args.action == "pack":
        say(f"packed: {len(faces.files):,} faces of {faces.card['source']}, fingerprint {faces.fingerprint}")
        return
    if args.action == "verify":
        verify(faces)
        say(f"undamaged: {len(faces.files):,} faces of {faces.card['source']}, {faces.card['pack']}")
        return
    for line in lines(faces.card):
        say(line)
    if args.out:
        save_picture(arrays.contact_sheet(faces, count), args.out)


def doctor(args: argparse.Namespace) -> None:
    """`mien doctor`"""
    from rich.console import Console

    from mien.cli.doctor import examine
    from mien.cli.terminal import rows

    console = Console()
    for title, pairs in examine().items():
        console.print(rows(title, pairs))
