"""The command `disentangled-audio`, for people who do not know Kedro."""

import json
import logging
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

    from disentangled_audio.runs.trained_runs import TrainedRun

_ONLY_CHANNELS = ("0", "mean")
_LONGEST = 60
# Of a narrow terminal, and of one in which no column of a table would hold a word.
_NARROW, _LEAST_OF_TABLE = 80, 70


class _Commands(click.Group):
    """Commands whose errors are a line, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; say of what nobody expected that it is a fault of the program."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(
                f"{type(error).__name__}: {error}. That is a fault of the program; "
                "disentangled-audio --debug … shows where it is"
            ) from error


@click.group(
    name="disentangled-audio",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""Run it in the project's folder.

\b
Exit codes: 0 done, 1 not possible, 2 wrong usage.

\b
Examples:
  disentangled-audio classify clap.wav
  disentangled-audio runs
""",
)
@click.option("--debug", is_flag=True, help="Show where an unexpected error comes from.")
@click.pass_context
def app(context: click.Context, debug: bool) -> None:
    """Classify recordings with trained models, and look at what was trained."""
    # Kedro tells on the output, as soon as it is imported, which configuration it logs by.
    logging.disable(logging.INFO)
    context.call_on_close(lambda: logging.disable(logging.NOTSET))


@contextmanager
def _answering() -> Iterator[None]:
    """What a command says beside its answer goes to the error output, failures too."""
    # It configures Kedro's log, which is then replaced.
    from disentangled_audio.cli.kedro_commands import messages

    with messages(), _quiet_log():
        yield


@app.command(
    epilog="""\b
Examples:
  disentangled-audio classify clap.wav
  disentangled-audio classify recordings/ more/*.wav archive.zip --top 2
  disentangled-audio classify clap.wav --json > answer.json
  disentangled-audio classify clap.wav --model 2026-01-31T12.00.00.000Z

\b
Exit codes:
  0  classified; a file that cannot be used is a row that says why
  1  not possible, or none of the files can be used
  2  wrong usage
"""
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--model", metavar="VERSION", help="Version of a trained run; the newest otherwise.")
@click.option("--corpus", metavar="NAME", help="Newest run of this corpus.")
@click.option("--protocol", metavar="NAME", help="Newest run of this protocol.")
@click.option(
    "--kind",
    metavar="KIND",
    help="Of the recordings, such as rir or noise; by their names otherwise.",
)
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many classes are shown for each recording.",
)
def classify(
    paths: tuple[str, ...],
    model: str | None,
    corpus: str | None,
    protocol: str | None,
    kind: str | None,
    as_json: bool,
    top: int,
) -> None:
    """Say of each recording which class it is, and how sure that is.

    PATH is a file, a folder, a glob pattern or a zip archive. Recordings are prepared exactly as
    those that the model was trained on. The whole table, with acoustic parameters, is saved as
    inference_predictions under data/08_inference.
    """
    from disentangled_audio.runs.trained_runs import find_run

    # The current folder is called so too, and a variable that is not set.
    if "" in paths:
        raise click.UsageError("a PATH is empty; name a file, folder, glob pattern or zip")
    with _answering():
        project = _project()
        run = find_run(project / "data", model, corpus, protocol)
        _note(_about(run, kind))
        table = _classified(project, run, paths, kind)
        if as_json:
            _print_json([_plain(row, top) for row in _records(table)])
        else:
            _show(table, top)
    n_unusable = _n_unusable(table)
    if n_unusable == len(table):
        raise click.ClickException("none of the files can be used")
    if n_unusable:
        _note(f"{n_unusable} of {len(table)} rows are files that cannot be used")


@app.command(
    epilog="""\b
Examples:
  disentangled-audio runs
  disentangled-audio runs --json > runs.json

\b
Exit codes: 0 done (also without any run), 1 not possible, 2 wrong usage.
"""
)
@click.option("--json", "as_json", is_flag=True, help="The same, as JSON.")
def runs(as_json: bool) -> None:
    """List trained runs, the newest first: version, corpus, protocol, hybrid score, date."""
    from disentangled_audio.runs.trained_runs import summary, trained_runs

    with _answering():
        found = [summary(run) for run in trained_runs(_project() / "data")]
        if as_json:
            _print_json(found)
        elif found:
            # The version has the time of day.
            days = [{**row, "date": row["date"][:10]} for row in found]
            _print(list(days[0]), [[_shown(value) for value in row.values()] for row in days])
            _note("hybrid: balanced accuracy on test rows")
    if not found:
        _note("No model is trained yet. Train one: kedro run")


