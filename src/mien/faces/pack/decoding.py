"""Work on chunks in threads, results in order and bounded in number."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")
IN_FLIGHT = 3  # chunks for each thread: enough to keep every thread busy, few enough for memory


def in_order(
    task: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], workers: int
) -> Generator[Result, None, None]:
    """Yield task(*given) for each of the arguments; one worker is this thread, several are threads of their own.

    Pillow frees the interpreter while it decodes and resizes. At most IN_FLIGHT results a thread are held at once.
    """
    if workers == 1:
        yield from (task(*given) for given in arguments)
        return
    pool = ThreadPoolExecutor(workers, "decoding")
    running: deque[Future[Result]] = deque()
    try:
        for given in arguments:
            running.append(pool.submit(task, *given))
            if len(running) > workers * IN_FLIGHT:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """How many threads or processes are worth starting here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
