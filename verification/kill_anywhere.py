"""Kill mien at random moments (SIGKILL), let it go on, and compare with what an uninterrupted one leaves, bit for bit.

    python verification/kill_anywhere.py                             # 200 kills; recorded in results/kill_anywhere.csv
    python verification/kill_anywhere.py --kills 8 --jobs vae report
    python verification/kill_anywhere.py --aimed --kills 9 --jobs judge export --record   # added to what is recorded

Each job is a process of its own, killed at a moment that is uniform over its length when nobody kills it. What goes on
is killed again three times of four. Right after each kill, whatever stands under its final name must be whole; in the
end all must be equal. Trainings write a checkpoint every step and a snapshot every second one, so that many kills fall
into a write. `--aimed` waits from that moment on until something is written beside its place, and kills then; syncs and
renames come 0.05 s later than they would, so that there is time to. Where a job has processes of its own, they are
killed with it half of the times, and left to themselves otherwise.
"""

import argparse
import hashlib
import importlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before torch and numpy; and a fork has no threads
from recording import record, recorded

import torch
from measuring import table

import mien.report.study_page  # noqa: F401  this and SLOW once, so that no process that is killed has to import them
from killing import in_a_process, kill, lingering, start, unfinished, wait_for_a_write
from mien.api import resume_plan, run_plan, run_study
from mien.explorer.bundle import FILE_LIST, export_web
from mien.export.onnx_export import export_onnx
from mien.faces import Faces, open_faces
from mien.faces.pack.store import read_pack
from mien.files.tensors import read_tensors
from mien.judge import judge_of
from mien.recipes.recipe import apply_overrides, check
from mien.report.write import compare_runs, report_folder
from mien.runs.folder import Run
from mien.runs.plan_folder import is_plan, plan_runs
from mien.sessions.train import change_length, start_run, train_run
from mien.studies.plan import load_plan
from mien.studies.recipes_of_arms import load_study
from mien.studies.run_plan import evaluate_folder
from mien.studies.run_study import Length
from mien.training.checkpoint import find_damage

SOURCE, SIZE = "drawn:200", 32
SLOW = ("torch._dynamo", "torch.onnx", "onnxscript", "onnxruntime", "openTSNE", "sklearn.decomposition", "scipy.stats")
MOST_TRIALS = 50  # folders for each kill that is wanted; more mean that kills come too late, and nothing is shown
AGAIN = 0.75  # how often what goes on is killed once more
UNTIMED = ("seconds", "images_per_second")
METRICS = ("reconstruction", "distribution", "sharpness")
OFTEN = ["training.checkpoint_every_seconds=0", "training.snapshot_every_images=16", "training.log_every_images=24"]
HARD = {
    "vae": ["training.optimizer=rmsprop", "training.schedule=cosine", "data.horizontal_flips=true"],
    "gan": ["model.discriminator_updates=2", "model.r1_weight=1", "model.r1_every=3", "model.normalization=batch"],
    "acgan": ["model.r1_weight=1", "model.r1_every=2", "model.label_conditioning=embedding", "training.beta1=0"],
}
STUDY = """name = "mine"
title = "Two weights"
recipe = "tiny.toml"
metrics = ["reconstruction", "sharpness"]
[vary]
"model.kl_weight" = [0.5, 1e-4]
[[axes]]
metric = "test_mse"
label = "error"
"""
RECIPE = f"""name = "vae"
data = {{source = "{SOURCE}", size = {SIZE}}}
health = false
model = {{name = "vae", latent_dim = 8, width = 4}}
training = {{batch_size = 8, steps = 4, device = "cpu", precision = "float32", checkpoint_every_seconds = 0}}
"""
PLAN = """name = "two"
title = "Two models"
recipes = ["vae.toml", "gan.toml"]
"""
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """Something that is killed.

    go: does it in a folder, or goes on with it.    outcome: what it leaves, to be compared.    half: what stands under
    its final name and is not whole, in words.    first: a folder to begin from, copied.
    """

    go: Callable[[Path], None]
    outcome: Callable[[Path], Outcome]
    half: Callable[[Path], list[str]]
    first: Path | None = None