@app.command(
    epilog="""\b
Examples:
  disentangled-audio runs
  disentangled-audio compare \\
    2026-01-31T12.00.00.000Z 2026-02-01T09.30.00.000Z --json

\b
Exit codes: 0 done, 1 not possible (no such run), 2 wrong usage.
"""
)
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="The same, as JSON.")
def compare(first: str, second: str, as_json: bool) -> None:
    """Show metrics, differing parameters and the hybrid's confusion of two runs side by side.

    Of confusions too wide for 80 columns only the counts that differ are shown.
    RUN is a version, as `disentangled-audio runs` lists them.
    """
    from disentangled_audio.runs.trained_runs import comparison, find_run

    with _answering():
        data = _project() / "data"
        compared = comparison([find_run(data, version) for version in (first, second)])
        if as_json:
            _print_json(compared)
        else:
            _show_comparison(compared)


@app.command(
    "init-corpus",
    epilog="""\b
Examples:
  disentangled-audio init-corpus ~/birds --output birds.yml
  disentangled-audio init-corpus ~/calls --class-part 2

\b
Exit codes: 0 written, 1 not possible, 2 wrong usage.
""",
)
@click.argument("folder")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("my_corpus.yml"),
    show_default=True,
    help="The corpus file to write; one that exists is not replaced.",
)
@click.option(
    "--class-part",
    type=click.IntRange(min=1),
    metavar="N",
    help="Which part of the names is the class, counted from 1; guessed otherwise.",
)
def init_corpus(folder: str, output: Path, class_part: int | None) -> None:
    """Look at a folder of recordings and write a corpus file to train on.

    Classes are the sub-folders; without any, a part of the names, such as owl in owl_north_3.wav.
    """
    from disentangled_audio.corpora.propose import propose_corpus
    from disentangled_audio.errors import UserError

    if not folder:
        raise click.UsageError("FOLDER is empty; name one")
    place = Path(folder)
    with _answering():
        if output.exists():
            raise UserError(f"{output} exists already; remove it, or name another: --output")
        if not output.absolute().parent.is_dir():
            raise UserError(
                f"{output} cannot be written: {output.parent} is no folder; make it first"
            )
        if "," in str(output):
            raise UserError(f"{output}: kedro run splits --params at commas; name another file")
        proposal = propose_corpus(place, class_part, _other_corpora(place))
        output.write_text(proposal.text, encoding="utf-8")
        for name, count in proposal.counts.items():
            click.echo(f"{count:>7}  {name}")
        click.echo(_wrapped(proposal.reason, sys.stdout))
        for warning in proposal.warnings:
            _note(f"Warning: {warning}")
        click.echo(f"Wrote {output}; look at it, change what is wrong, then train:")
        click.echo(f"  {_training_command(output, proposal.options)}")


def _about(run: "TrainedRun", kind: str | None) -> str:
    """What a model was trained for and on."""
    parameters = run.manifest["parameters"]
    corpus, target = parameters["corpus"], parameters["protocol"]["target"]
    simulated = ", of simulated recordings" if corpus.get("simulated") else ""
    said = f"model {run.version}: {target} of {run.corpus}{simulated}, protocol {run.protocol}"
    if kind or corpus.get("kind") != "rir":
        return said
    return f"{said}; a recording whose name does not say its kind is taken as an impulse response"


def _other_corpora(folder: Path) -> set[str]:
    """Names of the project's corpora, and of trained ones whose recordings lie elsewhere."""
    import yaml
    from kedro.utils import find_kedro_project

    from disentangled_audio.runs.trained_runs import trained_runs

    project = find_kedro_project(Path.cwd())
    if project is None:
        return set()
    file = project / "conf/base/parameters_corpora.yml"
    own = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    source = str(folder.resolve())
    trained = {
        run.corpus
        for run in trained_runs(project / "data")
        if source not in [s.get("folder") for s in run.manifest["parameters"]["corpus"]["sources"]]
    }
    return trained | set(own.get("_corpora", ()))


