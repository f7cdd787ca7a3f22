"""What the codes say over all folds of a protocol, mean over seeds, as one table.

    python benchmarks/disentanglement_table.py --env fsdd --seeds 7 8 9
    python benchmarks/disentanglement_table.py --env rooms --seeds 7 --rows content:room rhythm:t20

Runs `kedro run --pipelines=cross_validation` for each seed of which no run with the same parameters
is stored, or for all of them with `--again`, for other code (folds that this code has done are not
done again). `--params` are those of `kedro run`. A score is the balanced accuracy of a probe in
percent, mean over the folds, then mean over the seeds ± their standard deviation. Beside it: what
guessing reaches, the same code of the same network with random weights, and principal components
of the log-mel spectrogram.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fold_tables import REPOSITORY, project_context
from omegaconf import OmegaConf

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
    "block DCI": ("block_dci",),
    "SAP": ("sap",),
    "MIG": ("mig",),
    "informativeness": ("informativeness",),
    "swap: moved": ("swap", "moved"),
    "swap: stayed": ("swap", "stayed"),
    "swap: recombined": ("swap", "recombined"),
}
READ = ("cv_leakage_matrix", "cv_metrics", "cv_disentanglement")


@dataclass(frozen=True)
class SeedRun:
    """What a run of all folds with one seed left.

    Attributes
    ----------
    version : str
    revision : str
        Of git, with a mark where files differed from it.
    matrix : DataFrame
        `cv_leakage_matrix`.
    metrics, summary : dict
        `cv_metrics` and `cv_disentanglement`.
    """

    version: str
    revision: str
    matrix: pd.DataFrame
    metrics: dict[str, Any]
    summary: dict[str, Any]


def seed_run(env: str, params: list[str], seed: int, *, again: bool) -> SeedRun:
    """The newest stored run of this seed; it is made if there is none, or if asked."""
    given = [*params, f"seed={seed}"]
    context = project_context(env, OmegaConf.to_container(OmegaConf.from_dotlist(given)))
    manifest = None if again else _newest(context)
    if manifest is None:
        command = [sys.executable, "-m", "kedro", "run", f"--env={env}"]
        command += ["--pipelines=cross_validation", f"--params={','.join(given)}"]
        subprocess.run(command, cwd=REPOSITORY, check=True, stdout=sys.stderr)
        manifest = _newest(context)
    if manifest is None:
        raise SystemExit(
            f"the run of seed {seed} is not there: cross_validation.folds must be "
            "null and cross_validation.disentanglement true"
        )
    versions, git = manifest["dataset_versions"], manifest["git"] or {}
    matrix, metrics, summary = (context.catalog.load(name, version=versions[name]) for name in READ)
    matrix["control"] = matrix["control"].fillna("")
    revision = str(git.get("revision", "?"))[:9] + " with changes" * bool(git.get("changed"))
    return SeedRun(manifest["run_id"], revision, matrix, metrics, summary)


def _newest(context: Any) -> dict[str, Any] | None:
    """Manifest of the newest run with these parameters that measured every fold."""
    from disentangled_audio.pipelines.reporting.nodes import plain

    wanted = _comparable(plain(context.catalog.load("parameters")))
    file = Path(context.catalog["run_manifest"]._filepath)
    for path in sorted(file.glob(f"*/{file.name}"), reverse=True):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        versions = manifest["dataset_versions"]
        if set(READ) <= set(versions) and _comparable(manifest["parameters"]) == wanted:
            summary = context.catalog.load(READ[-1], version=versions[READ[-1]])
            if len(summary["folds"]) == summary["n_folds"]:
                return manifest
    return None


def _comparable(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters that results depend on, as a file gives them back."""
    return json.loads(json.dumps({k: v for k, v in parameters.items() if k != "parallel"}))


def score_line(runs: list[SeedRun], code: str, factor: str, condition: str) -> str | None:
    """A row of the table; None where no run has such a cell."""
    label = f"{code} → {factor}{CONDITIONS[condition]}"
    cells = [
        [
            row_of_matrix(run.matrix, name, factor, condition, control)
            for name, control in ((code, ""), (code, "untrained"), ("log_mel", "raw"))
        ]
        for run in runs
    ]
    if all(of_run[0] is None for of_run in cells):
        return None
    own, untrained, raw = (
        [None if cell is None else cell["score"] for cell in column]
        for column in zip(*cells, strict=True)
    )
    chance = [None if of_run[0] is None else of_run[0]["chance"] for of_run in cells]
    return _line(label, [_percent(values) for values in (own, chance, untrained, raw)])


