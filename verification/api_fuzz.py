"""The explorer's two questions, asked by an off-the-shelf API fuzzer: schemathesis, from an OpenAPI document.

    python verification/api_fuzz.py runs/quick/vae runs/quick/acgan    # results/api_fuzz.csv
    python verification/api_fuzz.py runs/quick/vae --examples 100

Schemathesis is no dependency of mien: it gets an environment of its own in .environments/, from the package index. It
sends requests that the document allows and requests that it forbids. The server fails where it has a traceback, answers
a status, a media type or a body that the document does not have, or takes a method that there is not. Only this
machine's loopback is asked.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from recording import record

from explorer import generation, photograph, serving
from measuring import table

VERSION = "4.32.5"
ENVIRONMENT = Path(__file__).parent / ".environments" / f"schemathesis-{VERSION}"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
ALWAYS = (
    *("--checks", ",".join(CHECKS), "--seed", "0", "--continue-on-failure", "--no-shrink"),
    *("--suppress-health-check", "all", "--warnings", "off", "--report", "har", "--report-har-path"),
)


def main() -> None:
    """Fuzz, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of trained runs")
    parser.add_argument("--examples", type=int, default=2_000, help="of each question, of each kind (default: 2000)")
    given = parser.parse_args()
    program = installed()
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for run in given.runs for row in fuzz(run, program, given.examples, Path(folder))]
    path = record("api_fuzz", rows, trials=1)
    columns = {name: name for name in ("run", "requests", "failures", "answers", "seconds")}
    print(f"{table(rows, columns)}\n\nwritten to {path}")
    sys.exit(any(row["failures"] for row in rows))


def installed() -> Path:
    """The fuzzer, in an environment of its own."""
    program = ENVIRONMENT / "bin" / "schemathesis"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        pip = [ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "--quiet", f"schemathesis=={VERSION}"]
        subprocess.run(pip, check=True)
    return program


def fuzz(run: Path, program: Path, examples: int, folder: Path) -> list[dict[str, Any]]:
    """Ask the server of a run; what it answered, by status."""
    with serving(run, "pytorch") as connection:
        connection.request("GET", "/exhibit.json")
        shown = json.loads(connection.getresponse().read())["runs"][0]
        connection.close()
        document, asked = folder / "openapi.json", folder / "asked.har"
        document.write_text(json.dumps(openapi(shown)))
        address, started = f"http://{connection.host}:{connection.port}", time.perf_counter()
        done = subprocess.run(
            [program, "run", document, "--url", address, "--max-examples", str(examples), *ALWAYS, asked],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        seconds = time.perf_counter() - started
    entries = json.loads(asked.read_text())["log"]["entries"]
    answers = Counter(int(entry["response"]["status"]) for entry in entries)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    if done.returncode:
        print(done.stdout)
    return [
        {
            "run": shown["model"],
            "requests": len(entries),
            "failures": done.returncode,
            "answers": " ".join(f"{status}:{count}" for status, count in sorted(answers.items())),
            "seconds": round(seconds, 1),
            "schemathesis": VERSION,
        }
    ]


def openapi(run: dict[str, Any]) -> dict[str, Any]:
    """The two questions as an OpenAPI document, for one run: what may be asked, and every answer there may be."""
    named = {"run": {"const": run["id"]}, "snapshot": {"enum": [snapshot["id"] for snapshot in run["snapshots"]]}}
    numbers, picture = json.loads(generation(run, 1)), json.loads(photograph(run))
    asked = {name: {"enum": [numbers[name]]} for name in ("count", "z", "y")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "The explorer's server", "version": "1"},
        "paths": {
            "/api/generate": {"post": question(named | asked)},
            "/api/encode": {"post": question(named | {"x": {"enum": [picture["x"]]}})},
            "/{path}": {
                "get": {
                    "parameters": [{"name": "path", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": {"200": {"description": "a file"}} | refusals(400, 404, 405),
                }
            },
        },
    }


def question(properties: dict[str, Any]) -> dict[str, Any]:
    """A POST of a JSON object."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    faces = {"description": "numbers", "content": {"application/octet-stream": {}}}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": faces} | refusals(400, 403, 404, 405, 408, 413, 415, 503),
    }


def refusals(*statuses: int) -> dict[str, Any]:
    """Answers that say why not, in a sentence."""
    schema = {"type": "object", "properties": {"error": {"type": "string", "minLength": 1}}, "required": ["error"]}
    said = {"description": "refused", "content": {"application/json": {"schema": schema}}}
    return {str(status): said for status in statuses}


if __name__ == "__main__":
    main()
