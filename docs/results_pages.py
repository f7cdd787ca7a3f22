"""Tables of docs/results as Markdown, which the pages of the site include.

`python docs/results_pages.py` writes the table of README.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "benchmarks"))

from record import markdown_table  # noqa: E402

from disentangled_audio.evaluation.shortcuts.controls import (  # noqa: E402
    BASELINE,
    CONTROLS,
    SHORTCUT,
)
from disentangled_audio.report.names import LABELS  # noqa: E402

PEERS = {
    "published_svm": "published SVM",
    "published_cnn": "published CNN",
    "published_combined": "published vote of both",
    "mfcc": "MFCC (librosa)",
    "egemaps": "eGeMAPS (openSMILE)",
    "pyaudioanalysis": "pyAudioAnalysis",
    "minirocket": "MiniRocket (aeon)",
}
CODES = {
    "told": "what is told",
    "trained": "trained codes, %",
    "spread": "± over seeds",
    "low": "95 % from",
    "high": "to",
    "chance": "chance",
    "untrained": "untrained encoder",
    "raw": "raw log-mel",
}
SWAPS = {
    "swapped": "code taken from a donor",
    "attribute": "attribute",
    "moved": "follows the donor, %",
    "stayed": "other attributes stay, %",
    "recombined": "both, %",
    "rebuilt": "read correctly from clips rebuilt without a swap, %",
}
ALTERED = {
    "recording": "recording",
    "hybrid": "hybrid",
    "ece": "its calibration error",
    "best member": "best member",
    "its": "its score",
    "lead": "hybrid minus best member",
}
SMALL = {
    "recordings a class": "recordings a class",
    "hybrid": "hybrid",
    "best member": "best member",
    "its": "its score",
    "lead": "hybrid minus best member",
    "hybrid's confidence": "hybrid's mean confidence",
    "cannot tell": "says that it cannot tell",
    "hybrid sure": "hybrid sure",
    "member sure": "surest member sure",
    "which": "surest member",
}
SUGGEST = {
    "labels": "labelled clips",
    "suggested": "accuracy, suggested",
    "random": "accuracy, random",
    "lead": "difference",
    "low": "95 % from",
    "high": "to",
}
SPEED = {"quantity": "quantity", "value": "value", "unit": "unit"}
# The best control under each heading.
BEST = {heading: f"best {heading}" for heading in (SHORTCUT, BASELINE)}
README_HEADINGS = {
    "what": "recordings and question",
    "mean": "mean over folds",
    "interval": "95 % interval",
    "worst": "worst fold",
    **BEST,
    "seeds": "seeds",
}
BEGIN, END = "<!-- Written by: python docs/results_pages.py -->\n", "<!-- end of results -->"
Entries = list[dict[str, Any]]


def write_results_pages(results: Path, generated: Path) -> None:
    """Write `results_<table>.md` of every table into a folder."""
    for name, page in PAGES.items():
        text = page(_read(results, name))
        (generated / f"results_{name}.md").write_text(text + "\n", encoding="utf-8")


def _read(results: Path, name: str) -> Entries:
    if name == "peers":
        return _joined(
            *(_entries(results / f"{table}.json") for table in ("published_method", name))
        )
    return _entries(results / f"{name}.json")


def _entries(file: Path) -> Entries:
    return json.loads(file.read_text(encoding="utf-8"))


def _joined(first: Entries, second: Entries) -> Entries:
    """Entries of both tables, those of one task side by side."""
    order = [entry["what"] for entry in first]
    return sorted([*first, *second], key=lambda entry: order.index(entry["what"]))


def scores_page(entries: Entries) -> str:
    """A row a task and a column a model."""
    rows = [_scores_row(entry) for entry in entries]
    models = [name for name in LABELS if any(name in row for row in rows)]
    # The hybrid is what is asked about, and comes last.
    models = [*models[1:], *models[:1]]
    headings = {"task": "recordings and question", "seeds": "seeds"}
    headings |= {name: LABELS[name] for name in models}
    headings |= {"interval": "Hybrid, 95 % interval", "lead": "Hybrid minus its best member"}
    headings |= BEST
    return "\n\n".join([markdown_table(rows, headings), sources(entries)])


def _scores_row(entry: dict[str, Any]) -> dict[str, Any]:
    row = {"task": _task(entry), "seeds": _seeds(entry)}
    for of in entry["rows"]:
        if "control" in of:
            control = CONTROLS[of["control"]]
            row[control.heading] = f"{control.label} {of['mean']:.3f}"
        else:
            row[of["model"]] = mean_and_worst(of)
        if "low" in of:
            row["interval"] = f"{of['low']:.2f}–{of['high']:.2f}"
        if "lead" in of:
            by_seed = ", ".join(f"{p:g}" for p in of["p"])
            row["lead"] = f"{100 * of['lead']:+.1f} points (p = {by_seed})"
    return row


def mean_and_worst(row: dict[str, Any]) -> str:
    """Mean over the folds, its spread over seeds if known, and the worst fold."""
    spread = f" ± {row['spread']:.3f}" if row.get("spread") is not None else ""
    return f"{row['mean']:.3f}{spread} / {row['worst']:.3f}"


def peers_page(entries: Entries) -> str:
    """A row a task and a column a method; then what each costs, where that was measured."""
    tasks = {_task(entry): {} for entry in entries}
    costs: dict[str, dict[str, Any]] = {}
    for entry in entries:
        for of in entry["rows"]:
            tasks[_task(entry)][of["method"]] = mean_and_worst(of)
            if "core_s" in of:
                cost = f"{of['core_s']:.0f} ({of['peak_mb']:,.0f})"
                costs.setdefault(_task(entry), {})[of["method"]] = cost
    tables = [_by_task(tasks), "Core seconds and, in brackets, peak memory in MB, all folds:"]
    return "\n\n".join([*tables, _by_task(costs), sources(entries)])


def _by_task(cells: dict[str, dict[str, Any]]) -> str:
    used = [name for name in PEERS if any(name in row for row in cells.values())]
    rows = [{"task": task, **row} for task, row in cells.items()]
    return markdown_table(rows, {"task": "task", **{name: PEERS[name] for name in used}})


def _each(headings: dict[str, str] | None) -> Callable[[Entries], str]:
    """A table for each entry, with the columns that it has."""

    def page(entries: Entries) -> str:
        parts = []
        for entry in entries:
            keys = [key for row in entry["rows"] for key in row]
            names = headings or {key: key for key in keys}
            used = {key: text for key, text in names.items() if key in keys}
            title = f"**{_task(entry)}** (seeds {_seeds(entry)})" if entry["seeds"] else ""
            title = title or f"**{_task(entry)}**"
            parts += [title, markdown_table(entry["rows"], used)]
        return "\n\n".join([*parts, sources(entries)])

    return page


def _task(entry: dict[str, Any]) -> str:
    kind = entry["recordings"]
    return entry["what"] if kind == "real" else f"{entry['what']} (*{kind}*)"


def _seeds(entry: dict[str, Any]) -> str:
    return ", ".join(map(str, entry["seeds"]))


def sources(entries: Entries) -> str:
    """Where each table comes from, and how to measure it again."""
    copied = ("revision", "date", "machine")
    rows = [
        {
            **{"what": entry["what"], "command": f"`{entry['command']}`"},
            **{name: entry[name] for name in copied},
            "note": entry.get("note", ""),
        }
        for entry in entries
    ]
    return f"Where these figures come from:\n\n{markdown_table(rows)}"


PAGES: dict[str, Callable[[Entries], str]] = {
    "scores": scores_page,
    "codes": _each(CODES),
    "swaps": _each(SWAPS),
    "loss_ablation": _each(None),
    "peers": peers_page,
    "altered": _each(ALTERED),
    "small": _each(SMALL),
    "suggest": _each(SUGGEST),
    "shared_sound": _each(None),
    "speed": _each(SPEED),
}


def readme_table(entries: Entries) -> str:
    """The hybrid's row of each task with real recordings and an interval."""
    rows = []
    for entry in entries:
        hybrid = next(row for row in entry["rows"] if row.get("model") == "hybrid")
        if entry["recordings"] == "real" and "low" in hybrid:
            shown = _scores_row(entry)
            mean, _, worst = shown["hybrid"].partition(" / ")
            rows.append({**shown, "what": entry["what"], "mean": mean, "worst": worst})
    return markdown_table(rows, README_HEADINGS)


def with_results(readme: str, entries: Entries) -> str:
    """README with the table of today's files."""
    before, _, rest = readme.partition(BEGIN)
    return before + BEGIN + readme_table(entries) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    readme = DOCS.parent / "README.md"
    text = with_results(readme.read_text(encoding="utf-8"), _entries(DOCS / "results/scores.json"))
    readme.write_text(text, encoding="utf-8")
