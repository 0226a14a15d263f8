"""How fast the explorer answers: the first face after the server listens, then one face, 24 faces, and a photograph.

Starts `mien explore` with each runtime in turn and asks it as the page does, over a connection that is kept open, one
request at a time. The map of a run is computed before, once, and is not part of the figures.

    python benchmarks/explorer.py runs/coursework/vae
"""

import argparse
import base64
import http.client
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from measuring import ceilings, conditions_in_words, table, write_csv

RUNTIMES = ("pytorch", "onnxruntime")
COUNTS = (1, 24)  # a face that is edited, and a grid
PERCENTILES = (50, 95, 99)
Rows = list[dict[str, Any]]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a trained run")
    parser.add_argument("--requests", type=int, default=100, help="of each kind")
    given = parser.parse_args()
    here = ceilings(seconds=1)
    with serving(given.run, "pytorch"):
        pass  # computes the map, where it is not in the cache yet
    rows = [row for runtime in RUNTIMES for row in latencies(given.run, runtime, given.requests)]
    write_csv(
        "explorer_server",
        [{**row, "onnxruntime": onnxruntime.__version__} for row in rows],
        trials=given.requests,
        ceilings=here,
    )
    print(conditions_in_words(here) + f"; ONNX Runtime {onnxruntime.__version__}\n")
    columns = {"runtime": "runtime", "what": "what"} | {f"ms_{p}": f"{p} % within, ms" for p in PERCENTILES}
    print(table(rows, columns))


@contextmanager
def serving(run: Path, runtime: str) -> Iterator[http.client.HTTPConnection]:
    """A server of a run, and a connection to it."""
    with serving_process(run, runtime) as (_, connection):
        yield connection


@contextmanager
def serving_process(run: Path, runtime: str) -> Iterator[tuple[subprocess.Popen[str], http.client.HTTPConnection]]:
    """A server of a run: its process, and a connection to it."""
    command = [sys.executable, "-m", "mien", "explore", str(run), "--no-browser", "--port", "0", "--runtime", runtime]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            said = re.search(r"http://([^:]+):(\d+)/", process.stdout.readline())
            assert said, f"{run}: `mien explore` does not start"
            connection = http.client.HTTPConnection(said[1], int(said[2]))
            yield process, connection
            connection.close()
        finally:
            process.send_signal(signal.SIGINT)


def latencies(path: Path, runtime: str, requests: int) -> Rows:
    """The first answer, and percentiles of the ones that follow, in milliseconds."""
    with serving(path, runtime) as connection:
        connection.request("GET", "/exhibit.json")
        run = json.loads(connection.getresponse().read())["runs"][0]
        first = ask(connection, "generate", generation(run, 1))
        rows = [row(runtime, "the first face", [first])]
        asked = [("generate", f"{count} faces" if count > 1 else "1 face", generation(run, count)) for count in COUNTS]
        if run["encodes"]:
            asked.append(("encode", "a photograph", photograph(run)))
        for path_of, what, content in asked:
            ask(connection, path_of, content)
            rows.append(row(runtime, what, [ask(connection, path_of, content) for _ in range(requests)]))
    return rows


def ask(connection: http.client.HTTPConnection, path: str, content: bytes) -> float:
    """Milliseconds until an answer is there."""
    started = time.perf_counter()
    connection.request("POST", f"/api/{path}", content, {"content-type": "application/json"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return (time.perf_counter() - started) * 1e3


def generation(run: dict[str, Any], count: int) -> bytes:
    """A request for so many faces."""
    random = np.random.default_rng(0)
    z = random.standard_normal((count, run["latent_dim"])).astype("<f4")
    y = random.integers(0, 2, (count, len(run["attributes"]))).astype("<f4")
    about = {"run": run["id"], "snapshot": run["snapshots"][0]["id"], "count": count}
    return json.dumps(about | {"z": base64_of(z), "y": base64_of(y) if run["attributes"] else None}).encode()


def photograph(run: dict[str, Any]) -> bytes:
    """A request to encode a picture."""
    x = np.random.default_rng(0).integers(0, 256, (run["image_size"], run["image_size"], 3), dtype=np.uint8)
    return json.dumps({"run": run["id"], "snapshot": run["snapshots"][0]["id"], "x": base64_of(x)}).encode()


def base64_of(array: np.ndarray) -> str:
    """An array's bytes as text."""
    return base64.b64encode(array.tobytes()).decode()


def row(runtime: str, what: str, milliseconds: Sequence[float]) -> dict[str, Any]:
    """A row of the results."""
    percentiles = {f"ms_{p}": float(np.percentile(milliseconds, p)) for p in PERCENTILES}
    return {"what": what, "runtime": runtime} | percentiles


if __name__ == "__main__":
    main()
