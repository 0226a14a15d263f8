"""Under load, in short: the soaks of verification/soak.py with small numbers, and that they would notice a leak."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import pytest

import soak
from mien.runs.folder import Run
from tiny import ENCODING

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
LEAK = """
import time
kept = []
while len(kept) < 500:
    kept.append((bytearray(b"x") * 2**20, open('/dev/null')))
    time.sleep(.03)
"""


def test_a_process_that_leaks_memory_and_files_is_seen_to() -> None:
    with subprocess.Popen([sys.executable, "-c", LEAK]) as process, soak.watched(process.pid, 0.05) as watch:
        while len(watch.seconds) < 20:
            time.sleep(0.05)
        found = watch.summary()
        process.kill()
    assert found["growth_kib_per_minute"] > 10_000
    assert found["files_at_the_end"] > found["most_files"] / 2 > 3


@pytest.mark.long
def test_a_server_answers_many_clients_and_keeps_its_memory(trained_runs: dict[str, Run], tmp_path: Path) -> None:
    given = argparse.Namespace(run=trained_runs[ENCODING].path, clients=20, seconds=4.0, pause=0.2)
    rows = soak.soak_explorer(given, tmp_path)
    assert all(row["answers"] and not row["told_to_come_again"] for row in rows)
    assert rows[0]["end_mib"] < rows[0]["half_way_mib"] + 30
    assert rows[0]["files_at_the_end"] < 60
