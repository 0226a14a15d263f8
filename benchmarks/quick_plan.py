"""The quick plan as `make run` runs it: how long it takes, and every number of its three models.

    python benchmarks/quick_plan.py [--pictures]
    python benchmarks/quick_plan.py --avx2    # as on a processor without AVX512 and bfloat16, as most laptops have

Results are in results/quick_plan.json, or quick_plan-avx2.json; README's numbers are written from them by
docs/write_numbers.py. The cache is fresh, so drawing the faces and training the judge are counted.
--pictures: README's pictures are taken from its report.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import RESULTS, digits, surroundings

from mien.runs.folder import Run
from mien.runs.plan_folder import plan_runs

LIMITS = {"ATEN_CPU_CAPABILITY": "avx2", "DNNL_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
IMAGES = Path(__file__).parents[1] / "docs" / "images"
PICTURES = {  # of the documentation, and the figure of the report that each is
    "quick-vae-reconstructions.jpg": "fig1_3.jpg",
    "quick-gan-samples.jpg": "fig2_3.jpg",
    "quick-acgan-pairs.jpg": "fig3_3.jpg",
    "quick-acgan-leakage.jpg": "fig3_5.jpg",
}


def main() -> None:
    """Run, record, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", action="store_true", help="take README's pictures from its report")
    parser.add_argument("--avx2", action="store_true", help="keep PyTorch and oneDNN to AVX2, in float32")
    parser.add_argument("--folder", type=Path, help="of a plan that was run already; its time is not known")
    args = parser.parse_args()
    if args.avx2:
        os.environ |= LIMITS
    path = RESULTS / f"quick_plan{'-avx2' if args.avx2 else ''}.json"
    with tempfile.TemporaryDirectory(prefix="mien-quick-") as fresh:
        folder, seconds = (args.folder, None) if args.folder else timed_run(Path(fresh))
        limits = {name: os.environ[name] for name in LIMITS if name in os.environ}
        RESULTS.mkdir(parents=True, exist_ok=True)
        runs = dict(map(numbers, plan_runs(folder)))
        record = {"seconds": seconds, "conditions": surroundings() | limits, "runs": runs}
        path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
        if args.pictures:
            for name, figure in PICTURES.items():
                shutil.copy(folder / "report" / "figures" / figure, IMAGES / name)
    print(f"written: {path}, {seconds or 0:.0f} s")


def timed_run(fresh: Path) -> tuple[Path, float]:
    """`mien run --minutes 10` with a fresh cache.  -> its folder, and how many seconds it took"""
    started = time.monotonic()
    command = [sys.executable, "-m", "mien", "run", "--minutes", "10", "--out", str(fresh / "quick")]
    subprocess.run(command, check=True, env=os.environ | {"MIEN_CACHE": str(fresh / "cache")})
    return fresh / "quick", round(time.monotonic() - started)


def numbers(run: Run) -> tuple[str, dict[str, Any]]:
    """The numbers of a run, cut to four digits, with how long it was trained."""
    content = json.loads(run.metrics_file.read_text(encoding="utf-8"))
    kept = {
        name: {key: digits(score[key]) for key in ("value", "low", "high", "images")} for name, score in content.items()
    }
    last = run.log()[-1]
    effort = {"images_seen": last["images_seen"], "seconds": round(last["seconds"])}
    return run.path.name, {"numbers": kept, "effort": effort}


if __name__ == "__main__":
    main()
