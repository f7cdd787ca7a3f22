"""The trained models that a command uses, and the recordings that it is given."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from disentangled_audio.cli.output import note, project

if TYPE_CHECKING:
    from disentangled_audio.models.classifier import Classifier
    from disentangled_audio.runs.trained_runs import TrainedRun

_OPTIONS = (
    click.option(
        "--model",
        metavar="VERSION|FILE",
        help="Version of a trained run, or a bundle (.zip); by default the newest run.",
    ),
    click.option("--corpus", metavar="NAME", help="Use the newest run of this corpus."),
    click.option("--protocol", metavar="NAME", help="Use the newest run of this protocol."),
    click.option(
        "--fold", metavar="NAME", help="Use the model of this fold of a cross-validation."
    ),
    click.option(
        "--kind",
        metavar="KIND",
        help="Kind of the recordings, such as rir or noise; by default told by their names.",
    ),
)


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose models to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def loaded(
    paths: tuple[str, ...],
    *,
    model: str | None,
    corpus: str | None,
    protocol: str | None,
    fold: str | None,
    kind: str | None,
) -> "tuple[Classifier, TrainedRun | None, list[str]]":
    """Load the chosen models and say which they are.

    Returns
    -------
    Classifier
    TrainedRun or None
        None for a bundle.
    list of str
        The paths, absolute, so that a table is clear wherever it is read.
    """
    # An unset variable gives an empty path, which would mean the current folder.
    if "" in paths:
        raise click.UsageError("a PATH is empty; name a file, folder, glob pattern or zip")
    chosen = {"corpus": corpus, "protocol": protocol, "fold": fold}
    bundle = Path(model).expanduser() if model is not None and model.endswith(".zip") else None
    if bundle is not None and any(chosen.values()):
        raise click.UsageError("a bundle is one model: leave out --corpus, --protocol and --fold")
    from disentangled_audio.corpora.sources.named import named_files
    from disentangled_audio.models.classifier import Classifier
    from disentangled_audio.runs.trained_runs import find_run

    run = None if bundle else find_run(project() / "data", model, **chosen)
    places = [_absolute(path) for path in paths]
    # Fail before the models are loaded, which takes seconds.
    named_files(places)
    classifier = Classifier.load(bundle) if run is None else Classifier.of_run(run)
    note(_about(classifier.manifest, kind))
    return classifier, run, places


def _absolute(path: str) -> str:
    if "://" in path:
        return path
    expanded = Path(path).expanduser()
    return str(expanded if expanded.is_absolute() else Path.cwd() / expanded)


def _about(facts: dict[str, Any], kind: str | None) -> str:
    """Say what a model recognises, and on which corpus it was trained."""
    described, target = facts["parameters"]["corpus"], facts["parameters"]["protocol"]["target"]
    simulated = ", of simulated recordings" if described.get("simulated") else ""
    text = (
        f"model {facts['run_id']}: {target} of {facts['corpus']}{simulated}, "
        f"protocol {facts['protocol']}"
    )
    if facts["pretrained"]:
        text += f", with pretrained weights ({facts['pretrained']['name']})"
    if kind or described.get("kind") != "rir":
        return text
    return f"{text}; a recording without a kind in its name is taken as an impulse response"
