"""The record of results: tables under docs/results, each with where its figures come from.

A file holds one table in several entries. An entry is what one command measured: `what` in words,
`command`, `recordings` (real, simulated or synthesised), git `revision`, `seeds`, `machine`, `date`
and `rows`. The same command replaces its entry. `docs/results_pages.py` prints the tables.
"""

import json
import os
import platform
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "docs" / "results"
# What people call the tasks, by corpus and protocol.
TITLES = {
    ("twin", "database_by_room"): "Twin: database, rooms held out",
    ("twin", "paper"): "Twin: database, random fifths of the files",
    ("factors", "content_held_out_combinations"): "Factors: content, combinations held out",
    ("fsdd", "digit_leave_speaker_out"): "FSDD: digit, speakers held out",
    ("fsdd", "speaker_leave_digits_out"): "FSDD: speaker, digits held out",
    ("fsdd", "digit_official"): "FSDD: digit, takes 0–4 held out (official split)",
    ("esc10", "event_by_fold"): "ESC-10: environmental sound, published folds",
    ("rvb2014_rirs", "room_by_distance"): "REVERB 2014: room, each distance held out",
    ("rvb2014_rirs", "room_near_to_far"): "REVERB 2014: room, near to far",
    ("rvb2014_rirs", "room_far_to_near"): "REVERB 2014: room, far to near",
    ("rvb2014_rirs", "room_size_leave_room_out"): "REVERB 2014: room size, rooms held out",
}


def title(corpus: str, protocol: str) -> str:
    """A task in words; the names of others as they are."""
    return TITLES.get((corpus, protocol), f"{corpus}, {protocol}")


def record(
    table: str,
    what: str,
    rows: list[dict[str, Any]],
    *,
    command: str,
    recordings: str,
    seeds: list[int],
    revision: str | None = None,
    folder: Path = RESULTS,
) -> Path:
    """Write an entry of a table in place of what the same command, with any seeds, wrote before.

    Parameters
    ----------
    table
        Name of the file without its ending.
    what
        What was measured, in words; names the entry.
    rows
        One mapping a row of the table.
    command
        How to measure it again, as a person types it.
    recordings
        "real", "simulated" or "synthesised".
    seeds
        Those whose mean the figures are.
    revision
        Git revision of the code that computed the figures; the current one by default.

    Returns
    -------
    The file.
    """
    entry = {
        "what": what,
        "command": command,
        "recordings": recordings,
        "revision": revision or current_revision(),
        "seeds": seeds,
        "machine": machine(),
        "date": date.today().isoformat(),
        "rows": rows,
    }
    file = folder / f"{table}.json"
    entries = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    older = [number for number, known in enumerate(entries) if _identity(known) == _identity(entry)]
    if older:
        entries[older[0]] = entry
    else:
        entries.append(entry)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")
    return file


def speed_row(quantity: str, value: float, unit: str = "") -> dict[str, Any]:
    """A row of the table `speed`, to four digits."""
    return {"quantity": quantity, "value": float(f"{value:.4g}"), "unit": unit}


def record_speed(what: str, rows: list[dict[str, Any]], command: str) -> None:
    """Write an entry of the table `speed`; the benchmarks make their recordings themselves."""
    record("speed", what, rows, command=command, recordings="simulated", seeds=[])


def _identity(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["what"], entry["command"].partition(" --seeds")[0]


def markdown_table(rows: list[dict[str, Any]], headings: dict[str, str] | None = None) -> str:
    """Rows as a table in Markdown; a cell that a row lacks is a dash.

    Parameters
    ----------
    rows
        One mapping a row; numbers are printed as they are.
    headings
        What people call the columns, in their order; all keys as they come by default.
    """
    shown = headings or {key: key for row in rows for key in row}
    lines = [
        f"| {' | '.join(shown.values())} |",
        "|---" * len(shown) + "|",
        *(f"| {' | '.join(_cell(row.get(key)) for key in shown)} |" for row in rows),
    ]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def current_revision() -> str:
    """Short git revision of the working tree, with a mark where files differ from it."""
    revision = _git("rev-parse", "--short=9", "HEAD")
    return f"{revision} with changes" if _git("status", "--porcelain", "-uno") else revision


def machine() -> str:
    """Processor, number of cores, system and Python."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python " + (
        platform.python_version()
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
