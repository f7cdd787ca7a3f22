"""`disentangled-audio init-corpus`: describe a folder of recordings."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from disentangled_audio.cli.output import answering, note, own_project
from disentangled_audio.cli.proposed_split import possible
from disentangled_audio.report.terminal import visible, wrapped
from disentangled_audio.storage.temporaries import write_whole

if TYPE_CHECKING:
    from disentangled_audio.corpora.proposals.questions import Question


@click.command(
    "init-corpus",
    epilog="""\b
Examples:
  disentangled-audio init-corpus ~/birds --output birds.yml
  disentangled-audio init-corpus ~/calls --class-part 2
  disentangled-audio init-corpus ~/calls --yes

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
@click.option("--yes", "-y", is_flag=True, help="Take what is proposed, and ask nothing.")
def init_corpus(folder: str, output: Path, class_part: int | None, yes: bool) -> None:
    """Look at a folder of recordings and write a corpus file to train on.

    The classes are a column of a table beside the recordings, the names of sub-folders, or a part
    of the file names, such as owl in owl_north_3.wav. What these leave open is asked; a line for
    each answer can also come from a pipe.
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
        _check_typed(_typed(output, own_project()))
        answers = _Answers(yes)
        proposed = propose_corpus(place, class_part, _other_corpora(place), answers.ask)
        proposal, options, trouble = possible(proposed)
        write_whole(output, lambda file: file.write_text(proposal.text, encoding="utf-8"))
        for name, count in proposal.counts.items():
            click.echo(f"{count:>7}  {visible(name)}")
        click.echo(wrapped(visible(proposal.reason), sys.stdout))
        for warning in [*proposal.warnings, *trouble]:
            note(f"Warning: {visible(warning)}")
        for unsure in answers.unsure:
            note(visible(unsure))
        place, command = _training_command(output, options)
        click.echo(f"Wrote {output}. Check and correct it, then train{place}:")
        click.echo(f"  {command}")


class _Answers:
    """Asks for what the names leave open, and remembers what nobody answered."""

    def __init__(self, take_all: bool) -> None:
        self._take_all = take_all
        self.unsure: list[str] = []

    def ask(self, question: "Question") -> str:
        """Ask on the error output; an empty answer or the end of the input takes the proposal."""
        if not self._take_all:
            text = f"{question.text} Type {question.choices}. [{question.default}] "
            click.echo(visible(text), err=True, nl=False)
            answer = sys.stdin.readline() if sys.stdin else ""
            if answer:
                return answer.strip() or question.default
            click.echo(err=True)
            note("Nobody answers, so what is proposed is taken, as with --yes.")
            self._take_all = True
        self.unsure.append(
            f"Unsure: {question.text} Taken: {question.default}. To answer ({question.choices}), "
            "run init-corpus in a terminal without --yes, or change the file."
        )
        return question.default


def _typed(corpus_file: Path, project: Path | None) -> Path:
    """The path as it is typed in the command that trains."""
    is_plain = Path.cwd() == project and not str(corpus_file).startswith("~")
    return corpus_file if is_plain else corpus_file.resolve()


def _check_typed(path: Path) -> None:
    """Refuse what `kedro run --params` and OmegaConf would read as something else."""
    from disentangled_audio.errors import UserError

    sign = next((sign for sign in (",", "${") if sign in str(path)), None)
    if sign is not None:
        what = "a comma" if sign == "," else sign
        raise UserError(f"{path} has {what}, where kedro run splits --params; choose another name")


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


def _training_command(corpus_file: Path, options: list[str]) -> tuple[str, str]:
    """Where to type the command that trains, if the project is unknown, and the command."""
    from kedro.utils import find_kedro_project

    project = own_project()
    around = find_kedro_project(Path.cwd())
    is_inside = around is not None and around.resolve() == project
    file = _typed(corpus_file, project)
    given = shlex.quote("--params=" + ",".join([f"corpus_file={file}", *options]))
    command = f"kedro run --env=folder {given}"
    if project is None:
        return " in the project's folder", command
    return "", command if is_inside else f"cd {shlex.quote(str(project))} && {command}"
