"""The commands of the command line, with their options, help and examples."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import mien
from mien.cli import training_commands, viewing_commands
from mien.errors import printable
from mien.version import __version__

Command = Callable[[argparse.Namespace], None]


class Parser(argparse.ArgumentParser):
    """A parser whose errors show what was given without acting on the terminal."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong, and end with 2."""
        super().error(printable(message))


def not_empty(text: str) -> str:
    """A text that is not empty, as a variable of the shell that is not set would be."""
    if not text:
        raise argparse.ArgumentTypeError("is empty. Give a path, or leave the option out.")
    return text


def path(text: str) -> Path:
    """A path; '' would be the current folder."""
    return Path(not_empty(text))


def build_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of `mien`, and those of its commands."""
    parser = Parser(prog="mien", description=mien.__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"mien {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND")
    commands: dict[str, argparse.ArgumentParser] = {}

    def command(name: str, function: Command, words: str, *examples: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(
            name,
            help=words,
            description=words,
            epilog="\n  ".join(["example:", *examples]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if name not in ("run", "train", "study", "data", "doctor"):  # these read no run from elsewhere
            sub.add_argument(
                "--model-code", type=not_empty, metavar="FILE", help="code of a run's own model, which may run"
            )
        sub.set_defaults(function=function)
        commands[name] = sub
        return sub

    add_training(command)
    add_looking(command)
    return parser, commands


def add_training(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands that train."""
    sub = command(
        "run",
        training_commands.run,
        "Train, measure and report every model of a plan.",
        "mien run",
        "mien run --data ~/faces --minutes 30 data.horizontal_flips=true",
        "mien run --data ~/hw4_data --plan coursework vae.training.epochs=60",
    )
    sub.add_argument(
        "--plan", default="quick", metavar="NAME|FILE.toml", help="quick (default), coursework, or your own"
    )
    add_what_decides_a_training(sub, folder="runs/<plan>-<time>")
    add_minutes(sub, "that all of it takes on this machine, measuring and report included")
    add_workers(sub)

    sub = command(
        "train",
        training_commands.train,
        "Train one recipe.",
        "mien train vae-quick",
        "mien train gan-coursework --data ~/faces --out runs/my-gan training.steps=2000",
    )
    sub.add_argument("recipe", metavar="RECIPE", help="name of a preset, or a TOML file")
    add_what_decides_a_training(sub, folder="runs/<recipe>-<time>")
    add_minutes(sub, "that it takes on this machine, with its judge where there is none yet")

    add_studies(command)

    sub = command(
        "resume",
        training_commands.resume,
        "Go on with a run, a plan or a study that was stopped, exactly where it stood.",
        "mien resume runs/quick-20261124-163000",
        "mien resume runs/my-gan training.steps=4000",
        "mien resume runs/kl-weight-20261124-163000 --processes 2",
    )
    sub.add_argument("folder", type=path, metavar="FOLDER", help="of a run, a plan or a study")
    add_moved_faces(sub)
    add_workers(sub)
    sub.add_argument("overrides", nargs="*", metavar="training.steps=N", help="another length, for a run")


