"""Work on chunks in processes, results in order and bounded in number."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from mien.errors import DataError

Result = TypeVar("Result")
IN_FLIGHT = 3  # chunks for each process: enough that none waits, few enough for memory


def in_order(
    task: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], workers: int
) -> Generator[Result, None, None]:
    """Yield task(*given) for each of the arguments; with one worker in this process, otherwise in `workers`.

    No more of the arguments are taken than are being worked on.

    Processes are spawned, not forked: a fork of a process with threads (torch's) can hang.

    Raises: DataError, when a process dies.
    """
    if workers == 1:
        yield from (task(*given) for given in arguments)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
    running: deque[Future[Result]] = deque()
    try:
        for given in arguments:
            running.append(pool.submit(task, *given))
            if len(running) > workers * IN_FLIGHT:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    except BrokenProcessPool:
        raise DataError(
            "A process that decodes pictures died: no memory left, or a script without "
            "`if __name__ == '__main__':` around its call. Put the call under that line, or use one worker (workers=1)."
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # processes take a tenth of a second to end: nobody has to wait


def cores() -> int:
    """How many processes are worth starting here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin() -> None:
    """Leave Ctrl-C to the parent, or each process prints a traceback; end with it even where it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the parent's end; a killed one cannot tell its processes, and they would wait for work for ever."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
