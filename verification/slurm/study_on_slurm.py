"""A study on a real Slurm: its workers are cancelled, preempted and killed, and it must end as one local process would.

    python verification/slurm/study_on_slurm.py --install

Starts a cluster of one node (`one_node_cluster.py`) and stops it again, whatever happens. Trains the study of
`small.toml`, four runs of some ten seconds, once in one local process and once a scenario with `--cluster slurm`, and
compares weights, metrics and the study's numbers byte for byte. It takes about eight minutes on 2 idle cores.
"""

import argparse
import csv
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from one_node_cluster import NoCluster, end_jobs, job_facts, one_node_cluster, require_slurm, say, wait_for

STUDY = Path(__file__).parent / "small.toml"
RESULTS = Path(__file__).parents[1] / "results" / "slurm.csv"
RUNS = ("8-seed0", "12-seed0", "8-seed1", "12-seed1")
IMAGES = 16_000  # of each run
UNDER_WAY = 1_600  # images after which a scenario begins
FINE = "as documented"
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED")
COMMAND = 600  # seconds at most of a command of mien's, and until the jobs of a scenario are over
STOPPED = re.compile("images; all of it is saved|stopped between two trainings")  # what a worker says that was stopped


@dataclass(frozen=True)
class Place:
    """Where a scenario is played: the study's folder, what Slurm's commands need to be told, the workers' jobs."""

    folder: Path
    ours: dict[str, str]
    jobs: Sequence[str]

    def words(self, job: str) -> str:
        """What a worker has said so far; that of a job which was submitted anew goes on in the same file."""
        file = self.folder / "cluster" / f"{job}_0_log.err"
        return file.read_text() if file.exists() else ""

    def training(self) -> list[str]:
        """The runs that have trained for a while and not to their end."""
        return [name for name in RUNS if UNDER_WAY <= images_seen(self.folder / name) < IMAGES]


@dataclass(frozen=True)
class Scenario:
    """What is done to the first of the study's workers once all are training, and how that is to look afterwards.

    ends: the states in which the job may end.  restarts: how often, at the least, Slurm starts it anew.
    stops: whether it has the time to save and to say so.
    """

    name: str
    act: Callable[[Place], str]
    workers: int = 1
    options: tuple[str, ...] = ()
    ends: tuple[str, ...] = ("COMPLETED",)
    restarts: int = 0
    stops: bool = True


@dataclass(frozen=True)
class Row:
    """A line of the table.  equal: how many runs have the weights and the metrics of the local ones, bit for bit"""

    scenario: str
    happened: str
    seconds: float
    runs: int
    equal: int
    verdict: str


def leave_alone(place: Place) -> str:
    """Do nothing."""
    return "nothing was done to them"


def cancel(place: Place) -> str:
    """Cancel the first worker's job, with SIGTERM and 30 seconds until SIGKILL."""
    say(place.ours, f"scancel {place.jobs[0]}")
    return "scancel of the first"


def requeue(place: Place) -> str:
    """Have Slurm queue the job anew, as an administrator would."""
    say(place.ours, f"scontrol requeue {place.jobs[0]}")
    return "scontrol requeue"


def preempt(place: Place) -> str:
    """Submit a job of higher priority that needs the whole node, and wait until it has it."""
    urgent = say(
        place.ours, "sbatch --parsable --partition=urgent --cpus-per-task=2 --output=/dev/null --wrap=hostname"
    )
    begun = time.monotonic()
    wait_for(lambda: state_of(place, urgent) in ("RUNNING", *OVER), 120, "the urgent job has begun")
    return f"a job of higher priority, which began {time.monotonic() - begun:.0f} s later"


def kill(place: Place) -> str:
    """Kill the first worker's process, without a word."""
    process = int(re.findall(r"worker: process (\d+)", place.words(place.jobs[0]))[-1])
    os.kill(process, signal.SIGKILL)
    return "SIGKILL of the first one's process"


def run_out(place: Place) -> str:
    """Wait until the job's two minutes are over, of which Slurm tells it 90 seconds before; then give it an hour."""
    wait_for(lambda: restarts_of(place, place.jobs[0]), COMMAND, "the job's time has run out")
    say(place.ours, f"scontrol update JobId={place.jobs[0]} TimeLimit=60")
    return "its two minutes ran out"


SCENARIOS = (
    Scenario("straight through", leave_alone, workers=2, stops=False),
    Scenario("cancelled", cancel, workers=2, ends=("CANCELLED",)),
    Scenario("killed", kill, workers=2, ends=("FAILED",), stops=False),
    Scenario("requeued", requeue, restarts=1),
    Scenario("preempted", preempt, restarts=1),
    Scenario("preempted with a time of grace", preempt, options=("partition=patient",), restarts=1),
    Scenario("out of time", run_out, options=("time=2",), restarts=1),
)


def play(scenario: Scenario, folder: Path, local: Path, ours: Mapping[str, str]) -> Row:
    """Have Slurm do the study in a folder while the scenario happens, and compare it with the local one."""
    begun = time.monotonic()
    options = [word for option in scenario.options for word in ("--cluster-option", option)]
    said = mien(ours, *study_to(folder), "--cluster", "slurm", "--processes", str(scenario.workers), *options)
    jobs = said.split("submitted to slurm: ")[1].splitlines()[0].split(", ")
    place = Place(folder, dict(ours), jobs)
    wait_for(lambda: len(place.training()) == scenario.workers, 120, f"{folder}: all workers are training")
    happened = scenario.act(place)
    wait_for(lambda: all(state_of(place, job) in OVER for job in jobs), COMMAND, f"{folder}: all jobs are over")
    left = [name for name in RUNS if not (folder / name / "metrics.json").exists()]
    seconds = time.monotonic() - begun
    mien(ours, "resume", str(folder))
    equal = sum(same_run(local / name, folder / name) for name in RUNS)
    faults = [*faults_of(scenario, place), *(f"{name} was left undone" for name in left)]
    if equal < len(RUNS) or numbers_of(folder) != numbers_of(local):
        faults.append("differs from the local study")
    ends = ", ".join(f"{job} {state_of(place, job)} after {restarts_of(place, job)} restarts" for job in jobs)
    workers = f"{scenario.workers} worker{'s' if scenario.workers > 1 else ''}"
    words = f"{workers}; {happened}; in the end {ends}"
    return Row(scenario.name, words, round(seconds, 1), len(RUNS), equal, "; ".join(faults) or FINE)


