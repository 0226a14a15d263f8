"""Drawing faces in several processes: painting is many small steps of NumPy, which hold the interpreter.

With n processes, each draws every n-th chunk and writes its pixels to a pipe, which blocks until they are read. A
process is started by its own command, since multiprocessing would run the user's script again in it.
"""

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.faces.drawn.drawn_faces import draw
from mien.seeds import RendererSeed

PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from mien.faces.drawn.drawing_processes import main
main(*map(int, sys.argv[2:]))
"""


def draw_in_processes(count: int, size: int, chunk: int, processes: int) -> Iterator[NDArray[np.uint8]]:
    """The first so many drawn faces, a chunk at a time.  -> uint8 [n,S,S,3]

    Raises: DataError where a process ends early.
    """
    with ExitStack() as started:
        pipes = []
        for place in range(processes):
            given = map(str, (count, size, chunk, place, processes))
            command = [
                sys.executable,
                "-P",
                "-c",
                PROGRAM,
                json.dumps(sys.path),
                *given,
            ]  # -P: no module of this folder
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            started.callback(process.wait)
            started.callback(process.kill)  # callbacks run in reverse order: first kill, then wait
            assert process.stdout is not None
            pipes.append(started.enter_context(process.stdout))
        for start, pipe in zip(range(0, count, chunk), itertools.cycle(pipes), strict=False):
            yield read_faces_from(pipe, min(chunk, count - start), size)


def read_faces_from(pipe: IO[bytes], count: int, size: int) -> NDArray[np.uint8]:
    """The next faces that a process wrote.  Raises: DataError where the process has ended."""
    content = pipe.read(count * size * size * 3)
    if len(content) < count * size * size * 3:
        raise DataError("A process that draws faces ended: no memory left, or it was killed. Run the command again.")
    return np.frombuffer(content, np.uint8).reshape(count, size, size, 3)


def main(count: int, size: int, chunk: int, place: int, processes: int) -> None:
    """Write the chunks of one process to its output; it ends when the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that reads
    try:
        for start in range(place * chunk, count, processes * chunk):
            faces = draw(min(chunk, count - start), size=size, seed=RendererSeed.FACES, start=start)
            sys.stdout.buffer.write(faces.images.tobytes())
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        sys.stderr.close()  # or Python says at its end that the pipe is broken
