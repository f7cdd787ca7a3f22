"""The model card of a trained run, in Markdown."""

from collections.abc import Mapping
from typing import Any

from disentangled_audio.evaluation.scores.summary import PRETRAINED_HYBRID
from disentangled_audio.models.bank import PRETRAINED
from disentangled_audio.report.names import in_sentence, label, pretrained_facts
from disentangled_audio.report.sentences import answer, interval


def model_card(facts: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """State what a run's models are for, what they were trained on, and how good they are.

    The card names no path and no recording.

    Parameters
    ----------
    facts : mapping
        From `preparation.facts_of`.
    metrics : mapping
        Scores of the run; may be empty.
    """
    name, fold = facts["corpus"], facts["fold"]
    corpus, target = facts["parameters"]["corpus"], facts["parameters"]["protocol"]["target"]
    of_fold = "" if fold is None else f", fold {fold}"
    parts = [
        f"# {target} of {name}",
        _simulated(corpus)
        + f"The models of run {facts['run_id']} (protocol `{facts['protocol']}`{of_fold}) "
        f"recognise `{target}` in recordings like those of the corpus `{name}`.",
        "## Use",
        "```python\nfrom disentangled_audio import Classifier\n\n"
        'Classifier.load("model.zip").predict(["clap.wav"])\n```\n\n'
        "It assigns one of its classes to any sound. `in_distribution` tells how typical a "
        "recording is of the training recordings: at 0.05 or less, do not trust the class.",
        "## Trained on",
        _data(corpus, metrics),
        *_pretrained(facts["pretrained"]),
        "## Scores",
        _scores(metrics),
        "## Software",
        "\n".join(f"- {name} {version}" for name, version in facts["packages"].items()),
    ]
    return "\n\n".join(parts) + "\n"


def _simulated(corpus: Mapping[str, Any]) -> str:
    if not corpus.get("simulated"):
        return ""
    return "**Trained on simulated recordings: its scores say nothing about real ones.** "


def _data(corpus: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    lines = [f"- Licence of the recordings: {corpus.get('licence', 'unknown')}"]
    if corpus.get("citation"):
        lines.append(f"- Citation: {corpus['citation']}")
    counts = {name: metrics.get(f"n_{name}") for name in ("train", "validation", "test")}
    if None not in counts.values():
        listed = ", ".join(f"{count} for {name}" for name, count in counts.items())
        lines.append(f"- Items: {listed}")
    return "\n".join(lines)


def _pretrained(weights: Mapping[str, Any] | None) -> list[str]:
    if not weights:
        return []
    lines = [f"- {name}: {value}" for name, value in pretrained_facts(weights)]
    about = (
        f"The answers come from {in_sentence(PRETRAINED_HYBRID)}. Of the models below, it and "
        f"{', '.join(map(label, sorted(PRETRAINED)))} use these weights; all others learned from "
        "this corpus alone."
    )
    return ["## Pretrained weights", "\n".join(lines), about]


def _scores(metrics: Mapping[str, Any]) -> str:
    if not metrics.get("models"):
        return "This run has no scores."
    rows = [f"| {label(name)} | {interval(scores)} |" for name, scores in metrics["models"].items()]
    head = "| model | balanced accuracy |\n|---|---|"
    return f"{answer(metrics)}\n\n{head}\n" + "\n".join(rows)
