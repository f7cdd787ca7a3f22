"""Trained runs and cross-validations of a project beside each other."""

import csv
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disentangled_audio.errors import UserError
from disentangled_audio.parameters.names import checked_version
from disentangled_audio.runs.trained_runs import MANIFEST, REPORTING, TrainedRun, trained_runs
from disentangled_audio.storage.dotted import dotted

_logger = logging.getLogger(__name__)

_CV_METRICS = "cv_metrics.json"
# Scores of a run, and those of a cross-validation, by the names that the comparison shows.
_OF_RUN = {name: name for name in ("balanced_accuracy", "accuracy", "log_loss", "ece")}
_OF_FOLDS = {"mean": "mean_balanced_accuracy", "worst": "worst_fold.balanced_accuracy"}


@dataclass(frozen=True)
class CrossValidation:
    """Scores over the folds of a protocol.

    Attributes
    ----------
    file : its `cv_metrics.json`.
    content : what that holds.
    """

    file: Path
    content: dict[str, Any]

    @property
    def version(self) -> str:
        """Its name, a time."""
        return self.file.parent.name

    @property
    def corpus(self) -> str:
        """Name of its corpus."""
        return self.file.parents[3].name

    @property
    def protocol(self) -> str:
        """Name of its protocol."""
        return self.file.parents[2].name

    @property
    def target(self) -> str | None:
        """The column that it recognises."""
        return self.content.get("target")

    def metrics(self) -> dict[str, Any]:
        """Scores over all folds."""
        return self.content

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the run that scored the folds; empty if its manifest is not there."""
        manifest = self.file.parents[2] / MANIFEST / self.version / MANIFEST
        if not manifest.is_file():
            return {}
        return json.loads(manifest.read_text(encoding="utf-8")).get("parameters", {})


def cross_validations(data: Path) -> list[CrossValidation]:
    """All cross-validations that have been scored, the newest first."""
    files = data.glob(f"{REPORTING}/*/*/{_CV_METRICS}/*/{_CV_METRICS}")
    contents = {file: _scores(file) for file in files}
    found = [CrossValidation(file, content) for file, content in contents.items() if content]
    return sorted(found, key=lambda one: one.version, reverse=True)


def _scores(file: Path) -> dict[str, Any]:
    """What a cross-validation reached; empty, with a warning, if the file does not say."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        _logger.warning("%s is left out, it cannot be read: %s", file, error)
        return {}
    if not isinstance(content, dict) or not {"folds", "n_folds", "models"} <= set(content):
        _logger.warning("%s is left out, it has no scores of a cross-validation", file)
        return {}
    return content


def listed(data: Path) -> list[dict[str, Any]]:
    """Runs and cross-validations, the newest first, each fold below its cross-validation.

    Returns
    -------
    list of dict
        `version`, `corpus`, `protocol`, `kind` (`run`, `folds` or `fold`), `fold` (of a
        cross-validation: how many were run), `hybrid` (balanced accuracy; of a cross-validation
        the mean over folds), `worst` (of the folds) and `date`. What is not known is None.
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
    # Of a cross-validation that has not come to its scores.
    return rows + [summary(run) for run in waiting]


def summary(one: TrainedRun | CrossValidation) -> dict[str, Any]:
    """A row of `listed`."""
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


def comparison(pair: list[TrainedRun] | list[CrossValidation]) -> dict[str, Any]:
    """What two runs, or two cross-validations, reached, and in what parameters they differ.

    Returns
    -------
    dict
        `runs`, each as in `listed`; `metrics`: by model and score, a value a run; `parameters`
        that differ: by dotted name, a value a run; `confusion` of the hybrid, a run each: counts
        by true and said class, none of cross-validations. What a run does not have is None.

    Raises
    ------
    UserError
        If scores of the two say nothing about each other: of another corpus, another target, or
        of a single fold and of many.
    """
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


def find_compared(data: Path, versions: tuple[str, str]) -> list[Any]:
    """Two runs, or cross-validations, by their versions.

    A run that trained models is preferred to a cross-validation of the same version.

    Raises
    ------
    UserError
        If there is none; says what there is. If a version breaks the rule for names.
    """
    for version in versions:
        checked_version(version, "version of a run")
    known: dict[str, Any] = {one.version: one for one in cross_validations(data)}
    runs = trained_runs(data)
    known |= {run.version: run for run in runs if run.fold is not None and run.version not in known}
    known |= {run.version: run for run in runs if run.fold is None}
    if not known:
        raise UserError(
            f"no model is trained yet: {data} has no run of all pipelines. Train one first: "
            "kedro run"
        )
    for version in versions:
        if version not in known:
            newest = ", ".join(sorted(known, reverse=True)[:5])
            raise UserError(f"there is no trained run {version}; there are {newest} (see: runs)")
    return [known[version] for version in versions]


def _check_comparable(first: Any, second: Any) -> None:
    def told(one: Any) -> str:
        kind = "a cross-validation" if isinstance(one, CrossValidation) else "a run"
        return f"{one.version} is {kind} of corpus '{one.corpus}', target '{one.target}'"

    if (type(first), first.corpus, first.target) != (type(second), second.corpus, second.target):
        raise UserError(
            f"{told(first)}; {told(second)}. Their scores say nothing about each other: compare "
            "two runs, or two cross-validations, of one corpus and target"
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
