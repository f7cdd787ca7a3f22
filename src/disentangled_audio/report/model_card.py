"""The model card of a trained run, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from disentangled_audio.report.names import label
from disentangled_audio.report.sentences import answer, interval


def model_card(
    place: Sequence[str | None], manifest: Mapping[str, Any], metrics: Mapping[str, Any]
) -> str:
    """What a run's models are for, what they were trained on, and how good they are.

    Neither a path nor the name of a recording is in it.

    Parameters
    ----------
    place : (corpus, protocol, fold)
        Names; a run that is no fold of a cross-validation has None.
    manifest : mapping
        The run's own.
    metrics : mapping
        Its scores; may be empty.
    """
    name, protocol, fold = place
    corpus, target = manifest["parameters"]["corpus"], manifest["parameters"]["protocol"]["target"]
    of_fold = "" if fold is None else f", fold {fold}"
    parts = [
        f"# {target} of {name}",
        _simulated(corpus)
        + f"Recognises the column `{target}` of recordings like those of the corpus `{name}`, by "
        f"the models of run {manifest['run_id']} (protocol `{protocol}`{of_fold}).",
        "## Use",
        "```python\nfrom disentangled_audio import Classifier\n\n"
        'Classifier.load("model.zip").predict(["clap.wav"])\n```\n\n'
        "It gives one of the classes it knows to any sound. `in_distribution` says how usual a "
        "recording is among the known ones: at 0.05 or less, do not trust the class.",
        "## Trained on",
        _data(corpus, metrics),
        "## Scores",
        _scores(metrics),
        "## Software",
        "\n".join(f"- {name} {version}" for name, version in manifest["packages"].items()),
    ]
    return "\n\n".join(parts) + "\n"


def _simulated(corpus: Mapping[str, Any]) -> str:
    if not corpus.get("simulated"):
        return ""
    return "**Trained on simulated recordings: it proves nothing about real ones.** "


def _data(corpus: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    lines = [f"- Licence of the recordings: {corpus.get('licence', 'unknown')}"]
    if corpus.get("citation"):
        lines.append(f"- Citation: {corpus['citation']}")
    counts = {name: metrics.get(f"n_{name}") for name in ("train", "validation", "test")}
    if None not in counts.values():
        told = ", ".join(f"{count} for {name}" for name, count in counts.items())
        lines.append(f"- Items: {told}")
    return "\n".join(lines)


def _scores(metrics: Mapping[str, Any]) -> str:
    if not metrics.get("models"):
        return "This run has none."
    rows = [f"| {label(name)} | {interval(scores)} |" for name, scores in metrics["models"].items()]
    head = "| model | balanced accuracy |\n|---|---|"
    return f"{answer(metrics)}\n\n{head}\n" + "\n".join(rows)
