"""The readers of fuzz_targets.py, fuzzed with an eye on the lines that each input reaches: by atheris and libFuzzer.

    pip install atheris==3.0.0
    python verification/fuzz_guided.py [--minutes 15] [--seed 1] [--only "a table"]    # results/fuzz_guided.csv

An input that reaches something new of mien, or of the parsers in Python that it uses, is kept and changed further. What
counts as a failure is what fuzz.py takes for one; also an input that takes more than 10 seconds, one that ends the
process, and a process that exceeds the memory which hostile.py allows for the whole corpus. Each reader is tried
in a process of its own, on one core.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

VERSION = "3.0.0"
INSTRUMENTED = ("mien", "tomllib", "zipfile", "PIL")
MOST_SHOWN = 3  # failures of a reader
WAITING = 120  # seconds that a process may take to import, to try what it begins with, and to end


def main() -> int:
    """Fuzz all readers in turn."""
    if importlib.util.find_spec("atheris") is None:
        print(f"atheris, which guides the fuzzer, is not installed: pip install atheris=={VERSION}", file=sys.stderr)
        return 2
    from recording import record

    from fuzz_targets import targets

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15, help="in all")
    parser.add_argument("--seed", type=int, default=1, help="above 0")
    parser.add_argument("--only", choices=targets(), default=None)
    options = parser.parse_args()
    names = [options.only] if options.only else list(targets())
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(fuzz(name, 60 * options.minutes / len(names), options.seed, Path(folder)))
        print(rows[-1], flush=True)
    rows.append({"reader": "all"} | {key: sum(row[key] for row in rows) for key in ("inputs", "seconds", "failure")})
    print(record("fuzz_guided", rows, trials=1))
    return int(rows[-1]["failure"] > 0)


def fuzz(name: str, seconds: float, seed: int, folder: Path) -> dict[str, Any]:
    """Try a reader for so long, and print what it must not do.  -> a row of the results"""
    from fuzz import SPLICED
    from fuzz_targets import targets
    from hostile import MOST_MEMORY
    from hostile_case import SECONDS

    for part in ("seeds", "grown", "artifacts", "work"):
        (folder / part).mkdir()
    for at, content in enumerate(targets()[name][1]()):
        (folder / "seeds" / f"{at}").write_bytes(content)
    pieces = ("".join(f"\\x{byte:02X}" for byte in piece) for piece in SPLICED)
    (folder / "pieces").write_text("".join(f'"{piece}"\n' for piece in pieces))
    limits = (f"-max_total_time={round(seconds)}", f"-timeout={SECONDS}", f"-rss_limit_mb={MOST_MEMORY}")
    settings = (
        f"-seed={seed}",
        f"-dict={folder}/pieces",
        f"-artifact_prefix={folder}/artifacts/",
        "-print_final_stats=1",
    )
    corpora = (f"{folder}/grown", f"{folder}/seeds")
    command = [sys.executable, str(Path(__file__)), "--work", name, str(folder), *limits, *settings, *corpora]
    with (folder / "said").open("wb") as said:
        try:
            code = subprocess.run(command, stdout=said, stderr=said, timeout=seconds + WAITING, check=False).returncode
        except subprocess.TimeoutExpired:
            code = -1
    words = (folder / "said").read_text(errors="replace")
    letters = (folder / "endings").read_bytes() if (folder / "endings").exists() else b""
    endings = {ending: letters.count(ending[:1].encode()) for ending in ("success", "refusal", "failure")}
    for failure in re.findall(r"(?s)FAILURE of .*?(?=\n#\d|FAILURE of|\Z)", words):
        print(failure[:5000], flush=True)
    if code:  # the fuzzer itself stopped: too long, too much memory, or the process died
        endings["failure"] += 1
        print(f"{name}: ended with {code}\n{words[-3000:]}")
        for path in sorted(folder.glob("artifacts/*")):
            print(f"{path.name}: {path.read_bytes()[:2000]!r}")
    return summary(name, seconds, seed, words) | endings


def summary(name: str, seconds: float, seed: int, words: str) -> dict[str, Any]:
    """What libFuzzer says that it did."""
    reached = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)/", words) or [("0", "0", "0")]
    inputs = re.search(r"number_of_executed_units:\s+(\d+)", words)
    memory = re.search(r"peak_rss_mb:\s+(\d+)", words)
    return {
        "reader": name,
        "inputs": int(inputs[1]) if inputs else 0,
        "seconds": round(seconds),
        "edges_at_first": int(reached[0][0]),
        "edges": int(reached[-1][0]),
        "features": int(reached[-1][1]),
        "kept": int(reached[-1][2]),
        "peak_mebibytes": int(memory[1]) if memory else 0,
        "seed": seed,
    }


def work(name: str, folder: Path, arguments: Sequence[str]) -> None:
    """Fuzz one reader in this process, which ends here."""
    import atheris

    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        import fuzz
    reader = fuzz.targets()[name][0]
    found = set[str]()
    endings = (folder / "endings").open("wb", buffering=0)  # a letter each, as libFuzzer ends the process when it likes

    def one(content: bytes) -> None:
        ending, words = fuzz.tried(reader, content, folder / "work", limited=False)  # libFuzzer has the alarm clock
        if ending == "failure":
            where = "\n".join(words.splitlines()[-3:])
            if where not in found and len(found) < MOST_SHOWN:
                print(f"FAILURE of {name}: {content[:2000]!r}\n{words[-2000:]}", file=sys.stderr, flush=True)
            found.add(where)
        endings.write(ending[:1].encode())

    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
    else:
        sys.exit(main())