def add_studies(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands that compare."""
    sub = command(
        "study",
        training_commands.study,
        "Train arms from several seeds, measure them, and say of each claim whether it holds.",
        "mien study kl-weight",
        "mien study vae-gan --data ~/faces --seeds 3 --images 100000 --processes 2",
        "mien study mine.toml --budget full training.learning_rate=1e-3",
        "mien study depth --processes 8 --cluster slurm --cluster-option partition=gpu --cluster-option time=60",
    )
    sub.add_argument("study", metavar="NAME|FILE.toml", help="of a study that comes with mien, or your own")
    add_faces(sub)
    sub.add_argument("--seeds", type=int, default=3, metavar="N", help="of each arm (default: 3)")
    sub.add_argument("--budget", choices=["quick", "full"], default="quick", help="how long each run is")
    sub.add_argument("--images", type=int, metavar="N", help="that each run sees, in place of the budget's")
    add_minutes(sub, "that all of it takes on this machine, run after run")
    add_workers(sub)
    out = "folder to write, or of a study to go on with (default: runs/<study>-<time>)"
    sub.add_argument("--out", type=path, metavar="DIR", help=out)
    sub.add_argument("overrides", nargs="*", metavar="key=value", help="anything in the arms' recipes")
    sub.set_defaults(seed=None)

    sub = command(
        "compare",
        training_commands.compare,
        "Compare runs of the same faces; those that differ in their seed alone are one arm.",
        "mien compare runs/my-vae runs/my-gan",
        "mien compare runs/quick-20261124-163000 runs/other --only distribution sharpness",
    )
    sub.add_argument("runs", nargs="+", type=path, metavar="RUN", help="folders of runs, or of plans for all in them")
    sub.add_argument("--only", nargs="+", default=[], metavar="METRIC", help="kinds of metrics (default: all)")
    sub.add_argument("--out", type=path, metavar="DIR", help="folder to write (default: runs/compare-<time>)")


def add_looking(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands that look at what was trained, at faces and at the machine."""
    sub = command(
        "sample",
        viewing_commands.sample,
        "Draw new faces from a trained run.",
        "mien sample runs/quick-20261124-163000/acgan --set Male=1 Smiling=0 --out faces.png",
        "mien sample exported.onnx --count 8",
        "mien sample runs/my-gan --count 10000 --out faces",
    )
    sub.add_argument("run", type=path, metavar="RUN", help="folder of a run, its file of weights, or an exported .onnx")
    how_many = f"how many (default: 32); in one picture at most {viewing_commands.MOST:,}"
    sub.add_argument("--count", type=int, default=32, help=how_many)
    sub.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="attributes, from 0 to 1")
    sub.add_argument("--seed", type=int, default=0, help="of the latents (default: 0)")
    out = "picture of all to write, or a folder for one picture a face (default: grid.png)"
    sub.add_argument("--out", type=path, default=Path("grid.png"), help=out)

    sub = command(
        "reconstruct",
        viewing_commands.reconstruct,
        "Put pictures through a model that encodes: the originals above, their reconstructions below.",
        "mien reconstruct runs/quick-20261124-163000/vae me.jpg you.png --out both.png",
    )
    sub.add_argument("run", type=path, metavar="RUN")
    sub.add_argument("images", type=path, nargs="+", metavar="IMAGE")
    attributes = "of all the pictures, from 0 to 1, where the encoder is told attributes (default: 0.5, unknown)"
    sub.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help=attributes)
    sub.add_argument("--out", type=path, default=Path("reconstructions.png"), help="(default: reconstructions.png)")

    sub = command(
        "evaluate",
        viewing_commands.evaluate,
        "Measure a run, or every run of a plan, completely, and print the numbers.",
        "mien evaluate runs/quick-20261124-163000",
        "mien evaluate runs/my-gan --only distribution,sharpness --again",
    )
    sub.add_argument("folder", type=path, metavar="FOLDER", help="of a run or of a plan")
    sub.add_argument("--only", default="", metavar="METRIC,METRIC", help="kinds of metrics (default: all)")
    sub.add_argument("--again", action="store_true", help="measure even what was measured already")
    sub.add_argument("--inception", type=path, metavar="FILE", help="the FID's network as ONNX: docs/measuring.md")
    add_moved_faces(sub)

    sub = command(
        "report",
        viewing_commands.report,
        "Write the report of a plan or a run again.",
        "mien report runs/quick-20261124-163000",
    )
    sub.add_argument("folder", type=path, metavar="FOLDER")
    add_moved_faces(sub)

    sub = command(
        "explore",
        viewing_commands.explore,
        "Play with trained runs in a browser: sample, edit, walk, map, compare. Nothing leaves this machine.",
        "mien explore runs/quick-20261124-163000",
        "mien explore runs/my-vae runs/my-gan --port 8000 --no-browser",
    )
    sub.add_argument("runs", nargs="+", type=path, metavar="RUN", help="folders of runs, or of plans for all in them")
    add_moved_faces(sub)
    sub.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: 127.0.0.1, this machine alone)"
    )
    sub.add_argument("--port", type=int, metavar="N", help="(default: 6436, or any that is free)")
    sub.add_argument("--no-browser", action="store_true", help="print the address and open no browser")
    runtime = "what computes (default: pytorch; onnxruntime takes less time for a face, and seconds to start)"
    sub.add_argument("--runtime", default="pytorch", choices=["pytorch", "onnxruntime"], help=runtime)

    sub = command(
        "export",
        viewing_commands.export,
        "Write a trained run for use elsewhere: as an ONNX file, or as a page that any host of files can show.",
        "mien export runs/quick-20261124-163000/vae --to onnx vae.onnx",
        "mien export runs/quick-20261124-163000 --to web site",
    )
    sub.add_argument(
        "run", type=path, metavar="RUN", help="folder of a run; for onnx also a file of weights, for web also a plan"
    )
    to = "onnx FILE: the generator, and beside it the encoder; web DIR: the explorer's page, without a server"
    sub.add_argument("--to", nargs=2, type=not_empty, required=True, metavar=("onnx|web", "PATH"), help=to)
    faces = "web: add the map and the report, which show photographs that models were tested on (default: no)"
    sub.add_argument("--with-test-faces", action="store_true", help=faces)

    sub = command(
        "data",
        viewing_commands.data,
        "Look at faces, pack them, see that a pack is undamaged, or draw some.",
        "mien data show ~/faces",
        "mien data pack ~/celeba.zip --size 128",
        "mien data verify ~/celeba.zip --size 128",
        "mien data draw --count 48 --out drawn.png",
    )
    sub.add_argument("action", choices=["show", "pack", "verify", "draw"])
    sub.add_argument(
        "path", nargs="?", type=not_empty, metavar="PATH", help="a folder, a .zip, drawn (default) or drawn:COUNT"
    )
    add_preparation(sub)
    count = f"faces of the contact sheet, or to draw, at most {viewing_commands.MOST:,} (default: 48)"
    sub.add_argument("--count", type=int, help=count)
    sub.add_argument("--seed", type=int, help="of the drawing (default: 0)")
    sub.add_argument("--out", type=path, help="contact sheet to write (show and draw)")

    command(
        "doctor",
        viewing_commands.doctor,
        "Print versions, devices, what is fast here and what is missing.",
        "mien doctor",
    )


