"""Lists and comparisons of trained runs and cross-validations."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disentangled_audio.errors import UserError
from disentangled_audio.runs.trained_runs import (
    MANIFEST,
    REPORTING,
    Result,
    TrainedRun,
    find_run,
    ignored,
    read_json,
    trained_runs,
)
from disentangled_audio.storage.dotted import dotted

_CV_METRICS = "cv_metrics.json"
# Scores of a run and of a cross-validation, by the names shown in the comparison.
_OF_RUN = {name: name for name in ("balanced_accuracy", "accuracy", "log_loss", "ece")}
_OF_FOLDS = {"mean": "mean_balanced_accuracy", "worst": "worst_fold.balanced_accuracy"}


@dataclass(frozen=True)
class CrossValidation(Result):
    """Scores over the folds of a protocol.

    Attributes
    ----------
    content : content of the file, `cv_metrics.json`.
    """

    content: dict[str, Any]

    @property
    def target(self) -> str:
        """Column that it recognises."""
        return self.content["target"]

    def metrics(self) -> dict[str, Any]:
        """Scores over all folds."""
        return self.content

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the run that scored the folds; empty without its manifest."""
        manifest = self.file.parents[2] / MANIFEST / self.version / MANIFEST
        found = read_json(manifest) if manifest.is_file() else None
        return {} if found is None else found.get("parameters", {})


def cross_validations(data: Path) -> list[CrossValidation]:
    """All scored cross-validations, the newest first."""
    files = data.glob(f"{REPORTING}/*/*/{_CV_METRICS}/*/{_CV_METRICS}")
    contents = ((file, read_json(file)) for file in files)
    found = [
        CrossValidation(file, content)
        for file, content in contents
        if content is not None and _is_scored(file, content)
    ]
    return sorted(found, key=lambda one: one.version, reverse=True)


def _is_scored(file: Path, content: dict[str, Any]) -> bool:
    """Whether a file has the scores of a cross-validation; if not, warn."""
    is_scored = {"folds", "n_folds", "models", "target"} <= set(content)
    if not is_scored:
        ignored(file, "it has no scores of a cross-validation")
    return is_scored


def listed(data: Path) -> list[dict[str, Any]]:
    """Runs and cross-validations, the newest first, each fold below its cross-validation.

    Returns
    -------
    list of dict
        `version`, `corpus`, `protocol`, `kind` (`run`, `folds` or `fold`), `fold` (for a
        cross-validation, how many were run), `hybrid` (balanced accuracy; for a cross-validation
        the mean over folds), `worst` (fold) and `date`. Unknown values are None.
    """
    runs, validations = trained_runs(data), cross_validations(data)
    tops = [run for run in runs if run.fold is None] + validations
    waiting = [run for run in runs if run.fold is not None]
    rows = []
    for top in sorted(tops, key=lambda one: one.version, reverse=True):
        rows.append(summary(top))
        if isinstance(top, CrossValidation):
            place = (top.corpus, top.protocol)
            rows += [summary(run) for run in waiting if (run.corpus, run.protocol) == place]
            waiting = [run for run in waiting if (run.corpus, run.protocol) != place]
    # Folds of cross-validations without scores.
    return rows + [summary(run) for run in waiting]


def summary(one: TrainedRun | CrossValidation) -> dict[str, Any]:
    """Describe a run or cross-validation in a row of `listed`."""
    of_folds = isinstance(one, CrossValidation)
    metrics = one.metrics()
    hybrid = dotted(metrics.get("models", {}).get("hybrid", {}))
    scores = _OF_FOLDS if of_folds else {"mean": "balanced_accuracy"}
    kind, fold = "run", metrics.get("fold")
    if of_folds:
        kind, fold = "folds", f"{len(metrics['folds'])} of {metrics['n_folds']}"
    elif one.fold is not None:
        kind, fold = "fold", one.fold
    return {
        "version": one.version,
        "corpus": one.corpus,
        "protocol": one.protocol,
        "kind": kind,
        "fold": fold,
        "hybrid": hybrid.get(scores["mean"]),
        "worst": hybrid.get(scores.get("worst", "")),
        "date": one.version[:16].replace("T", " ").replace(".", ":"),
    }


def comparison(data: Path, versions: tuple[str, str]) -> dict[str, Any]:
    """Compare the scores and parameters of two runs, or of two cross-validations.

    A run that trained models comes before a cross-validation of the same version.

    Returns
    -------
    dict
        `runs` as in `listed`; `metrics` by model and score, one value per run; `parameters` that
        differ, by dotted name, one value per run; `confusion`, counts of the hybrid by true and
        predicted class, one table per run, none for cross-validations. Missing values are None.

    Raises
    ------
    UserError
        If one does not exist, the two differ in corpus or target, or only one is a
        cross-validation.
    """
    validations = cross_validations(data)
    pair = [find_run(data, version, others=validations) for version in versions]
    _check_comparable(*pair)
    of_folds = isinstance(pair[0], CrossValidation)
    scores = _OF_FOLDS if of_folds else _OF_RUN
    models = [one.metrics().get("models", {}) for one in pair]
    flat = [dotted(one.parameters) for one in pair]
    names = sorted(set().union(*flat))
    values = {name: [of_run.get(name) for of_run in flat] for name in names}
    return {
        "runs": [summary(one) for one in pair],
        "metrics": {
            model: {
                name: [dotted(of_run.get(model, {})).get(score) for of_run in models]
                for name, score in scores.items()
            }
            for model in dict.fromkeys(name for of_run in models for name in of_run)
        },
        "parameters": {name: two for name, two in values.items() if any(v != two[0] for v in two)},
        "confusion": [] if of_folds else [_confusion(one) for one in pair],
    }


def _check_comparable(first: Any, second: Any) -> None:
    for one in (first, second):
        if isinstance(one, TrainedRun) and one.fold is not None:
            raise UserError(
                f"{one.version} is fold '{one.fold}' of a cross-validation, which scores its folds "
                "together: compare the versions of two cross-validations"
            )

    def described(one: Any) -> str:
        kind = "a cross-validation" if isinstance(one, CrossValidation) else "a run"
        return f"{one.version} is {kind} of corpus '{one.corpus}', target '{one.target}'"

    if (type(first), first.corpus, first.target) != (type(second), second.corpus, second.target):
        raise UserError(
            f"{described(first)}; {described(second)}. Their scores cannot be compared: choose two "
            "runs, or two cross-validations, with the same corpus and target"
        )


def _confusion(run: TrainedRun) -> dict[str, dict[str, int]]:
    file = run.result("confusion_matrices.csv")
    if file is None:
        return {}
    counts: dict[str, dict[str, int]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["model"] == "hybrid":
                counts.setdefault(row["target"], {})[row["predicted"]] = int(float(row["count"]))
    return counts
