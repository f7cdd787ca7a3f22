"""What the codes say over all folds of a protocol, mean over seeds: docs/results/codes.json.

    python benchmarks/disentanglement_table.py --env fsdd --seeds 7 8 9
    python benchmarks/disentanglement_table.py --env rooms --seeds 7 --rows content:room rhythm:t20

Runs `kedro run --pipelines=cross_validation` for each seed of which no run with the same parameters
is stored, or for all of them with `--again`, for other code (folds that this code has done are not
done again). `--params` are those of `kedro run`. A score is the balanced accuracy of a probe in
percent, mean over the folds, then mean over the seeds, and their standard deviation. Beside it:
what guessing reaches, the same code of the same network with random weights, and principal
components of the log-mel spectrogram. How often swaps move an attribute goes to
docs/results/swaps.json.
"""

import argparse
from typing import Any

import numpy as np
import pandas as pd
from record import markdown_table
from seed_runs import SeedRun, command_of, mean_and_spread, parser, record_runs, seed_run

MARGINAL = "marginal"
CONDITIONS = {
    MARGINAL: "",
    "within target": " within target",
    "within target × group": " within target × group",
}
# Code, factor and condition; those that the corpus lacks are left out.
ROWS = (
    *(("content", "target", MARGINAL), ("content", "group", MARGINAL)),
    *(("content", "rhythm", MARGINAL), ("content", "pitch", MARGINAL)),
    ("content", "duration", "within target × group"),
    ("content", "median_f0", "within target × group"),
    *(
        ("rhythm", "rhythm", MARGINAL),
        ("rhythm", "duration", MARGINAL),
        ("rhythm", "t20", MARGINAL),
    ),
    *(("rhythm", "target", MARGINAL), ("rhythm", "pitch", MARGINAL)),
    *(("pitch", "pitch", MARGINAL), ("pitch", "median_f0", MARGINAL)),
    *(("pitch", "target", MARGINAL), ("pitch", "rhythm", MARGINAL)),
)
SUMMARY = {
    "block_dci": "block DCI",
    "sap": "SAP",
    "mig": "MIG",
    "informativeness": "informativeness",
}
SWAPS = ("moved", "stayed", "recombined")


def score_row(runs: list[SeedRun], code: str, factor: str, condition: str) -> dict[str, Any] | None:
    """A row of the table; None where no run has such a cell."""
    cells = [row_of_matrix(run.matrix, code, factor, condition) for run in runs]
    if all(cell is None for cell in cells):
        return None
    untrained = [row_of_matrix(run.matrix, code, factor, condition, "untrained") for run in runs]
    raw = [row_of_matrix(run.matrix, "log_mel", factor, condition, "raw") for run in runs]
    shown = runs[0].metrics["target"] if factor == "target" else factor
    return _row(
        f"{code} → {shown}{CONDITIONS[condition]}",
        trained=_scores(cells, "score"),
        chance=_scores(cells, "chance"),
        untrained=_scores(untrained, "score"),
        raw=_scores(raw, "score"),
    )


def network_row(runs: list[SeedRun]) -> dict[str, Any]:
    """The row of the classifier on the codes."""
    scores = [run.metrics["models"]["cnn"]["mean_balanced_accuracy"] for run in runs]
    cells = [row_of_matrix(run.matrix, "content", "target", MARGINAL) for run in runs]
    told = f"network → {runs[0].metrics['target']} (its own head)"
    return _row(told, trained=scores, chance=_scores(cells, "chance"))


def summary_row(runs: list[SeedRun], name: str) -> dict[str, Any]:
    """The row of a block score."""
    means = [run.summary["mean"] for run in runs]
    controls = {
        column: [(mean["controls"].get(control) or {}).get(name) for mean in means]
        for column, control in (("untrained", "untrained"), ("raw", "raw_pca"))
    }
    return _row(SUMMARY[name], trained=[mean.get(name) for mean in means], **controls)


def swap_row(runs: list[SeedRun]) -> dict[str, Any]:
    """Shares of swaps in which the attribute followed its donor, the others stayed, and both."""
    shares = {name: [run.summary["mean"]["swap"].get(name) for run in runs] for name in SWAPS}
    return {"swapped": "any code", **{name: _percent(values)[0] for name, values in shares.items()}}


def row_of_matrix(
    matrix: pd.DataFrame, code: str, factor: str, condition: str, control: str = ""
) -> pd.Series | None:
    """A cell of a leakage matrix; None where there is none."""
    asked = {"code": code, "factor": factor, "condition": condition, "control": control}
    chosen = matrix[np.logical_and.reduce([matrix[key] == value for key, value in asked.items()])]
    return chosen.iloc[0] if len(chosen) else None


def _scores(cells: list[pd.Series | None], key: str) -> list[float | None]:
    return [None if cell is None else cell[key] for cell in cells]


def _row(told: str, trained: list[float | None], **others: list[float | None]) -> dict[str, Any]:
    mean, spread = _percent(trained)
    row = {"told": told, "trained": mean, "spread": spread}
    row |= {name: _percent(values)[0] for name, values in others.items()}
    return {name: value for name, value in row.items() if value is not None}


def _percent(values: list[float | None]) -> tuple[float | None, float | None]:
    return mean_and_spread([None if value is None else 100.0 * value for value in values], 1)


def _asked_row(text: str) -> tuple[str, str, str]:
    code, factor, condition = (*text.split(":"), MARGINAL)[:3]
    if condition not in CONDITIONS:
        raise argparse.ArgumentTypeError(
            f"{text}: write code:factor or code:factor:condition, the condition one of "
            f"{', '.join(CONDITIONS)}"
        )
    return code, factor, condition


def main() -> None:
    """Print and record the table of one environment."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--rows", type=_asked_row, nargs="+", default=ROWS, metavar="CODE:FACTOR[:CONDITION]"
    )
    options = arguments.parse_args()
    chosen = options.env, options.params
    runs = [seed_run(*chosen, seed, again=options.again) for seed in options.seeds]
    command = command_of("disentanglement_table.py", *chosen, options.seeds)
    found = [network_row(runs), *(score_row(runs, *row) for row in options.rows)]
    rows = [row for row in found if row is not None]
    rows += [summary_row(runs, name) for name in SUMMARY]
    print(markdown_table(rows))
    for table, measured in (("codes", rows), ("swaps", [swap_row(runs)])):
        record_runs(table, measured, runs, command, options.seeds)


if __name__ == "__main__":
    main()
