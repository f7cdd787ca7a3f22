"""The command `disentangled-audio`, for people who do not know Kedro."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

# Far more than any row is long: what is piped must not be cut or wrapped.
_PIPED_WIDTH = 10_000


@click.group(
    name="disentangled-audio",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Run it in the project's folder. Exit codes: 0 done, 1 not possible, 2 wrong usage.",
)
@click.pass_context
def app(context: click.Context) -> None:
    """Classify recordings with trained models, and look at what was trained."""
    # Kedro tells on the output, as soon as it is imported, which configuration it logs by.
    logging.disable(logging.INFO)
    context.call_on_close(lambda: logging.disable(logging.NOTSET))


@app.command(
    epilog="""\b
Examples:
  disentangled-audio classify clap.wav
  disentangled-audio classify recordings/ more/*.wav archive.zip --top 2
  disentangled-audio classify clap.wav --model 2026-01-31T12.00.00.000Z --json > answer.json
"""
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--model", metavar="VERSION", help="Version of a trained run; the newest otherwise.")
@click.option("--corpus", metavar="NAME", help="Newest run of this corpus.")
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many classes are shown for each recording.",
)
def classify(
    paths: tuple[str, ...], model: str | None, corpus: str | None, as_json: bool, top: int
) -> None:
    """Say of each recording which class it is, and how sure that is.

    PATH is a file, a folder, a glob pattern or a zip archive. Recordings are prepared exactly as
    those that the model was trained on. The whole table, with acoustic parameters, is saved as
    inference_predictions under data/08_inference.
    """
    from disentangled_audio.cli import messages
    from disentangled_audio.trained_runs import find_run

    with messages():
        project = _project()
        run = find_run(project / "data", model, corpus)
        table = _classified(project, run, paths)
        if as_json:
            click.echo(json.dumps([_plain(row, top) for row in table], indent=1, allow_nan=False))
        else:
            _show(table, top, run)
    if all(row.get("error") for row in table):
        raise click.ClickException("none of the files can be used")


@app.command()
def runs() -> None:
    """List trained runs, the newest first: version, corpus, protocol, hybrid score, date."""
    from disentangled_audio.cli import messages
    from disentangled_audio.trained_runs import trained_runs

    with messages():
        found = trained_runs(_project() / "data")
        if not found:
            click.echo("No model is trained yet. Train one: kedro run")
            return
        table = _table("version", "corpus", "protocol", "fold", "hybrid", "date")
        for run in found:
            metrics = run.metrics()
            score = metrics.get("models", {}).get("hybrid", {}).get("balanced_accuracy")
            shown = "not scored" if score is None else f"{score:.3f}"
            date = run.version[:16].replace("T", " ").replace(".", ":")
            fold = str(metrics.get("fold", ""))
            table.add_row(run.version, run.corpus, run.protocol, fold, shown, date)
        _print(table)
        _note("hybrid: balanced accuracy on test rows")


@app.command()
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
def compare(first: str, second: str) -> None:
    """Show metrics, differing parameters and the hybrid's confusion of two runs side by side."""
    from disentangled_audio.cli import messages
    from disentangled_audio.trained_runs import find_run

    with messages():
        data = _project() / "data"
        pair = [find_run(data, version) for version in (first, second)]
        _print(_metrics_table(pair))
        _print(_parameters_table(pair))
        for run in pair:
            _print(_confusion_table(run))


@app.command(
    "init-corpus",
    epilog="""\b
Example:
  disentangled-audio init-corpus ~/birds --output birds.yml
""",
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("my_corpus.yml"),
    show_default=True,
    help="The corpus file to write; one that exists is not replaced.",
)
def init_corpus(folder: Path, output: Path) -> None:
    """Look at a folder of recordings and write a corpus file to train on."""
    from disentangled_audio.cli import messages
    from disentangled_audio.corpora.propose import propose_corpus
    from disentangled_audio.errors import UserError

    with messages():
        if output.exists():
            raise UserError(f"{output} exists already; remove it, or name another: --output")
        proposal = propose_corpus(folder)
        output.write_text(proposal.text, encoding="utf-8")
        for name, count in proposal.counts.items():
            click.echo(f"{count:>7}  {name}")
        click.echo(f"{proposal.reason}")
        for warning in proposal.warnings:
            click.echo(f"Warning: {warning}", err=True)
        click.echo(f"Wrote {output}; look at it, change what is wrong, then:")
        click.echo(f"  kedro run --env=folder --params=corpus_file={output}")


def _project() -> Path:
    from kedro.utils import find_kedro_project

    from disentangled_audio.errors import UserError

    project = find_kedro_project(Path.cwd())
    if project is None:
        raise UserError(f"{Path.cwd()} is not in the project's folder; go there first (cd)")
    return project.resolve()


def _classified(project: Path, run: Any, paths: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of `inference_predictions`."""
    # Nothing of TensorFlow's chatter is for the person who asks.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    parameters = run.manifest["parameters"]
    asked = {
        # Relative to where the person is, which need not be the project's own folder.
        "inference": {"recordings": [_absolute(p) for p in paths], "model_version": run.version},
        "corpus_name": run.corpus,
        "protocol_name": run.protocol,
    }
    if parameters.get("corpus_file"):
        asked["corpus_file"] = parameters["corpus_file"]
    environment = run.manifest["environment"]
    with (
        _quiet_log(),
        KedroSession.create(project, env=environment, runtime_params=asked) as session,
    ):
        result = session.run(pipeline_names=["inference"])
    table = result["inference_predictions"]
    table = table.load() if hasattr(table, "load") else table
    return table.astype(object).where(table.notna(), None).to_dict("records")


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Warnings of this project alone, on the error output: the other one has the answer."""
    root = logging.getLogger()
    kept = root.handlers[:]
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.addFilter(logging.Filter("disentangled_audio"))
    root.handlers[:] = [handler]
    try:
        yield
    finally:
        root.handlers[:] = kept


def _absolute(path: str) -> str:
    expanded = Path(path).expanduser()
    return str(expanded if expanded.is_absolute() else Path.cwd() / expanded)


def _plain(row: dict[str, Any], top: int) -> dict[str, Any]:
    """A row without what it does not have; its best classes beside all columns."""
    known = {key: value for key, value in row.items() if value is not None}
    return known if "error" in known else {**known, "top": dict(_best(row, top))}


def _best(row: dict[str, Any], top: int) -> list[tuple[str, float]]:
    probabilities = {
        key.removeprefix("p_"): float(value)
        for key, value in row.items()
        if key.startswith("p_") and value is not None
    }
    return sorted(probabilities.items(), key=lambda pair: -pair[1])[:top]


def _show(rows: list[dict[str, Any]], top: int, run: Any) -> None:
    table = _table("file", "class", "confidence", "likeness", f"top {top}", "remarks")
    for row in rows:
        if row.get("error"):
            remark = f"cannot be used: {row['error']} ({row['what_to_do']})"
            table.add_row(escape(row["path"]), "-", "-", "-", "-", escape(remark))
            continue
        best = ", ".join(f"{name} {share:.2f}" for name, share in _best(row, top))
        name = row["path"] if row["channel"] in ("0", "mean") else f"{row['path']}#{row['channel']}"
        table.add_row(
            escape(name),
            escape(str(row["class"])),
            f"{row['confidence']:.2f}",
            f"{row['in_distribution']:.2f}",
            escape(best),
            escape(row["warnings"]),
        )
    _print(table)
    _note(
        f"model {run.version}: {run.manifest['parameters']['protocol']['target']} of {run.corpus}; "
        "likeness: share of validation recordings as unlike training as this one, or more"
    )


def _metrics_table(pair: list[Any]) -> Table:
    table = _table("metric", *(run.version for run in pair))
    table.add_row("corpus", *(run.corpus for run in pair))
    table.add_row("protocol", *(run.protocol for run in pair))
    metrics = [run.metrics() for run in pair]
    table.add_row("fold", *(str(of_run.get("fold", "-")) for of_run in metrics))
    models = dict.fromkeys(name for of_run in metrics for name in of_run.get("models", {}))
    for model in models:
        for score in ("balanced_accuracy", "accuracy", "log_loss", "ece"):
            values = [of_run.get("models", {}).get(model, {}).get(score) for of_run in metrics]
            shown = ["-" if value is None else f"{value:.3f}" for value in values]
            table.add_row(f"{model} {score}", *shown)
    return table


def _parameters_table(pair: list[Any]) -> Table:
    flat = [_flat(run.manifest["parameters"]) for run in pair]
    names = sorted(set(flat[0]) | set(flat[1]))
    table = _table("parameter that differs", *(run.version for run in pair))
    differing = [name for name in names if flat[0].get(name) != flat[1].get(name)]
    for name in differing:
        table.add_row(name, *(escape(str(of_run.get(name, "-"))) for of_run in flat))
    if not differing:
        table.add_row("none", "", "")
    return table


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    parts = [_flat(v, f"{prefix}.{key}" if prefix else str(key)) for key, v in value.items()]
    return {key: v for part in parts for key, v in part.items()}


def _confusion_table(run: Any) -> Table:
    import pandas as pd

    file = run.result("confusion_matrices.csv")
    table = _table(f"hybrid of {run.version}")
    if file is None:
        return table
    counts = pd.read_csv(file, dtype={"target": str, "predicted": str})
    counts = counts[counts["model"] == "hybrid"]
    matrix = counts.pivot(index="target", columns="predicted", values="count").fillna(0)
    for name in matrix.columns:
        table.add_column(f"said {name}")
    for name, row in matrix.iterrows():
        table.add_row(f"is {name}", *(str(int(count)) for count in row))
    return table


def _table(*columns: str) -> Table:
    # Without lines, so that it can be piped and copied.
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _print(table: Table) -> None:
    piped = not sys.stdout.isatty()
    console = Console(no_color=piped, width=_PIPED_WIDTH if piped else None)
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    click.echo("\n".join([*lines, ""]))


def _note(text: str) -> None:
    """Something to read that is no result."""
    click.echo(text, err=True)
