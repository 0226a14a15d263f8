"""Mistakes on the command line, and packs of somebody else that are damaged or lie."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from awkward import numbered, write
from hostile_case import Case
from mien.faces import open_faces

TRAIN = ("train", "vae-quick", "--data", "drawn:100", "--out", "HERE/run")
COMMANDS: dict[str, tuple[str, ...]] = {  # HERE: a folder with what `command` puts there
    "data show, a bad file": ("data", "show", "HERE/faces"),
    "data show, a pipe": ("data", "show", "HERE/pipe"),
    "data show, no .zip": ("data", "show", "HERE/a.zip"),
    "data show, an escape": ("data", "show", "\x1b[2J"),
    "data show, a long name": ("data", "show", "x" * 5000),
    "data show, a home of nobody": ("data", "show", "~nobody-of-this-name"),
    "data show, a long count": ("data", "show", "drawn:" + "9" * 5000),
    "data show, a bad table": ("data", "show", "HERE/faces", "--attributes", "HERE/t.csv"),
    "data show, a pipe as a table": ("data", "show", "HERE/faces", "--attributes", "HERE/pipe"),
    "train, a pipe as data": (*TRAIN, "--data", "HERE/pipe"),
    "train, a deep recipe": ("train", "HERE/deep.toml"),
    "train, a huge network": (*TRAIN, "model.width=4096", "model.latent_dim=65536"),
    "train, a list as a name": (*TRAIN, "model.name=[]"),
    "train, brackets": (*TRAIN, "training.epochs=" + "[" * 5000),
    "train, digits": (*TRAIN, "training.steps=" + "9" * 5000),
    "train, epochs without end": (*TRAIN, "training.epochs=inf"),
    "train, a huge batch": (*TRAIN, "training.batch_size=1000000000000"),
    "train, a pipe": ("train", "HERE/pipe"),
    "train, a long name": ("train", "x" * 5000),
    "run, a deep plan": ("run", "HERE/deep.toml"),
    "study, a deep one": ("study", "HERE/deep.toml"),
    "resume, no run": ("resume", "HERE/faces"),
    "resume, a long name": ("resume", "x" * 5000),
    "sample, noise": ("sample", "HERE/w.safetensors", "--out", "HERE/s.png"),
    "sample, noise as ONNX": ("sample", "HERE/a.onnx", "--out", "HERE/s.png"),
    "sample, an escape": ("sample", "\x1b[2J", "--out", "HERE/s.png"),
    "evaluate, no run": ("evaluate", "HERE/faces"),
    "report, a pipe": ("report", "HERE/pipe"),
    "explore, no run": ("explore", "HERE/faces", "--no-browser"),
    "export, no run": ("export", "HERE/faces", "--to", "onnx", "HERE/b.onnx"),
}  # fmt: skip
HEADER = b"\x93NUMPY\x01\x00"
LIE = b"{'descr': '|i1', 'fortran_order': False, 'shape': (1000000000000, 40), }\n"
TERABYTES = HEADER + len(LIE).to_bytes(2, "little") + LIE
PACKS: dict[str, dict[str, bytes]] = {
    "pack.json": {
        "empty": b"",
        "a list": b"[]",
        "an empty table": b"{}",
        "a deep list": b"[" * 10**5,
        "a table without what it needs": b'{"version": 2, "signature": 1}',
    },
    "attributes.npy": {"empty": b"", "a pickle": b"\x80\x04.", "terabytes": TERABYTES, "a header alone": HEADER},
    "split.npy": {"empty": b"", "terabytes": TERABYTES},
    "images.npy": {"empty": b"", "a header alone": HEADER, "terabytes": TERABYTES},
    "files.json": {"empty": b"", "a list": b"[]", "noise": b"\xff" * 50},
}


def cases() -> Iterator[Case]:
    """All of them."""
    for name, arguments in COMMANDS.items():
        yield Case("commands", name, partial(command, arguments), "mien", "refusal", says="^mien: ")
    for file, contents in PACKS.items():
        for name, content in (contents | {"half": None}).items():
            make, words = partial(pack_with, file, content), "damaged pack|neither a folder|no pictures"
            yield Case("packs", f"{file} is {name}", make, "a pack", "refusal", says=words)


def command(arguments: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """-> the arguments, in a folder that has what they name"""
    write(folder / "faces", *numbered(20))
    (folder / "faces" / "\x1b[2J\nrm.jpg").touch()
    (folder / "t.csv").write_bytes(b"\xff\x00" * 100)
    (folder / "deep.toml").write_text("a = " + "[" * 5000)
    (folder / "w.safetensors").write_bytes(b"\xff" * 100)
    (folder / "a.onnx").write_bytes(b"\x1b[2J" * 30)
    (folder / "a.zip").write_bytes(b"PK\x05\x06" + b"\xff" * 18)
    os.mkfifo(folder / "pipe")
    return tuple(argument.replace("HERE", str(folder)) for argument in arguments)


def pack_with(file: str, content: bytes | None, folder: Path) -> Path:
    """A pack with another content in one of its files.  content: None: the first half of its own"""
    write(folder / "faces", *numbered(20))
    pack = Path(open_faces(folder / "faces", size=32, cache=folder / "cache").card["pack"])
    sound = (pack / file).read_bytes()
    (pack / file).write_bytes(sound[: len(sound) // 2] if content is None else content)
    return pack
