"""A Slurm cluster of one node: munged, slurmctld and slurmd, run by root in a temporary folder, reached over loopback.

It needs no systemd, no cgroups and no settings of the machine, and changes none.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "squeue", "sinfo")
APT_GET = "apt-get install -y --no-install-recommends slurm-wlm munge"
STARTING = 60  # seconds at most until the node is idle
ENDING = 60  # seconds at most until jobs, then daemons, have ended
# cred_expire: so many seconds a job that Slurm requeues waits, where it would be 120.
# work: preempted jobs have KillWait (30 seconds, Slurm's default) to end. patient: they have GraceTime before that.
CONFIGURATION = """
ClusterName=verification
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=work Nodes={host} Default=YES PriorityTier=1
PartitionName=patient Nodes={host} PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes={host} PriorityTier=2 PreemptMode=OFF
"""


class NoCluster(Exception):
    """Slurm cannot be run here, or did not do what was waited for; the message says what to do next."""


def require_slurm(install: bool) -> None:
    """Raises: NoCluster where Slurm or munge is missing, or this is not root's process.

    install: get what is missing with apt-get
    """
    if os.geteuid() != 0:
        raise NoCluster(
            "slurmd starts jobs as root. Give the command as root, in a container or on a machine of yours."
        )
    if not missing_programs():
        return
    if not install:
        words = ", ".join(missing_programs())
        raise NoCluster(f"there is no {words} here. Install Slurm with `{APT_GET}`, or give --install.")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update", APT_GET):
        subprocess.run(command.split(), check=True, env=quiet, timeout=600)


def missing_programs() -> list[str]:
    """Which of Slurm's and munge's programs are not on the PATH."""
    return [name for name in PROGRAMS if not shutil.which(name)]


@contextmanager
def one_node_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """A cluster that is up within the block.  folder: an empty one, for all of its files.  -> what to add to the
    environment of Slurm's commands

    Raises: NoCluster where the node is not idle in time.
    """
    ours = {"SLURM_CONF": str(folder / "slurm.conf")}
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for command in write_configuration(folder):
            with (folder / f"{command[0]}.log").open("wb") as log:
                environment = {**os.environ, **ours}
                daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder))
            if command[0] == "munged":
                wait_for((folder / "munge.socket").exists, STARTING, "munged is up. --keep leaves its log")
        wait_for(lambda: say(ours, "sinfo -h -o %T") == "idle", STARTING, "the node is idle. --keep leaves the logs")
        yield ours
    finally:
        stop(daemons, ours)


def write_configuration(folder: Path) -> list[list[str]]:
    """Write slurm.conf and the key of munge.  -> the commands of the daemons, in the order to start them"""
    folder.chmod(0o711)  # munged wants its socket to be within everybody's reach
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(os.urandom(128))
    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(CONFIGURATION.format(host=host, folder=folder, ports=free_ports(2)))
    munged = ["munged", "--foreground"]
    for option, name in (("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"), ("seed-file", "seed")):
        munged.append(f"--{option}={folder}/munge.{name}")
    return [munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", host]]


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def stop(daemons: Sequence["subprocess.Popen[bytes]"], ours: Mapping[str, str]) -> None:
    """End the jobs, then the daemons, then whatever has outlived them; each wait is bounded."""
    with suppress(NoCluster, subprocess.TimeoutExpired):
        end_jobs(ours)
    for daemon in reversed(daemons):
        daemon.terminate()
        with suppress(subprocess.TimeoutExpired):
            daemon.wait(ENDING)
    for process in processes_of(ours):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def end_jobs(ours: Mapping[str, str]) -> None:
    """Cancel all jobs and wait until they have ended.  Raises: NoCluster where they have not in time."""
    say(ours, "scancel --user root")
    wait_for(lambda: not say(ours, "squeue -h"), ENDING, "the jobs have ended")


def processes_of(ours: Mapping[str, str]) -> list[int]:
    """The processes whose environment names this cluster's configuration: its daemons, and all that they started."""
    mark, found = f"SLURM_CONF={ours['SLURM_CONF']}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def say(ours: Mapping[str, str], command: str) -> str:
    """What one of Slurm's commands prints; "" where it fails."""
    given = {**os.environ, **ours}
    done = subprocess.run(command.split(), env=given, capture_output=True, text=True, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else ""


def job_facts(ours: Mapping[str, str], job: str) -> dict[str, str]:
    """What Slurm knows of a job, such as JobState and Restarts."""
    return dict(re.findall(r"(\w+)=(\S*)", say(ours, f"scontrol show job -o {job}")))


def wait_for(condition: Callable[[], object], seconds: float, words: str) -> None:
    """Look twice a second until the condition holds.  Raises: NoCluster with the words once the seconds are over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise NoCluster(f"waited {seconds:.0f} seconds until {words}")
        time.sleep(0.5)