def head_line(runs: list[SeedRun]) -> str:
    """The row of the classifier on the codes."""
    scores = [run.metrics["models"]["cnn"]["mean_balanced_accuracy"] for run in runs]
    cells = [row_of_matrix(run.matrix, "content", "target", MARGINAL, "") for run in runs]
    chance = [None if cell is None else cell["chance"] for cell in cells]
    return _line("CNN head → target", [_percent(scores), _percent(chance), "–", "–"])


def summary_line(runs: list[SeedRun], label: str, place: tuple[str, ...]) -> str:
    """The row of a block score or of a share of the swap test."""
    means = [run.summary["mean"] for run in runs]
    parts = [means] + [
        [mean["controls"].get(control, {}) for mean in means]
        for control in ("untrained", "raw_pca")
    ]
    own, untrained, raw = (_share([_at(part, place) for part in of_runs]) for of_runs in parts)
    return _line(label, [own, "–", untrained, raw])


def row_of_matrix(
    matrix: pd.DataFrame, code: str, factor: str, condition: str, control: str = ""
) -> pd.Series | None:
    """A cell of a leakage matrix; None where there is none."""
    asked = {"code": code, "factor": factor, "condition": condition, "control": control}
    chosen = matrix[np.logical_and.reduce([matrix[key] == value for key, value in asked.items()])]
    return chosen.iloc[0] if len(chosen) else None


def _at(mapping: dict[str, Any], place: tuple[str, ...]) -> float | None:
    found: Any = mapping
    for name in place:
        found = (found or {}).get(name)
    return found


def _percent(values: list[float | None]) -> str:
    return _text([None if value is None else 100.0 * value for value in values], 1)


def _share(values: list[float | None]) -> str:
    return _text(values, 2)


def _text(values: list[float | None], digits: int) -> str:
    """Mean over seeds, and their spread where there are several that differ."""
    known = np.array([value for value in values if value is not None and np.isfinite(value)])
    if len(known) == 0:
        return "–"
    spread = f" ± {known.std(ddof=1):.{digits}f}" if np.ptp(known) > 0 else ""
    of_some = f" ({len(known)} of {len(values)} seeds)" if len(known) < len(values) else ""
    return f"{known.mean():.{digits}f}{spread}{of_some}"


def _line(label: str, cells: list[str]) -> str:
    return f"| {' | '.join([label, *cells])} |"


def _row(text: str) -> tuple[str, str, str]:
    code, factor, condition = (*text.split(":"), MARGINAL)[:3]
    if condition not in CONDITIONS:
        raise argparse.ArgumentTypeError(
            f"{text}: write code:factor or code:factor:condition, the condition one of "
            f"{', '.join(CONDITIONS)}"
        )
    return code, factor, condition


def main() -> None:
    """Print the table of one environment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", default="base", help="of `kedro run`")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--again", action="store_true", help="run even what is stored")
    parser.add_argument("--params", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--rows", type=_row, nargs="+", default=ROWS, metavar="CODE:FACTOR[:CONDITION]"
    )
    options = parser.parse_args()
    runs = [
        seed_run(options.env, options.params, seed, again=options.again) for seed in options.seeds
    ]
    metrics = runs[0].metrics
    simulated = ", SIMULATED recordings" if metrics["simulated"] else ""
    print(
        f"**{metrics['corpus']}, {metrics['protocol']}**: target {metrics['target']}, "
        f"{metrics['n_folds']} folds, seeds {', '.join(map(str, options.seeds))}{simulated}\n"
    )
    print("| what is told | trained | chance | untrained | raw |\n|---|---|---|---|---|")
    lines = [head_line(runs)]
    lines += [score_line(runs, *row) for row in options.rows]
    lines += [summary_line(runs, label, place) for label, place in SUMMARY.items()]
    print("\n".join(line for line in lines if line is not None))
    print("\nRuns:", ", ".join(f"{run.version} ({run.revision})" for run in runs))


if __name__ == "__main__":
    main()
