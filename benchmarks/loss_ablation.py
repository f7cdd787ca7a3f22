"""What each loss term and bottleneck does: train without it, and measure the codes again.

    kedro run --env=fsdd --pipelines=ingestion,feature_engineering
    python benchmarks/loss_ablation.py --env fsdd --folds jackson theo

Reads the newest clips and views of the environment, and writes docs/results/loss_ablation.json.
Each variant trains the disentangler on the given folds of the protocol, and codes are measured as
`cross_validation` measures them. Numbers are means over the folds in percent; probes by balanced
accuracy.
"""

import argparse
import time
import warnings
from math import isnan
from typing import Any

import pandas as pd
from disentanglement_table import CONDITIONS, MARGINAL, row_of_matrix
from omegaconf import OmegaConf
from record import markdown_table, record, title
from seed_runs import project_context

from disentangled_audio.evaluation.splits import fold_protocols
from disentangled_audio.parameters import (
    Corpus,
    DisentanglementParameters,
    DisentanglerParameters,
    Protocol,
)
from disentangled_audio.pipeline_registry import fold_pipelines
from disentangled_audio.pipelines.ingestion.nodes import split_recordings

TYPES = {
    "corpus": Corpus,
    "protocol": Protocol,
    "disentangler": DisentanglerParameters,
    "disentanglement": DisentanglementParameters,
}
COLUMNS = (
    ("content", "target", MARGINAL),
    ("content", "group", MARGINAL),
    ("content", "rhythm", MARGINAL),
    ("content", "pitch", MARGINAL),
    ("content", "duration", "within target × group"),
    ("content", "median_f0", "within target × group"),
    ("rhythm", "rhythm", MARGINAL),
    ("rhythm", "duration", MARGINAL),
    ("rhythm", "target", MARGINAL),
    ("pitch", "pitch", MARGINAL),
    ("pitch", "median_f0", MARGINAL),
    ("pitch", "target", MARGINAL),
)


def variants(parameters: DisentanglerParameters) -> dict[str, list[str]]:
    """Changes of parameters by name; only of what the environment has switched on."""
    found: dict[str, list[str]] = {"all of it": []}
    for kind in ("independence", "compactness", "readouts", "adversaries"):
        for code in getattr(parameters.losses, kind):
            found[f"{kind} of {code}: 0"] = [f"disentangler.losses.{kind}.{code}.weight=0"]
    for code in parameters.encoders.quantised:
        found[f"{code} not quantised"] = [f"disentangler.encoders.quantised.{code}=null"]
    if parameters.encoders.timbre_dim:
        found["no timbre code"] = ["disentangler.encoders.timbre_dim=0"]
    if parameters.augmentation.stretch:
        found["no time resampling"] = ["disentangler.augmentation.stretch=0"]
    if parameters.losses.auxiliary_weight:
        found["second head: 0"] = ["disentangler.losses.auxiliary_weight=0"]
    if parameters.schedule.refit_epochs:
        found["no refit"] = ["disentangler.schedule.refit_epochs=0"]
    if parameters.decoder.pitch_spectrum_units:
        found["no spectrum of pitch alone"] = ["disentangler.decoder.pitch_spectrum_units=0"]
    found["reconstruction: 0"] = ["disentangler.losses.reconstruction_weight=0"]
    found["variational, not quantised"] = [
        "disentangler.losses.variational_weight=0.01",
        *(f"disentangler.encoders.quantised.{code}=null" for code in parameters.encoders.quantised),
    ]
    found["method: triple_bottleneck"] = ["disentangler.method=triple_bottleneck"]
    found["method: adversarial"] = ["disentangler.method=adversarial"]
    return found


