"""Workers: several processes, here or on a cluster, work through one folder, and leave what one would."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from mien.api import resume_study, run_plan, run_study
from mien.cli import main
from mien.cli.terminal import Terminal
from mien.errors import Diverged, Interrupted, RecipeError
from mien.runs.folder import Run
from mien.studies.plan import load_plan
from mien.studies.recipes_of_arms import load_study
from mien.studies.run_study import Length, begin_study
from mien.studies.runner import processes, workers
from mien.studies.runner import slurm as slurm_runner
from mien.studies.runner.processes import Relay, share, tell, work_in_processes
from mien.studies.runner.slurm import cluster_of
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

STUDY = """
name = "two"
title = "Two"
recipe = "tiny.toml"
metrics = ["sharpness"]
[vary]
"model.width" = [4, 5]
[[axes]]
metric = "sharpness_samples"
label = "sharpness"
"""
RUNS = ("4-seed0", "5-seed0")
NARROW = ("model.width=4", "model.latent_dim=8", "training.batch_size=8", "training.steps=4", "training.device=cpu")


class Told:
    """An observer that remembers what it was told, and does something when the first training begins."""

    def __init__(self, act: Callable[[], Any] = lambda: None) -> None:
        self.act = act
        self.notes: list[str] = []
        self.trained: dict[str, int] = {}

    def work(self, words: str, done: int, total: int) -> None: ...

    def note(self, words: str) -> None:
        self.notes.append(words)

    def training(self, name: str, images_seen: int, total: int, line: dict[str, Any]) -> None:
        first = not self.trained
        self.trained[name] = images_seen
        if first:
            self.act()


def begun(folder: Path, *overrides: str) -> Path:
    """A study of two runs of a second or two, not trained yet."""
    folder.mkdir(exist_ok=True)
    (folder / "tiny.toml").write_text(
        f'name = "{ENCODING}"\ndata = {{source = "{tiny.SOURCE}", size = 32}}\nhealth = false\n'
        f'model = {{name = "{ENCODING}", latent_dim = 8, width = 4}}\n'
        'training = {batch_size = 8, steps = 200, device = "cpu", precision = "float32", log_every_images = 8}'
    )
    (folder / "two.toml").write_text(STUDY)
    study = load_study(folder / "two.toml")
    return begin_study(study, Length(seeds=1), out=folder / "study", overrides=overrides)[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return resume_study(begun(tmp_path_factory.mktemp("finished"))).folder


def weights(folder: Path) -> list[bytes]:
    return [(folder / name / "weights.safetensors").read_bytes() for name in RUNS]


def until(condition: Callable[[], Any]) -> Any:
    """What the condition gives, as soon as it gives something."""
    for _ in range(1200):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("did not happen within a minute")


# Processes of this machine


@pytest.mark.long
def test_stopped_processes_save_and_go_on_to_what_one_would_have_left(finished: Path, tmp_path: Path) -> None:
    folder, told = begun(tmp_path), Told()
    with pytest.raises(Interrupted, match=r"^stopped; what was done is saved. To go on: mien resume .*/study$"):
        resume_study(folder, processes=2, observer=Told(lambda: signal.raise_signal(signal.SIGINT)))
    assert any((folder / name / "checkpoint.safetensors").exists() for name in RUNS)
    assert not all((folder / name / "weights.safetensors").exists() for name in RUNS)
    resume_study(folder, processes=2, observer=told)
    assert weights(folder) == weights(finished)
    numbers = [json.loads((one / "study.json").read_text())["arms"] for one in (finished, folder)]
    assert numbers[0] == numbers[1]
    assert set(told.trained.values()) == {1600}


def test_processes_that_are_killed_are_told_and_are_no_failure(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROGRAM", "import os; os.kill(os.getpid(), 9)")
    told = Told()
    work_in_processes(finished, 2, told)
    assert told.notes == ["2 of 2 processes were killed from outside; their runs go on in this one."]


@pytest.mark.long
def test_a_plan_on_several_processes_says_what_diverged_and_reports_the_rest(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\ntitle = "Mine"\nrecipes = ["vae-quick", "gan-quick"]')
    changes = ("training.learning_rate=9", "training.steps=200")
    absurd = [f"{ENCODING}.{change}" for change in changes]
    plan, told = load_plan(tmp_path / "mine.toml"), Told()
    given: dict[str, Any] = {"source": tiny.SOURCE, "out": tmp_path / "plan", "overrides": [*NARROW, *absurd]}
    words = rf"^{ENCODING}: .* training has diverged.*The report of the rest: .*report.html"
    with pytest.raises(Diverged, match=words):
        run_plan(plan, processes=2, observer=told, **given)
    assert [words for words in told.notes if words.startswith(f"{ENCODING}: did not train. ")]
    assert Run.open(tmp_path / "plan" / ADVERSARIAL).metrics()


def test_the_judge_is_trained_once_before_several_processes_want_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(workers, "judge_of", lambda *given: order.append("judge"))
    monkeypatch.setattr(workers, "work_in_processes", lambda *given: order.append("processes"))
    monkeypatch.setattr(workers, "work_through", lambda *given: order.append("the rest"))
    folder = begun(tmp_path)
    workers.work(folder, tiny.faces(), 2)
    workers.work(folder, tiny.faces(), 1)
    assert order == ["judge", "processes", "the rest", "the rest"]


def test_processes_share_threads_and_take_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert share(0, 3) == {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [share(place, 16)["CUDA_VISIBLE_DEVICES"] for place in range(3)] == ["0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert [share(place, 16)["CUDA_VISIBLE_DEVICES"] for place in range(3)] == ["5", "7", "5"]


def test_what_a_process_is_told_arrives_and_words_of_a_library_too(capsys: pytest.CaptureFixture[str]) -> None:
    Relay().note("seen")
    Relay().training("mine", 8, 32, {"phase/kl": 0.5, "health": ("collapse",)})
    told = Told()
    for line in (*capsys.readouterr().out.splitlines(), "a library's words\n", "3\n"):
        tell(told, line)
    assert (told.notes, told.trained) == (["seen", "a library's words", "3"], {"mine": 8})


@pytest.mark.parametrize("number", [0, -1])
def test_no_processes_are_refused_before_anything_is_written(number: int, tmp_path: Path) -> None:
    for act in (
        lambda: run_plan(load_plan("quick"), out=tmp_path / "plan", processes=number),
        lambda: run_study(load_study("depth"), out=tmp_path / "plan", processes=number),
    ):
        with pytest.raises(RecipeError, match=rf"--processes {number}: at least one process is needed"):
            act()
    assert not (tmp_path / "plan").exists()


# A cluster


def submitted(folder: Path, count: int) -> list[Any]:
    return slurm_runner.submit(folder, count, cluster_of("local", ["time=5"]), Terminal)


def process_of(job: Any) -> int:
    """The number of a worker's process, which is the first that it says; once it is training."""
    words = until(lambda: job.paths.stderr.exists() and "training " in job.paths.stderr.read_text() and job.stderr())
    return int(words.split("process ")[1].split()[0])