def _training_command(corpus_file: Path, options: list[str]) -> str:
    from kedro.utils import find_kedro_project

    is_inside = find_kedro_project(Path.cwd()) is not None
    file = corpus_file if is_inside else corpus_file.resolve()
    given = shlex.quote("--params=" + ",".join([f"corpus_file={file}", *options]))
    return f"kedro run --env=folder {given}" + ("" if is_inside else "   (in the project's folder)")


def _project() -> Path:
    from kedro.utils import find_kedro_project

    from disentangled_audio.errors import UserError

    project = find_kedro_project(Path.cwd())
    if project is None:
        raise UserError(f"{Path.cwd()} is not in the project's folder; go there first (cd)")
    return project.resolve()


def _classified(
    project: Path, run: "TrainedRun", paths: tuple[str, ...], kind: str | None
) -> "pd.DataFrame":
    """`inference_predictions` of some recordings."""
    # Nothing of TensorFlow's chatter is for the person who asks.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    asked = {
        # Relative to where the person is, which need not be the project's own folder.
        "inference": {
            "recordings": [_absolute(p) for p in paths],
            "kind": kind,
            "model_version": run.version,
        },
        "corpus_name": run.corpus,
        "protocol_name": run.protocol,
    }
    environment = run.manifest["environment"]
    with (
        _own_corpus_file(run) as named,
        KedroSession.create(project, env=environment, runtime_params=asked | named) as session,
    ):
        result = session.run(pipeline_names=["inference"])
        table = result["inference_predictions"]
        return table.load() if hasattr(table, "load") else table


@contextmanager
def _own_corpus_file(run: "TrainedRun") -> Iterator[dict[str, str]]:
    """Parameter that names the run's corpus file as it was; the file itself may be gone by now."""
    parameters = run.manifest["parameters"]
    if not parameters.get("corpus_file"):
        yield {}
        return
    described = {
        "corpora": {run.corpus: parameters["corpus"]},
        "protocols": {run.protocol: parameters["protocol"]},
    }
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        # JSON is YAML.
        file = Path(folder) / "corpus.yml"
        file.write_text(json.dumps(described), encoding="utf-8")
        yield {"corpus_file": str(file)}


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
    if "://" in path:
        return path
    expanded = Path(path).expanduser()
    return str(expanded if expanded.is_absolute() else Path.cwd() / expanded)


def _n_unusable(table: "pd.DataFrame") -> int:
    return int(table["error"].notna().sum()) if "error" in table else 0


def _records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _plain(row: dict[str, Any], top: int) -> dict[str, Any]:
    """A row's best classes, and all columns; what it does not have is None."""
    from disentangled_audio.pipelines.inference.nodes import BETWEEN_WARNINGS

    warnings = row["warnings"].split(BETWEEN_WARNINGS) if row.get("warnings") else []
    return {"path": row["path"], "top": dict(_best(row, top)), **row, "warnings": warnings}


def _best(row: dict[str, Any], top: int) -> list[tuple[str, float]]:
    probabilities = {
        key.removeprefix("p_"): float(value)
        for key, value in row.items()
        if key.startswith("p_") and value is not None
    }
    return sorted(probabilities.items(), key=lambda pair: -pair[1])[:top]


def _show(table: "pd.DataFrame", top: int) -> None:
    shown = ("path", "channel", "class", "confidence", "in_distribution", "warnings")
    shown += ("error", "what_to_do")
    wanted = [name for name in table if name in shown or name.startswith("p_")]
    below = f"{Path.cwd()}{os.sep}"
    rows = [_row(row, top, below) for row in _records(table[wanted])]
    _print(["file", "class", "confidence", "in_dist", f"top {top}", "remarks"], rows)
    if _n_unusable(table) < len(table):
        _note(_about_distribution(float(table["least_in_distribution"].min())))


def _about_distribution(least: float) -> str:
    from disentangled_audio.pipelines.inference.nodes import UNLIKE

    said = (
        "in_dist: in_distribution, how usual such a recording is among those that are known, 0 to 1"
    )
    if least <= UNLIKE:
        return f"{said}; at {UNLIKE:g} or less, do not trust the class"
    return (
        f"{said}; so few are known that {least:.2f} is the least possible: it cannot tell which "
        "class not to trust"
    )