def measure(env: str, changes: list[str], folds: list[str]) -> dict[str, float]:
    """Scores of one variant, mean over the folds."""
    context = project_context(env, OmegaConf.to_container(OmegaConf.from_dotlist(changes)))
    given = {name: kind.model_validate(context.params[name]) for name, kind in TYPES.items()}
    recordings, seed = context.catalog.load("recordings"), context.params["seed"]
    protocols = fold_protocols(recordings, given["protocol"], seed)
    unknown = sorted(set(folds) - set(protocols))
    if unknown:
        raise SystemExit(f"no fold '{unknown[0]}'; there are {', '.join(protocols)}")
    rows = []
    for fold in folds or list(protocols):
        splits = split_recordings(recordings, protocols[fold], seed)
        rows.append(_scores(_run(context, given, splits), splits))
    return pd.DataFrame(rows).mean().to_dict()


def _run(context: Any, given: dict[str, Any], splits: pd.DataFrame) -> dict[str, Any]:
    data: dict[str, Any] = {"splits": splits, "training_checkpoint": None}
    data |= {f"params:{name}": value for name, value in given.items()}
    parts = fold_pipelines()
    measured = (parts.training + parts.measurement).to_outputs("leakage_matrix", "disentanglement")
    for node in measured.from_inputs("splits").nodes:
        for name in node.inputs:
            if name not in data:
                data[name] = context.catalog.load(name)
        started = time.perf_counter()
        data.update(node.run({name: data[name] for name in node.inputs}))
        data[f"seconds of {node.name}"] = time.perf_counter() - started
    return data


def _scores(data: dict[str, Any], splits: pd.DataFrame) -> dict[str, float]:
    test = (splits["role"] == "test").to_numpy()
    probabilities = data["cnn_probabilities"].loc[test].drop(columns="recording_id")
    guessed = probabilities.idxmax(axis=1).str.removeprefix("p_").to_numpy()
    truth = splits.loc[test, "target"].astype(str)
    hits = pd.Series(guessed == truth.to_numpy()).groupby(truth.to_numpy()).mean()
    scores = {"CNN head": 100.0 * hits.mean()}
    for code, factor, condition in COLUMNS:
        cell = row_of_matrix(data["leakage_matrix"], code, factor, condition)
        if cell is not None:
            name = f"{code} → {factor}{CONDITIONS[condition]}"
            scores[name] = 100.0 * cell["score"]
    summary = data["disentanglement"]
    scores["block DCI"] = _percent(summary["block_dci"])
    scores["swap: moved"] = _percent(summary["swap"]["moved"])
    scores["swap: stayed"] = _percent(summary["swap"]["stayed"])
    scores["training s"] = data["seconds of train_disentangler"]
    return scores


def _percent(value: float | None) -> float:
    return float("nan") if value is None else 100.0 * value


def main() -> None:
    """Print the table of one environment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", default="base", help="of `kedro run`")
    parser.add_argument("--folds", nargs="*", default=[], help="of the protocol; all by default")
    parser.add_argument("--only", nargs="*", help="variants, by words of their names")
    parser.add_argument("--params", nargs="*", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    given = OmegaConf.to_container(OmegaConf.from_dotlist(options.params))
    context = project_context(options.env, given)
    chosen = variants(DisentanglerParameters.model_validate(context.params["disentangler"]))
    if options.only is not None:
        chosen = {
            name: changes
            for name, changes in chosen.items()
            if any(word in name for word in options.only)
        }
    rows = []
    for name, changes in chosen.items():
        scores = measure(options.env, [*options.params, *changes], options.folds)
        known = {column: round(score, 1) for column, score in scores.items() if not isnan(score)}
        rows.append({"variant": name, **known})
        print(markdown_table(rows[-1:]), flush=True)
    folds = f" --folds {' '.join(options.folds)}" if options.folds else ""
    params = f" --params {' '.join(options.params)}" if options.params else ""
    record(
        "loss_ablation",
        f"{title(context.params['corpus_name'], context.params['protocol_name'])}{folds}{params}",
        rows,
        command=f"python benchmarks/loss_ablation.py --env {options.env}{folds}{params}",
        recordings="simulated" if context.params["corpus"].get("simulated") else "real",
        seeds=[context.params["seed"]],
    )


if __name__ == "__main__":
    main()