def images_seen(run: Path) -> int:
    """How many images a run has seen by its last whole line of the log."""
    log = run / "log.jsonl"
    seen = re.findall(r'"images_seen": (\d+).*\n', log.read_text() if log.exists() else "")
    return int(seen[-1]) if seen else 0


def study_to(folder: Path) -> list[str]:
    """The arguments of mien that do the study in a folder."""
    return ["study", str(STUDY), "--seeds", "2", "--out", str(folder)]


def mien(ours: Mapping[str, str], *arguments: str) -> str:
    """What a command of mien's prints.  Raises: NoCluster with its words where it fails."""
    command = [sys.executable, "-m", "mien", *arguments]
    done = subprocess.run(command, env={**os.environ, **ours}, capture_output=True, text=True, timeout=COMMAND)
    if done.returncode:
        raise NoCluster(f"mien {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def state_of(place: Place, job: str) -> str:
    """The state of a job, such as RUNNING."""
    return job_facts(place.ours, job).get("JobState", "")


def restarts_of(place: Place, job: str) -> int:
    """How often Slurm has started a job anew."""
    return int(job_facts(place.ours, job).get("Restarts", 0))


def faults_of(scenario: Scenario, place: Place) -> list[str]:
    """In what a scenario's first worker, to which it happened, and the others ended otherwise than is documented."""
    first, *others = place.jobs
    faults = [f"{job} ended as {state_of(place, job)}" for job in others if state_of(place, job) != "COMPLETED"]
    if state_of(place, first) not in scenario.ends:
        faults.append(f"{first} ended as {state_of(place, first)}")
    if restarts_of(place, first) < scenario.restarts:
        faults.append(f"{first} was not started anew")
    if bool(STOPPED.search(place.words(first))) != scenario.stops:
        faults.append(f"{first} {'did not save' if scenario.stops else 'was stopped'}")
    return faults


def same_run(one: Path, other: Path) -> bool:
    """Whether two runs have the same weights and metrics, byte for byte."""
    files = ("weights.safetensors", "metrics.json")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in files)


def numbers_of(folder: Path) -> object:
    """The numbers of a study: of each run and, over seeds, of each arm."""
    return json.loads((folder / "study.json").read_text())["arms"]


def play_all(scenarios: Sequence[Scenario], folder: Path) -> Generator[Row, None, None]:
    """Do the study locally, then play the scenarios one after the other.  -> what came of each"""
    threads = {"OMP_NUM_THREADS": "1", "MIEN_CACHE": str(folder / "cache")}  # sbatch hands them on to its jobs
    local, begun = folder / "local", time.monotonic()
    mien(threads, *study_to(local))
    yield Row("local", "1 process, without Slurm", round(time.monotonic() - begun, 1), len(RUNS), len(RUNS), FINE)
    (folder / "slurm").mkdir()
    with one_node_cluster(folder / "slurm") as ours:
        for number, scenario in enumerate(scenarios):
            begun = time.monotonic()
            try:
                yield play(scenario, folder / f"scenario{number}", local, ours | threads)
            except NoCluster as error:  # the others may go well
                yield Row(scenario.name, "", round(time.monotonic() - begun, 1), len(RUNS), 0, str(error))
                end_jobs(ours)


def write_results(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows as CSV, each with the versions and the processor."""
    here = {
        "slurm": subprocess.run(["slurmctld", "-V"], capture_output=True, text=True, timeout=30).stdout.split()[-1],
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "processor": processor(),
        "python": platform.python_version(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*asdict(rows[0]), *here], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) | here for row in rows)


def processor() -> str:
    """The name of the processor, and how many cores this process may use."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def main() -> int:
    """The command.  -> 0 where everything went as documented, 1 where not, 2 where it cannot be done"""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the cluster is stopped then, too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install slurm-wlm and munge where they are missing")
    parser.add_argument("--only", nargs="+", choices=[one.name for one in SCENARIOS], help="scenarios (default: all)")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="CSV", help=f"to write (default: {RESULTS.name})")
    parser.add_argument("--keep", action="store_true", help="leave the folder, with what daemons and workers said")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mien-slurm-"))
    folder.chmod(0o711)  # munged wants its socket to be within everybody's reach
    rows: list[Row] = []
    try:
        require_slurm(args.install)
        with closing(play_all([one for one in SCENARIOS if not args.only or one.name in args.only], folder)) as played:
            for row in played:
                print(f"{row.scenario}: {row.happened}", flush=True)
                print(f"  {row.seconds} s, {row.equal} of {row.runs} equal: {row.verdict}", flush=True)
                rows.append(row)
                write_results(args.out, rows)
    except NoCluster as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped, and the cluster with it", file=sys.stderr)
        return 130
    finally:
        if args.keep:
            print(f"left as it is: {folder}")
        else:
            shutil.rmtree(folder)
    print(f"written: {args.out}")
    return int(any(row.verdict != FINE for row in rows))


if __name__ == "__main__":
    sys.exit(main())