@dataclass
class Tally:
    """What came of a job's kills.  aimed: whether they wait for a write"""

    seconds: float
    aimed: bool = False
    kills: int = 0
    within_a_write: int = 0
    trials: int = 0
    half_files: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    to_the_end: list[float] = field(default_factory=list)
    orphans: set[int] = field(default_factory=set)


# The jobs


def tiny_recipe(name: str) -> Any:
    """A training of a second with all that could go wrong when it goes on."""
    table = {
        "name": name,
        "health": name == "acgan",  # whose best weights are kept; the others have more kills in the same time
        "data": {"source": SOURCE, "size": SIZE},
        "model": {"name": name, "latent_dim": 8, "width": 4},
        "training": {"batch_size": 8, "steps": 8, "device": "cpu", "precision": "float32", "ema_decay": 0.9},
    }
    return check(apply_overrides(table, [*HARD[name], *OFTEN]), "tiny")


def training(name: str, faces: Faces) -> Job:
    """A run of a model."""

    def go(folder: Path) -> None:
        started = (folder / "run" / "recipe.toml").exists()
        run = Run.open(folder / "run") if started else start_run(tiny_recipe(name), folder / "run")[0]
        train_run(run, faces)

    return Job(go, lambda folder: of_run(Run(folder / "run")), lambda folder: half_of_run(Run(folder / "run")))


def of_run(run: Run) -> Outcome:
    """Weights, the best ones, the whole state of the training, its pictures, and the log without times."""
    log = [{key: value for key, value in line.items() if key not in UNTIMED} for line in run.log()]
    progress = read_tensors(run.checkpoint)[0]
    return {
        **{path.name: digest_of(path) for path in (run.weights, run.best, run.checkpoint)},
        "progress": {key: value for key, value in progress.items() if key not in ("seconds", "last")},
        "log": sorted(json.dumps(line, sort_keys=True) for line in log),
        "files": sorted(path.name for path in run.path.glob("*.safetensors")),
        "samples": {path.name: content_of(path) for path in sorted(run.samples.glob("*.png"))},
    }


def digest_of(path: Path) -> str:
    """A hash of the tensors of a file, '' where there is none."""
    if not path.exists():
        return ""
    tensors = read_tensors(path)[1]
    return hashlib.sha256(b"".join(n.encode() + t.numpy().tobytes() for n, t in sorted(tensors.items()))).hexdigest()


def content_of(path: Path) -> str:
    """A hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def half_of_run(run: Run) -> list[str]:
    """What in a run's folder is not whole."""
    tensors = {path: find_damage(path) for path in run.path.glob("*.safetensors")}
    found = [f"{path.name}: {words}" for path, words in tensors.items() if words]
    found += [path.name for path in run.path.glob("samples/*.png") if not path.read_bytes().endswith(b"IEND\xaeB`\x82")]
    for path in (run.provenance_file, run.metrics_file):
        if path.exists():
            json.loads(path.read_text())
    return found


def longer(trained: Path, faces: Faces) -> Job:
    """A trained run that is given more steps."""

    def go(folder: Path) -> None:
        run = Run.open(folder / "run")
        change_length(run, faces, ["training.steps=14"])
        train_run(run, faces)

    return Job(go, lambda to: of_run(Run(to / "run")), lambda to: half_of_run(Run(to / "run")), trained)


def packing(source: Path | str, workers: int = 1) -> Job:
    """The pack of a source."""

    def packs(folder: Path) -> list[Path]:
        return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.exists() else []

    def outcome(folder: Path) -> Outcome:
        (pack,) = packs(folder)
        card = json.loads((pack / "pack.json").read_text())
        return {"card": card, **{path.name: content_of(path) for path in sorted(pack.glob("*.npy"))}}

    def half(folder: Path) -> list[str]:
        return [path.name for path in packs(folder) if read_pack(path, None) is None]

    return Job(lambda folder: void(open_faces(source, size=SIZE, cache=folder, workers=workers)), outcome, half)


