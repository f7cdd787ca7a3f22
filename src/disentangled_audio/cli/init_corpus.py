"""`disentangled-audio init-corpus`: describe a folder of recordings."""

import shlex
import sys
from pathlib import Path

import click

from disentangled_audio.cli.output import answering, note, own_project
from disentangled_audio.report.terminal import wrapped


@click.command(
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
    help="The corpus file to write; an existing file is not replaced.",
)
@click.option(
    "--class-part",
    type=click.IntRange(min=1),
    metavar="N",
    help="Which part of the file names is the class, counted from 1; by default guessed.",
)
def init_corpus(folder: str, output: Path, class_part: int | None) -> None:
    """Look at a folder of recordings and write a corpus file to train on.

    The classes are the names of sub-folders; without sub-folders, a part of the file names, such
    as owl in owl_north_3.wav.
    """
    from disentangled_audio.corpora.propose import propose_corpus
    from disentangled_audio.errors import UserError

    if not folder:
        raise click.UsageError("FOLDER is empty; name one")
    place = Path(folder)
    with answering():
        if output.exists():
            raise UserError(f"{output} exists already; remove it, or name another file: --output")
        if not output.absolute().parent.is_dir():
            raise UserError(
                f"{output} cannot be written: {output.parent} does not exist; make it first"
            )
        if "," in str(output):
            raise UserError(
                f"{output} has a comma, where kedro run splits --params; choose another name"
            )
        proposal = propose_corpus(place, class_part, _other_corpora(place))
        output.write_text(proposal.text, encoding="utf-8")
        for name, count in proposal.counts.items():
            click.echo(f"{count:>7}  {name}")
        click.echo(wrapped(proposal.reason, sys.stdout))
        for warning in proposal.warnings:
            note(f"Warning: {warning}")
        click.echo(f"Wrote {output}. Check and correct it, then train:")
        click.echo(f"  {_training_command(output, proposal.options)}")


def _other_corpora(folder: Path) -> set[str]:
    """Names of the project's corpora, and of trained ones with other recordings."""
    from disentangled_audio.runs.trained_runs import trained_runs
    from disentangled_audio.storage.yaml_files import read_yaml

    project = own_project()
    if project is None:
        return set()
    file = project / "conf/base/parameters_corpora.yml"
    own = read_yaml(file) if file.is_file() else {}
    source = str(folder.resolve())
    trained = {
        run.corpus
        for run in trained_runs(project / "data")
        if source not in [s.get("folder") for s in run.parameters["corpus"]["sources"]]
    }
    return trained | set(own.get("_corpora", ()))


def _training_command(corpus_file: Path, options: list[str]) -> str:
    from kedro.utils import find_kedro_project

    is_inside = find_kedro_project(Path.cwd()) is not None
    file = corpus_file if is_inside else corpus_file.resolve()
    given = shlex.quote("--params=" + ",".join([f"corpus_file={file}", *options]))
    return f"kedro run --env=folder {given}" + ("" if is_inside else "   (in the project's folder)")