def add_what_decides_a_training(sub: argparse.ArgumentParser, folder: str) -> None:
    """The options that say which faces, where to, and the keys of a recipe that change."""
    add_faces(sub)
    sub.add_argument("--out", type=path, metavar="DIR", help=f"folder to write (default: {folder})")
    sub.add_argument("--seed", type=int, help="of every training (default: 0)")
    sub.add_argument(
        "overrides", nargs="*", metavar="key=value", help="anything in a recipe, such as training.learning_rate=1e-3"
    )


def add_minutes(sub: argparse.ArgumentParser, words: str) -> None:
    """The option that gives a time in place of a length."""
    sub.add_argument("--minutes", type=float, metavar="N", help=f"{words} (default: as long as the recipe says)")


def add_faces(sub: argparse.ArgumentParser) -> None:
    """The options that say which faces are trained on."""
    source = "a folder, a .zip, drawn or drawn:COUNT (default: what the recipes say)"
    sub.add_argument("--data", type=not_empty, metavar="PATH", help=source)
    add_preparation(sub)


def add_workers(sub: argparse.ArgumentParser) -> None:
    """The options that say how many runs of a plan or a study are worked on at the same time, and where."""
    sub.add_argument(
        "--processes", type=int, default=1, metavar="N", help="runs of a plan or a study at the same time (default: 1)"
    )
    sub.add_argument(
        "--cluster", choices=["slurm", "local"], help="submit N workers there and return; local: here, to try it out"
    )
    job = "of each worker's job: time (minutes), partition, gpus_per_node ...; may be given several times"
    sub.add_argument("--cluster-option", action="append", default=[], metavar="NAME=VALUE", help=job)


def add_moved_faces(sub: argparse.ArgumentParser) -> None:
    """The option that says where the faces of a run are now."""
    where = "where the faces are now (default: where they were)"
    sub.add_argument("--data", type=not_empty, metavar="PATH", help=where)


def add_preparation(sub: argparse.ArgumentParser) -> None:
    """The options that say how faces are prepared."""
    sub.add_argument("--size", type=int, choices=[32, 64, 128], help="side of the images in pixels")
    sub.add_argument("--crop", metavar="square|L,T,R,B", help="what to keep of each picture, in its own pixels")
    sub.add_argument(
        "--attributes", type=not_empty, metavar="TABLE", help="a CSV or TSV of attributes, with a column of file names"
    )
    sub.add_argument("--names-column", metavar="NAME", help="of the table, the one of file names, if several could be")
    sub.add_argument("--skip-bad", action="store_true", help="go on although more than 1 %% of the files are unusable")