def judging(faces: Faces) -> Job:
    """The judge of some faces."""

    def go(folder: Path) -> None:
        os.environ["MIEN_CACHE"] = str(folder)
        judge_of(faces)

    def files(folder: Path) -> list[Path]:
        return [path for path in (folder / "judges").glob("*") if path.suffix != ".lock"]

    def half(folder: Path) -> list[str]:
        return [path.name for path in files(folder) if path.suffix != ".tmp" and find_damage(path)]

    return Job(go, lambda folder: {path.name: content_of(path) for path in files(folder)}, half)


def evaluation(trained: Path) -> Job:
    """The numbers of a trained run."""
    return Job(
        lambda folder: void(evaluate_folder(folder / "run", names=METRICS)),
        lambda folder: {"metrics": Run(folder / "run").metrics()},
        lambda folder: half_of_run(Run(folder / "run")),
        trained,
    )


def reporting(measured: Path) -> Job:
    """The report of a measured run, over an older one."""

    def pages(folder: Path) -> Outcome:
        return {str(path.relative_to(folder)): content_of(path) for path in (folder / "run" / "report").rglob("*.*")}

    def half(folder: Path) -> list[str]:
        texts = [path.read_text() for path in (folder / "run" / "report").glob("report.html")]
        return ["report.html" for text in texts if not text.rstrip().endswith("</html>")]

    return Job(lambda folder: void(report_folder(folder / "run")), pages, half, measured)


def study(folder: Path) -> Job:
    """Two arms, trained, measured and reported."""
    (folder / "tiny.toml").write_text(RECIPE)
    (folder / "mine.toml").write_text(STUDY)

    def runs(to: Path) -> list[Run]:
        return [Run(path.parent) for path in sorted((to / "study").glob("*/recipe.toml"))]

    def outcome(to: Path) -> Outcome:
        whole = (to / "study" / "study.html").read_text().rstrip().endswith("</html>")
        results = json.loads((to / "study" / "study.json").read_text())
        return {"page": whole, "results": results, **{run.path.name: digest_of(run.weights) for run in runs(to)}}

    return Job(
        lambda to: void(run_study(load_study(folder / "mine.toml"), Length(seeds=1), out=to / "study")),
        outcome,
        lambda to: [words for run in runs(to) for words in half_of_run(run)],
    )


def plan(folder: Path) -> Job:
    """A plan of two runs, trained and measured by two processes, and reported."""
    for name in ("vae", "gan"):
        (folder / f"{name}.toml").write_text(RECIPE.replace('"vae"', f'"{name}"'))
    (folder / "two.toml").write_text(PLAN)

    def go(to: Path) -> None:
        if is_plan(to / "plan"):
            resume_plan(to / "plan", processes=2)
        else:
            run_plan(load_plan(folder / "two.toml"), out=to / "plan", processes=2)

    def runs(to: Path) -> list[Run]:
        return plan_runs(to / "plan") if is_plan(to / "plan") else []

    def outcome(to: Path) -> Outcome:
        whole = (to / "plan" / "report" / "report.html").read_text().rstrip().endswith("</html>")
        numbers = json.loads((to / "plan" / "metrics.json").read_text())
        return {"page": whole, "numbers": numbers, **{run.path.name: digest_of(run.weights) for run in runs(to)}}

    return Job(go, outcome, lambda to: [words for run in runs(to) for words in half_of_run(run)])


def comparing(three: Path) -> Job:
    """Three runs, measured and compared on a page."""

    def go(folder: Path) -> None:
        compare_runs([folder / name for name in HARD], out=folder / "compared", names=METRICS)

    def half(folder: Path) -> list[str]:
        pages = [
            path.name for path in folder.glob("compared/*.html") if not path.read_text().rstrip().endswith("</html>")
        ]
        for path in folder.glob("compared/*.json"):
            json.loads(path.read_text())
        return pages + [words for name in HARD for words in half_of_run(Run(folder / name))]

    def outcome(folder: Path) -> Outcome:
        numbers = {name: Run(folder / name).metrics() for name in HARD}
        return numbers | {path.name: content_of(path) for path in (folder / "compared").glob("compare.*")}

    return Job(go, outcome, half, three)