@pytest.mark.long
def test_a_worker_of_a_cluster_takes_the_run_of_one_that_is_killed(finished: Path, tmp_path: Path) -> None:
    folder = begun(tmp_path)
    lost, other = submitted(folder, 2)
    os.kill(process_of(lost), signal.SIGKILL)
    assert other.result() == "nothing is left to do"
    until(lost.done)
    assert weights(folder) == weights(finished)


@pytest.mark.long
def test_a_worker_that_is_to_make_room_saves_and_goes_on_exactly(finished: Path, tmp_path: Path) -> None:
    folder = begun(tmp_path)
    (job,) = submitted(folder, 1)
    os.kill(process_of(job), signal.SIGUSR2)
    assert job.result() == "nothing is left to do"
    words = job.paths.stderr.read_text()
    assert "images; all of it is saved" in words
    assert words.count("worker: process") == 2
    assert weights(folder) == weights(finished)


def test_a_worker_that_is_cancelled_saves_and_is_not_submitted_anew(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    (job,) = submitted(folder, 1)
    os.kill(process_of(job), signal.SIGTERM)
    assert "images; all of it is saved. To go on: mien resume " in job.result()
    assert (folder / "4-seed0" / "checkpoint.safetensors").exists()
    assert not (folder / "4-seed0" / "weights.safetensors").exists()


def in_this_process(folder: Path, told: Told) -> tuple[str, list[int]]:
    """What a worker's job returns that runs here, and the signals by which it asked to be queued anew."""
    queued: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGTERM)}
    signal.signal(signal.SIGUSR2, lambda number, frame: queued.append(number))  # as submitit does, in a job
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        return slurm_runner.WorkerJob(folder, None, lambda: nullcontext(told))(), queued
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(("number", "queued"), [(signal.SIGTERM, []), (signal.SIGUSR2, [signal.SIGUSR2])])
def test_a_worker_that_does_not_train_stops_at_once(
    number: signal.Signals, queued: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    told = Told()
    monkeypatch.setattr(slurm_runner, "plan_faces", lambda *given: signal.raise_signal(number))
    assert in_this_process(begun(tmp_path), told) == ("stopped between two trainings", queued)
    assert not told.trained


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Slurm's commands are stood in for by one that accepts every job and keeps its script."""
    for name, does in (("sbatch", f"cp $1 {tmp_path}/script; echo Submitted batch job 7"), ("srun", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "script"


def test_a_plan_is_submitted_to_slurm_with_its_options_and_what_to_do_next_is_said(
    slurm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "plan")
    options = ["--cluster-option", "partition=gpu", "--cluster-option", "time=90", "--cluster-option", "gres=gpu:1"]
    assert main(["run", "--data", tiny.SOURCE, "--out", out, "--processes", "3", "--cluster", "slurm", *options]) == 0
    script = slurm.read_text()
    for flag in ("partition=gpu", "time=90", "gres=gpu:1", "array=0-2%3", "signal=USR2@90", "job-name=mien"):
        assert f"#SBATCH --{flag}\n" in script
    said = capsys.readouterr().out
    assert "submitted to slurm: 7_0, 7_1, 7_2" in said
    assert f"once the jobs have ended: mien resume {out}" in said
    there = {path.name for path in (tmp_path / "plan").iterdir() if path.suffix != ".lock"}
    assert there == {ENCODING, ADVERSARIAL, CONDITIONAL, "plan.json", "cluster"}


@pytest.mark.parametrize(
    ("facts", "anew"),
    [
        ("JobState=RUNNING Reason=None PreemptTime=2026-11-28T13:08:07", True),  # preempted, with a time of grace
        ("JobState=RUNNING Reason=None PreemptTime=None", False),  # scancel --signal=TERM
        ("JobState=CANCELLED Reason=None PreemptTime=2026-11-28T13:08:07", False),  # scancel during the grace
        ("JobState=CANCELLED Reason=None", False),
        ("", False),  # Slurm does not answer
    ],
)
def test_a_worker_that_slurm_stops_is_queued_anew_where_it_is_preempted(
    facts: str, anew: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\n[ "$4" = 7_1 ] && echo "{facts}"\n')
    (tmp_path / "scontrol").chmod(0o755)
    environment = {"SUBMITIT_EXECUTOR": "slurm", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    for name, value in (environment | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}).items():
        monkeypatch.setenv(name, value)
    told = Told(lambda: signal.raise_signal(signal.SIGTERM))
    words, queued = in_this_process(begun(tmp_path), told)
    assert queued == ([signal.SIGUSR2] if anew else [])
    assert "images; all of it is saved" in told.notes[-1]
    assert words == told.notes[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["partitoin=gpu"], r"--cluster-option: submitit says: Unknown argument 'partitoin'"),
        (["time=2:00:00"], r'"timeout_min" expected type int .*Every engine takes time \(in minutes\)'),
        (["tasks_per_node=2"], r"--cluster-option tasks_per_node=2: a job is one worker .* --processes"),
        (["gpu"], r"--cluster-option gpu: expected NAME=VALUE, such as partition=gpu"),
    ],
)
def test_a_wrong_option_is_refused(options: list[str], message: str, slurm: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        cluster_of("slurm", options)


def test_without_slurm_or_with_options_for_nothing_it_is_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    assert main(["study", "depth", "--cluster", "slurm"]) == 2
    assert main(["run", "--cluster-option", "partition=gpu"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("mien: --cluster slurm: there is no sbatch and no srun here. ")
    assert second.startswith("mien: --cluster-option partition=gpu: is for --cluster. ")
    assert not list(tmp_path.iterdir())