def _row(row: dict[str, Any], top: int, below: str) -> list[str]:
    # As short as it was typed, where that is below the folder that one is in.
    path = row["path"].removeprefix(below)
    if row.get("error"):
        remark = f"cannot be used: {row['error']} ({row['what_to_do']})"
        return [path, "-", "-", "-", "-", remark]
    suffix = "" if row["channel"] in _ONLY_CHANNELS else f"#{row['channel']}"
    return [
        f"{path}{suffix}",
        str(row["class"]),
        f"{row['confidence']:.2f}",
        # Not rounded to where a warning begins.
        f"{row['in_distribution']:.3f}",
        ", ".join(f"{name}: {share:.2f}" for name, share in _best(row, top)),
        row["warnings"],
    ]


def _show_comparison(compared: dict[str, Any]) -> None:
    versions = [run["version"] for run in compared["runs"]]
    facts = [
        [name, *(_shown(run[name]) for run in compared["runs"])]
        for name in ("corpus", "protocol", "fold")
    ]
    scores = [
        [f"{model} {score}", *map(_shown, values)]
        for model, of_model in compared["metrics"].items()
        for score, values in of_model.items()
    ]
    _print(["metric", *versions], facts + scores)
    differing = [[name, *map(_short, pair)] for name, pair in compared["parameters"].items()]
    _print(["parameter that differs", *versions], differing or [["none", "", ""]])
    _print(*_confusions(versions, compared["confusion"]))


def _confusions(
    versions: list[str], counts: list[dict[str, dict[str, int]]]
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of what the runs said: a matrix, or where that is too wide what differs."""
    true = list(dict.fromkeys(name for of_run in counts for name in of_run))
    said = sorted({name for of_run in counts for row in of_run.values() for name in row})
    cells = {(a, b): [_count(of_run, a, b) for of_run in counts] for a in true for b in said}
    head = ["hybrid: is / said", *said]
    for between in (" | ", "|"):
        rows = [[a, *(between.join(cells[a, b]) for b in said)] for a in true]
        if sum(2 + max(map(len, column)) for column in zip(head, *rows, strict=True)) <= _NARROW:
            return head, rows
    differing = [[f"is {a}, said {b}", *pair] for (a, b), pair in cells.items() if len({*pair}) > 1]
    return ["hybrid's answers that differ", *versions], differing or [["none", "", ""]]


def _count(counts: dict[str, dict[str, int]], true: str, said: str) -> str:
    # A run that has no such class has no count of it.
    return str(counts[true].get(said, 0)) if true in counts else "-"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _short(parameter: Any) -> str:
    """A parameter as it was written; of long ones the beginning, all of it is in the JSON."""
    text = "-" if parameter is None else str(parameter)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _print(columns: list[str], rows: list[list[str]]) -> None:
    """A table for the eye; piped, one line a row without anything that is not in it."""
    rows = [list(map(_visible, row)) for row in rows]
    if sys.stdout.isatty() and shutil.get_terminal_size().columns < _LEAST_OF_TABLE:
        for row in rows:
            lines = (f"{name}: {cell}" for name, cell in zip(columns, row, strict=True))
            click.echo("\n".join(_wrapped(line, sys.stdout) for line in lines) + "\n")
        return
    if sys.stdout.isatty():
        # Without lines, so that it can be copied.
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in columns:
            # To be copied as a whole.
            table.add_column(name, overflow="fold", no_wrap=name == "version")
        for row in rows:
            table.add_row(*map(Text, row))
        Console().print(table, "")
        return
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (columns, *rows)
    )
    click.echo("\n".join((*lines, "")))


def _visible(text: str) -> str:
    """Line ends and control characters of names as they are escaped: they would break the table."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _print_json(content: Any) -> None:
    click.echo(json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False))


def _note(text: str) -> None:
    """Something to read that is no result."""
    click.echo(_wrapped(text, sys.stderr), err=True)


def _wrapped(text: str, stream: TextIO) -> str:
    if not stream.isatty():
        return text
    return click.wrap_text(text, shutil.get_terminal_size().columns)