def web(trained: Path) -> Job:
    """A run as a page for browsers, into a new folder."""

    def files(folder: Path) -> Outcome:
        return {str(path.relative_to(folder)): content_of(path) for path in (folder / "site").rglob("*.*")}

    def half(folder: Path) -> list[str]:
        return [] if not (folder / "site").exists() or (folder / "site" / FILE_LIST).exists() else ["site"]

    return Job(lambda folder: void(export_web(trained / "run", folder / "site")), files, half)


def exporting(trained: Path, whole: dict[str, str]) -> Job:
    """A run as ONNX files; `whole` learns their content from the first, which nobody kills."""

    def files(folder: Path) -> Outcome:
        return {path.name: content_of(path) for path in sorted(folder.glob("*.onnx")) if path.name[0] != "."}

    def outcome(folder: Path) -> Outcome:
        whole.update(whole or files(folder))
        return files(folder)

    def half(folder: Path) -> list[str]:
        return [name for name, content in files(folder).items() if content != whole[name]]

    return Job(lambda folder: void(export_onnx(trained / "run", folder / "model.onnx")), outcome, half)


def void(result: object) -> None:
    """Nothing, whatever was done."""


def jobs_of(work: Path, names: list[str]) -> dict[str, Job]:
    """The jobs with these names, with what they begin from made in a folder."""
    os.environ["MIEN_CACHE"] = str(work / "cache")
    faces = open_faces(SOURCE, size=SIZE)
    for slow in SLOW:
        importlib.import_module(slow)
    if {"acgan", "evaluate", "study", "report", "plan", "compare"} & set(names or JOBS):
        in_a_process(lambda: void(judge_of(faces)))
    trained, measured, pictures = work / "trained", work / "measured", work / "pictures"
    if {"evaluate", "report", "export", "web"} & set(names or JOBS):
        in_a_process(lambda: training("vae", faces).go(trained))
    made: dict[str, Callable[[], Job]] = {
        **{name: lambda name=name: training(name, faces) for name in HARD},  # type: ignore[misc]
        "judge": lambda: judging(faces),
        "pack-drawn": lambda: packing("drawn:3000"),
        "pack-folder": lambda: packing(photographs(faces, pictures)),
        "evaluate": lambda: evaluation(trained),
        "study": lambda: study(work),
        "report": lambda: reporting(reported(trained, measured)),
        "export": lambda: exporting(trained, {}),
        "pack-by-two": lambda: packing(photographs(faces, work / "by-two"), workers=2),
        "longer": lambda: longer(begun(work / "gan", ["gan"], faces), faces),
        "plan": lambda: plan(work),
        "compare": lambda: comparing(begun(work / "three", list(HARD), faces)),
        "web": lambda: web(trained),
    }
    return {name: made[name]() for name in names or made}


JOBS = {  # and how many of some hundred kills fall on each: most on what takes longest in real life
    "vae": 25,
    "gan": 25,
    "acgan": 20,
    "judge": 2,
    "pack-drawn": 9,
    "pack-folder": 9,
    "evaluate": 3,
    "study": 2,
    "report": 2,
    "export": 3,
    "pack-by-two": 3,
    "longer": 3,
    "plan": 2,
    "compare": 2,
    "web": 2,
}


def photographs(faces: Faces, folder: Path) -> Path:
    """A folder of pictures."""
    from PIL import Image

    folder.mkdir()
    for row in range(1500):
        Image.fromarray(faces.images[row % len(faces.images)]).resize((96, 96)).save(folder / f"{row:04d}.jpg")
    return folder


def begun(folder: Path, names: list[str], faces: Faces) -> Path:
    """A folder of trained runs: one, under the name of `run`, or several under their models'."""
    for name in names:
        in_a_process(lambda name=name: training(name, faces).go(folder / name))  # type: ignore[misc]
        shutil.move(folder / name / "run", folder / f"{name}-run")
        shutil.rmtree(folder / name)
        (folder / f"{name}-run").rename(folder / ("run" if len(names) == 1 else name))
    return folder


