"""Checks across parameters, made before the first node runs."""

from pathlib import Path
from typing import Any

from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus, FourierParameters, GeneratorSource, Protocol

# NumPy, scikit-learn and Keras all take it, with a little room for seeds derived from it.
MAX_SEED = 2**31 - 1


def check_parameters(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Stop a run whose parameters cannot fit together, or whose corpus is not there.

    Raises
    ------
    UserError
        Naming the key, its value and what is allowed.
    """
    inputs = pipeline.all_inputs()
    if "params:seed" in inputs:
        _check_seed(catalog.load("params:seed"))
    if "params:protocol" in inputs:
        _check_columns(_corpus(catalog), catalog)
    if "recording_folders" in pipeline.inputs() and "params:fourier" in inputs:
        _check_components(_corpus(catalog), catalog)


def _corpus(catalog: DataCatalog) -> Corpus:
    # Kedro has validated it only where a node of this run asks for it.
    return Corpus.model_validate(catalog.load("params:corpus"))


def _check_seed(seed: Any) -> None:
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise UserError(f"seed={seed!r} must be a whole number from 0 to {MAX_SEED}")


def _check_columns(corpus: Corpus, catalog: DataCatalog) -> None:
    from disentangled_audio.corpora.names import MEASURED_COLUMNS, NameGrammar

    protocol = Protocol.model_validate(catalog.load("params:protocol"))
    folders = catalog.load("recording_folders")
    known = [*NameGrammar(corpus, folders).columns, *MEASURED_COLUMNS]
    asked = {
        "target": [protocol.target],
        "group_by": protocol.group_by,
        "factors": protocol.factors,
        "where": list(protocol.where),
        "split.column": [protocol.split.column] if protocol.split.column else [],
    }
    for key, columns in asked.items():
        for column in columns:
            if column not in known:
                raise UserError(
                    f"protocol.{key} '{column}' is no column of corpus "
                    f"'{catalog.load('params:corpus_name')}'; it has {', '.join(known)}"
                )


def _check_components(corpus: Corpus, catalog: DataCatalog) -> None:
    """An upper bound on the rows; the exact count of training rows is checked when fitted."""
    fourier = FourierParameters.model_validate(catalog.load("params:fourier"))
    n_rows = _most_rows(corpus, catalog.load("recording_folders"))
    if fourier.n_components > n_rows:
        raise UserError(
            f"fourier.n_components={fourier.n_components} is more than the {n_rows} rows of corpus "
            f"'{catalog.load('params:corpus_name')}'; PCA allows as many as there are training rows"
        )


def _most_rows(corpus: Corpus, folders: list[Path]) -> int:
    from disentangled_audio.corpora.locate import count_generated, locate

    generated = [s for s in corpus.sources if isinstance(s, GeneratorSource)]
    stored = [s for s in corpus.sources if s not in generated]
    n_rows = sum(count_generated(source) for source in generated)
    if stored:
        located = locate(corpus.model_copy(update={"sources": stored}), folders)
        n_rows += len(located) * _channels_at_most(corpus, located)
    return n_rows


def _channels_at_most(corpus: Corpus, located: list[Any]) -> int:
    """Items of a file: one, or as many as the file with most channels has."""
    if corpus.analysis.channel != "each":
        return 1
    import soundfile

    counts = [1]
    for file in located:
        try:
            counts.append(soundfile.info(file.path).channels)
        except (soundfile.LibsndfileError, OSError):
            continue
    return max(counts)
