"""Work on several processes, with a progress bar on standard error.

Ctrl-C is the parent's business: workers do not hear it, and what they have finished counts.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sidereal.protocol.errors import UnavailableError

WAITING_PER_JOB: Final = 2
"""Items given to the workers at a time: the rest is not begun when somebody interrupts."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_all(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int, title: str
) -> Iterator[Result]:
    """Do some work for every item, and show how far it has come.

    Args:
        work: what to do, a function of a module.
        items: for which.
        jobs: processes; with one it is done here.
        title: of the progress bar.

    Returns:
        the results as they come, in any order.

    Raises:
        KeyboardInterrupt: somebody does not want to wait for the rest.
        UnavailableError: a worker was killed.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    results = map(work, items) if jobs == 1 else _run_on_processes(work, items, jobs)
    with bar:
        task = bar.add_task(title, total=len(items))
        for result in results:
            bar.advance(task)
            yield result


def _run_on_processes(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Iterator[Result]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_ignore_interrupts)
    try:
        waiting, running = list(reversed(items)), set[Future[Result]]()
        while waiting or running:
            while waiting and len(running) < WAITING_PER_JOB * jobs:
                running.add(pool.submit(work, waiting.pop()))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool:
        raise UnavailableError(
            "a worker process was killed: is there enough memory for so many --jobs?"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
