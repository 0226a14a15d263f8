"""A program that does mien's main jobs where nothing may be unpickled, executed out of data, or sent to anybody.

    python tests/isolated.py FOLDER     # data in FOLDER/faces, also as .zip, and FOLDER/*.toml; prints what was tried

Started by test_isolation.py, in a network of its own where the system allows that: then there is none but loopback.
"""

import _pickle
import contextlib
import fcntl
import io
import json
import os
import pickle
import socket
import struct
import sys
from pathlib import Path
from typing import Any

CANARY = "__import__('os').abort()"  # stands in the plan's title and in attributes' names
NARROW = ["model.width=4", "model.latent_dim=8", "training.batch_size=8", "training.steps=4"]
NARROW += ["training.device=cpu", "training.schedule=constant"]
LOOPBACK = ("127.0.0.1", "::1", "localhost")
REACHING = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")
SOURCE = str(Path(__file__).resolve().parents[1] / "src" / "mien")

tried: dict[str, list[str]] = {"unpickled": [], "executed": [], "compiled": [], "reached": []}


def refused(name: str, original: type = object) -> Any:
    """A function, or a class to make or to inherit from, that says that it was used and fails."""

    class Refused(original):  # type: ignore[misc, valid-type]
        def __init__(self, *given: Any, **named: Any) -> None:
            tried["unpickled"].append(name)
            raise AssertionError(f"{name} was used")

    return Refused


def watch(event: str, given: tuple[Any, ...]) -> None:
    """What Python tells of before it happens."""
    if event == "pickle.find_class":
        tried["unpickled"].append(repr(given))
    elif event == "exec" and sys._getframe(1).f_code.co_filename.startswith(SOURCE):
        tried["executed"].append(sys._getframe(1).f_code.co_filename)
    elif event == "compile" and CANARY in str(given[0]):
        tried["compiled"].append(str(given[1]))
    elif event in REACHING:
        host = given[1][0] if event.startswith("socket.connect") or event == "socket.sendto" else given[0]
        if host not in LOOPBACK:
            tried["reached"].append(f"{event} {given}")
            raise OSError("the network is cut off")


def raise_loopback() -> None:
    """In a network of its own even the way of a machine to itself is down at first."""
    with contextlib.suppress(OSError), socket.socket() as some:
        fcntl.ioctl(some, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS: up, running


def jobs(folder: Path) -> None:
    """Train, measure, report, go on, sample, reconstruct, compare, study, export, read what was exported, explore."""
    from asking import Explorer, drawn
    from mien.cli import main
    from mien.explorer.site import open_site
    from tiny import CONDITIONAL, ENCODING

    plan, picture = folder / "plan", next(path for path in (folder / "faces").glob("*.png") if path.stat().st_size)
    given = ["--data", str(folder / "faces"), "--size", "32", "--out", str(plan), *NARROW]
    encoding, conditional = runs = str(plan / ENCODING), str(plan / CONDITIONAL)
    for command in (
        ["run", "--plan", str(folder / "strange.toml"), *given],
        ["resume", conditional, "training.steps=6"],
        ["sample", conditional, "--out", str(folder / "faces.png")],
        ["export", encoding, "--to", "onnx", str(folder / "exported.onnx")],
        ["sample", str(folder / "exported.onnx"), "--out", str(folder / "more.png")],
        ["reconstruct", encoding, str(picture), "--out", str(folder / "both.png")],
        ["compare", *runs, "--only", "sharpness", "--out", str(folder / "compared")],
        ["study", str(folder / "study.toml"), "--seeds", "1", "--out", str(folder / "study")],
        ["export", encoding, "--to", "web", str(folder / "site")],
        ["doctor"],
    ):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = main(command)
        assert code in (0, None), f"{command} ended with {code}: {said.getvalue()}"
    for runtime in ("pytorch", "onnxruntime"):
        explorer = Explorer(open_site([plan]), runtime)
        assert explorer.ask("GET", "/exhibit.json")[0] == 200
        for run in (ENCODING, CONDITIONAL):
            assert explorer.post("/api/generate", drawn(run))[0] == 200
        explorer.stop()


def cut_off() -> None:
    """From here on nothing is unpickled, and what must not be tried is remembered."""
    for module in (pickle, _pickle):
        for name in ("load", "loads", "Unpickler", "_load", "_loads", "_Unpickler"):
            if original := getattr(module, name, None):
                parent = original if isinstance(original, type) else object
                setattr(module, name, refused(f"{module.__name__}.{name}", parent))
    import torch

    for where in (torch, torch.serialization, torch.jit, torch.hub):
        where.load = refused(f"{where.__name__}.load")
    torch.hub.load_state_dict_from_url = torch.hub.download_url_to_file = refused("torch.hub")
    torch.set_num_threads(1)
    sys.addaudithook(watch)


def main() -> None:
    """Cut everything off, do the jobs, say what was tried."""
    raise_loopback()
    cut_off()
    jobs(Path(sys.argv[1]))
    print(json.dumps(tried), flush=True)
    os._exit(0)  # what others registered to be done at the end is not ours to test


if __name__ == "__main__":
    main()