def reported(trained: Path, measured: Path) -> Path:
    """A run with its numbers and a report."""
    shutil.copytree(trained, measured)
    in_a_process(lambda: void(report_folder(measured / "run")))
    return measured


# Killing


def kill_once(job: Job, folder: Path, tally: Tally, chance: random.Random, *, fresh: bool = False) -> None:
    """Begin or go on with a job, and kill it at some moment, unless it is through by then.

    Where it began from nothing, its length was then measured while the machine was busier, and is corrected.
    """
    before, started = unfinished(folder), time.perf_counter()
    process = start(lambda: job.go(folder), stretched=tally.aimed)
    process.join(chance.uniform(0, tally.seconds))
    if tally.aimed:
        wait_for_a_write(process, folder, before, chance)
    if process.exitcode is not None:
        if process.exitcode:
            sys.exit(f"{folder}: does not go on; it ended with {process.exitcode}: see above")
        if fresh:
            tally.seconds = min(tally.seconds, time.perf_counter() - started)
        return
    tally.orphans |= kill(process, chance)
    tally.kills += 1
    tally.within_a_write += bool(unfinished(folder) - before)
    tally.half_files += job.half(folder)


def beginning(job: Job, folder: Path) -> Path:
    """A fresh folder for a job."""
    if job.first:
        return shutil.copytree(job.first, folder)
    folder.mkdir()
    return folder


def tally_of(name: str, job: Job, kills: int, work: Path, chance: random.Random, aimed: bool) -> Tally:
    """Kill a job so many times, and have it go on to its end."""
    whole = beginning(job, work / f"{name}-whole")
    tally = Tally(in_a_process(lambda: job.go(whole), stretched=aimed), aimed)
    expected = job.outcome(whole)
    while tally.kills < kills:
        if tally.trials > kills * MOST_TRIALS:
            sys.exit(f"{name}: {tally.kills} of {kills} kills in {tally.trials} trials: it ends before it is killed")
        folder = beginning(job, work / f"{name}-killed")
        kill_once(job, folder, tally, chance, fresh=True)
        while tally.kills < kills and chance.random() < AGAIN:
            kill_once(job, folder, tally, chance)
        tally.to_the_end.append(in_a_process(lambda folder=folder: job.go(folder)))  # type: ignore[misc]
        tally.trials += 1
        tally.different += lingering(tally.orphans)
        got = job.outcome(folder)
        tally.different += [f"{name}: {key}" for key in {*got, *expected} if got.get(key) != expected.get(key)]
        shutil.rmtree(folder)
    return tally


def main() -> int:
    """-> 0 where nothing was lost, 1 where something was"""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="over all jobs (default: %(default)s)")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=[], help="default: all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    parser.add_argument("--aimed", action="store_true", help="kill while something is written beside its place")
    parser.add_argument("--record", action="store_true", help="add what --jobs or --aimed gives to what is recorded")
    args = parser.parse_args()
    torch.set_num_threads(1)
    chance, rows = random.Random(args.seed), []
    earlier = recorded("kill_anywhere") if args.record else []
    with tempfile.TemporaryDirectory() as folder:
        jobs = jobs_of(Path(folder), args.jobs)
        for name, job in jobs.items():
            kills = -(-args.kills * JOBS[name] // sum(JOBS[other] for other in jobs))
            tally = tally_of(name, job, kills, Path(folder), chance, args.aimed)
            rows.append(
                {
                    "job": f"{name}, aimed" if args.aimed else name,
                    "kills": tally.kills,
                    "within_a_write": tally.within_a_write,
                    "folders": tally.trials,
                    "half_files": len(tally.half_files),
                    "different": len(tally.different),
                    "seconds_uninterrupted": tally.seconds,
                    "seconds_to_go_on": median(tally.to_the_end or [0.0]),
                }
            )
            print(table(rows[-1:], {key: key for key in rows[-1]}), flush=True)
            print(*tally.half_files, *tally.different, sep="\n", end="", flush=True)
            if args.record or not (args.jobs or args.aimed):  # now, so that one that is stopped has recorded its part
                record("kill_anywhere", rows, trials=args.kills, earlier=earlier)
    return int(any(row["half_files"] or row["different"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
