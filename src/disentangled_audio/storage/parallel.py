"""Work on chunks in several processes, threads or machines, with one BLAS thread each."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config
from threadpoolctl import ThreadpoolController

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ParallelParameters

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")
# Processes take about this long to start; less work is finished sooner without them.
_START_UP_S = 3.0


def in_parallel(
    work: Callable[[Chunk], Result], chunks: Sequence[Chunk], parallel: ParallelParameters
) -> Iterator[Result]:
    """Yield the result of `work` for every chunk, in the order in which they finish.

    `work` and the chunks are pickled for other processes.

    Raises
    ------
    UserError
        If the scheduler of a cluster cannot be reached, its packages are missing, or a chunk
        killed several of its workers.
    """
    here, last = 0, []
    if parallel.backend != "dask":
        for result, workers_pay_off in _first_chunks(work, chunks, parallel):
            here += 1
            if workers_pay_off:
                last = [result]
                break
            yield result
    if here == len(chunks):
        return
    jobs = (delayed(_with_one_thread)(work, chunk) for chunk in chunks[here:])
    # A cluster uses all its workers.
    n_jobs = -1 if parallel.backend == "dask" else parallel.n_jobs
    with _cluster(parallel) as options:
        # The configuration must not affect the caller, so it ends before the results.
        with parallel_config(parallel.backend, n_jobs=n_jobs, **options):
            workers = Parallel(return_as="generator_unordered")
        results = _started(workers, jobs, parallel)
        # Yielded only now, so that the workers start while the caller uses it.
        yield from last
        yield from results if parallel.backend != "dask" else _from_cluster(results)


def _started(workers: Parallel, jobs: Iterator[Any], parallel: ParallelParameters) -> Iterator[Any]:
    try:
        return workers(jobs)
    except TimeoutError as error:
        if parallel.backend != "dask":
            raise
        raise UserError(
            f"the dask scheduler at parallel.scheduler_address={parallel.scheduler_address} has "
            f"no workers; start some: dask worker {parallel.scheduler_address}"
        ) from error


def _from_cluster(results: Iterator[Any]) -> Iterator[Any]:
    from distributed import KilledWorker

    try:
        yield from results
    except KilledWorker as error:
        raise UserError(
            f"several workers died while working on the same chunk ({error}). They may have too "
            "little memory: give them more, or start fewer on each machine"
        ) from error


def _first_chunks(
    work: Callable[[Chunk], Result], chunks: Sequence[Chunk], parallel: ParallelParameters
) -> Iterator[tuple[Result, bool]]:
    """Work in this process; also yield whether the remaining work justifies starting workers."""
    begin = time.monotonic()
    for done, chunk in enumerate(chunks, start=1):
        result = _with_one_thread(work, chunk)
        remaining_s = (time.monotonic() - begin) / done * (len(chunks) - done)
        yield result, parallel.n_jobs > 1 and remaining_s > _START_UP_S


def _with_one_thread(work: Callable[[Chunk], Result], chunk: Chunk) -> Result:
    # BLAS threads in every worker oversubscribe the cores: ten times slower on two cores.
    with _thread_pools().limit(limits=1):
        return work(chunk)


@cache
def _thread_pools() -> ThreadpoolController:
    # Searching for the libraries takes as long as reading about ten recordings.
    return ThreadpoolController()


@contextmanager
def _cluster(parallel: ParallelParameters) -> Iterator[dict[str, Any]]:
    """Connect to the cluster, if one is configured; yields options for joblib's backend."""
    if parallel.backend != "dask":
        yield {}
        return
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise UserError(
            "parallel.backend=dask needs packages that are not installed: "
            "pip install 'disentangled-audio[cluster]'"
        ) from error
    try:
        client = Client(parallel.scheduler_address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no dask scheduler answers at parallel.scheduler_address="
            f"{parallel.scheduler_address} ({error}); start one, or choose backend loky"
        ) from error
    with client:
        yield {"client": client}
