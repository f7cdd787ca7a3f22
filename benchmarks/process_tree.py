"""What a command and all processes that it starts use."""

import resource
import subprocess
import time

import psutil


def watched(command: list[str], **options) -> tuple[int, float, float]:
    """Run a command.

    Returns
    -------
    peak memory of the process tree in bytes, core seconds, wall seconds
    """
    before = _core_seconds()
    begin = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, **options)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _memory(process))
        # Looking holds the process up, so not all the time.
        time.sleep(0.25)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with status {process.returncode}")
    return peak, _core_seconds() - before, time.perf_counter() - begin


def _core_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory(process: psutil.Process) -> int:
    """Memory of a process tree; what its processes share is counted once (PSS)."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total
