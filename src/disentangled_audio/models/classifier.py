"""`Classifier`: trained models for recordings, shared by Python, the command line and Kedro."""

import io
import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from os import PathLike, fsdecode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ParallelParameters

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from disentangled_audio.models.preparation import FeatureReader, Features
    from disentangled_audio.models.reference import Reference
    from disentangled_audio.models.suggest import Suggestions

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]
# The first part fills the encoders' large batch and is done soon; the other workers wait for it.
FIRST_FILES = 256
# Large parts have little overhead per file; larger ones would need too much memory for their views.
FILES_AT_ONCE = 512
# Types of WAV samples that libsndfile scales to the range from -1 to 1.
_INTEGERS = ("int16", "int32", "uint8")
_FLOATS = ("float16", "float32", "float64")
# An array with more channels than this, and than samples, is probably transposed.
_MANY_CHANNELS = 64


class Classifier:
    """Trained models that predict the class of recordings, with a confidence.

    Create one with `Classifier.load`, which takes seconds; the object then classifies any number
    of recordings. It prepares them exactly as the training run prepared its own.

    Attributes
    ----------
    classes : list of str
        Class names, in the order of the columns `p_<class>`.
    manifest : dict
        What is known of the training run: `run_id`, `corpus`, `protocol`, `fold`, `packages`,
        `feature_code`, `feature_schema`, `parameters`, and the `pretrained` weights, if any.

    Examples
    --------
    >>> from disentangled_audio import Classifier
    >>> classifier = Classifier.load("path/of/project")  # doctest: +SKIP
    >>> classifier.predict(["clap.wav", "more/*.flac"])[["file", "class"]]  # doctest: +SKIP
    """

    def __init__(
        self, manifest: dict[str, Any], reference: "Reference", models: dict[str, Any]
    ) -> None:
        from disentangled_audio.models.answers import Answers
        from disentangled_audio.models.embedding import trained_embedder
        from disentangled_audio.models.preparation import Preprocessing

        self.manifest = manifest
        self._reference = reference
        self._preprocessing = Preprocessing.of_run(manifest)
        self._embedder = trained_embedder(
            manifest["pretrained"], manifest["run_id"], models.get("pretrained")
        )
        self._answers = Answers(manifest, self._preprocessing, reference, models)

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        version: str | None = None,
        corpus: str | None = None,
        protocol: str | None = None,
        fold: str | None = None,
    ) -> "Classifier":
        """Load trained models; neither Kedro nor a project's `conf` is needed.

        Every file is compared with the SHA-256 in the run's manifest, which reveals damaged and
        mixed files. Models are read without pickle, and only types that this project writes are
        created.

        Parameters
        ----------
        path
            A project's folder, the folder of one run's `run_manifest.json`, or a bundle that
            `disentangled-audio export` wrote.
        version : str, optional
            For a project: a run that `disentangled-audio runs` lists; the default is the newest.
        corpus, protocol : str, optional
            For a project: the newest run with this corpus or protocol.
        fold : str, optional
            For a project: the model of this fold of a cross-validation.

        Raises
        ------
        UserError
            If the model does not exist, or a file is missing, was changed, or needs another version
            of a package.
        """
        from disentangled_audio.models.bundle import read_bundle
        from disentangled_audio.runs.trained_runs import MANIFEST, find_run, run_of_folder

        place = Path(_text(path, "path")).expanduser()
        asked = {"version": version, "corpus": corpus, "protocol": protocol, "fold": fold}
        chosen: dict[str, Any] = {
            name: str(value) for name, value in asked.items() if value is not None
        }
        if not place.exists():
            raise UserError(f"{place} does not exist; looked from {Path.cwd()}")
        if place.is_dir() and not (place / MANIFEST).is_file():
            return cls.of_run(find_run(place.resolve() / "data", *map(chosen.get, asked)))
        if chosen:
            raise UserError(
                f"{place} is one model; leave out {', '.join(chosen)}, which selects from a project"
            )
        if place.is_dir():
            return cls.of_run(run_of_folder(place))
        return cls(*read_bundle(place))

    @classmethod
    def of_run(cls, run: Any) -> "Classifier":
        """Load the models of a run that `runs.trained_runs` found."""
        from disentangled_audio.models.bundle import read_models, read_reference
        from disentangled_audio.models.preparation import facts_of
        from disentangled_audio.runs.run_files import read_files

        contents = read_files(run)
        reference = read_reference(contents, run.parameters["seed"])
        models = read_models(run.models, contents, run.manifest["files"])
        return cls(facts_of(run.manifest, run.fold), reference, models)

    @property
    def classes(self) -> list[str]:
        """Class names, in the order of the columns `p_<class>`."""
        return self._reference.classes

    def predict(
        self, paths: Paths, *, kind: str | None = None, parallel: ParallelParameters | None = None
    ) -> "pd.DataFrame":
        """Classify recordings.

        Parameters
        ----------
        paths : str, path or sequence of them
            Files of any name, folders (audio files below them), glob patterns, zip archives.
        kind : str, optional
            Kind, such as `rir`, of all recordings outside the training corpus. The default is the
            kind in a file's name, or that of the corpus.
        parallel : ParallelParameters, optional
            Processes that prepare files; the default is at most two.

        Returns
        -------
        DataFrame
            One row per file (per channel, if the model takes single channels), in the order of the
            paths:

            - `file`, `channel`, `kind`;
            - `class`, and `confidence`, the hybrid's probability of it, 0 to 1 (of the hybrid with
              pretrained weights, if the run has one);
            - `in_distribution`, a p-value, 0 to 1, for being like the known recordings (do not
              trust the class at 0.05 or less), `least_in_distribution`, its lowest possible value,
              and `distance` in units of the known recordings' median;
            - `warnings`, separated by "; ";
            - `p_<class>` of the hybrid, `<model>_p_<class>` of each other model;
            - acoustic parameters of impulse responses, with seconds or dB in their names;
            - for a file that cannot be used, only `error` and `what_to_do`;
            - `model_version`.

        Raises
        ------
        UserError
            If a path does not exist or has no recording, or the kind is unknown.
        """
        return self.predictions(_texts(paths), kind, parallel).rename(columns={"path": "file"})

    def predict_array(
        self, samples: "NDArray[Any]", sample_rate_hz: int, *, kind: str | None = None
    ) -> "pd.DataFrame":
        """Classify a recording in memory.

        Parameters
        ----------
        samples : (n_samples,) or (n_samples, n_channels)
            Linear amplitude: floats of full scale 1, or PCM of type int16, int32 or uint8.
        sample_rate_hz : int
            Sampling rate in Hz.
        kind : str, optional
            As in `predict`.

        Returns
        -------
        DataFrame
            As in `predict`, with `file` = `array`; a WAV file of the samples gives the same row.

        Raises
        ------
        UserError
            If the array has another form, holds NaN or infinity, or is silent or too short; a
            subclass of ValueError.
        """
        from disentangled_audio.models.preparation import MemoryFile

        file = MemoryFile("array", _wav(samples, sample_rate_hz))
        part = self._reader(kind)((0, [file]))
        for rejected in part.rejected:
            raise UserError(f"samples: {rejected['reason']}")
        table = self._finished([self._answers.predictions(part)], self._answers.columns)
        return table.rename(columns={"path": "file"})

    def codes(
        self, paths: Paths, *, kind: str | None = None, parallel: ParallelParameters | None = None
    ) -> "pd.DataFrame":
        """Compute the disentangled codes of recordings.

        Parameters and errors are those of `predict`.

        Returns
        -------
        DataFrame
            One row per item as in `predict`: `file`, `channel`, one column per dimension of each
            code (`content_00`, …, `rhythm_00`, …, `pitch_00`, …; without unit), and `error` and
            `what_to_do` for a file that cannot be used.
        """
        parts = self._in_parts(_texts(paths), kind, parallel, self._answers.codes)
        table = self._finished(parts, self._answers.code_columns)
        return table.drop(columns="model_version").rename(columns={"path": "file"})

    def suggest(
        self,
        paths: Paths,
        n: int = 20,
        *,
        kind: str | None = None,
        parallel: ParallelParameters | None = None,
    ) -> "pd.DataFrame":
        """Suggest the recordings whose labels would teach the models most.

        They are unsure, unlike the training recordings, and unlike each other. Labelled recordings
        of the corpus, copies, and unusable files are left out. The rest is as in `predict`.

        Returns
        -------
        DataFrame
            At most `n` rows, the most useful first: `rank`, `file`, `why`, `class`, `confidence`,
            `second_class`, `second_confidence`, `in_distribution`, `distance`, `duration_s`.
        """
        table = self.suggestions(_texts(paths), n, kind, parallel).table
        return table.rename(columns={"path": "file"})

    def suggestions(
        self,
        paths: Sequence[str],
        n: int,
        kind: str | None = None,
        parallel: ParallelParameters | None = None,
    ) -> "Suggestions":
        """Make the table of `suggest`, with `path` instead of `file`, and say what is left out."""
        from disentangled_audio.models.suggest import suggested

        parts = self._in_parts(paths, kind, parallel, self._answers.candidates)
        return suggested(self._finished(parts, self._answers.candidate_columns), n)

    def predictions(
        self,
        paths: Sequence[str],
        kind: str | None = None,
        parallel: ParallelParameters | None = None,
    ) -> "pd.DataFrame":
        """Make the table `inference_predictions`: as `predict`, with `path` instead of `file`."""
        parts = self._in_parts(paths, kind, parallel, self._answers.predictions)
        return self._finished(parts, self._answers.columns)

    def _in_parts(
        self,
        paths: Sequence[str],
        kind: str | None,
        parallel: ParallelParameters | None,
        answer: "Callable[[Features], pd.DataFrame]",
    ) -> "list[pd.DataFrame]":
        """Apply `answer` to all files, part by part; the tables keep the order of the files."""
        from disentangled_audio.corpora.sources.named import named_files
        from disentangled_audio.storage.parallel import in_parallel
        from disentangled_audio.storage.progress import chunk_progress

        files = named_files(paths)
        reader = self._reader(kind)
        parts = [(start, files[start:end]) for start, end in pairwise(_part_edges(len(files)))]
        answers, done = {}, 0
        with chunk_progress("classifying", "files", passing=True) as update:
            update(0, len(files))
            for part in in_parallel(reader, parts, parallel or ParallelParameters()):
                answers[part.position] = answer(part)
                done += part.n_files
                update(done, len(files))
        return [answers[position] for position in sorted(answers)]

    def _reader(self, kind: str | None) -> "FeatureReader":
        from disentangled_audio.models.preparation import FeatureReader
        from disentangled_audio.runs.run_files import check_kind

        check_kind(kind, self._reference.kinds)
        return FeatureReader(self._preprocessing, self._reference.known, kind, self._embedder)

    def _finished(self, parts: "list[pd.DataFrame]", columns: list[str]) -> "pd.DataFrame":
        """Join the parts, with every column whether files can be used or not."""
        import pandas as pd

        table = pd.concat(parts, ignore_index=True).reindex(columns=columns)
        table["model_version"] = self.manifest["run_id"]
        return table


def _part_edges(n_files: int) -> list[int]:
    """Starts of the parts, and the end; all parts after the first have about the same size."""
    import numpy as np

    first = min(FIRST_FILES, n_files)
    n_others = math.ceil((n_files - first) / FILES_AT_ONCE)
    return [0, *np.linspace(first, n_files, n_others + 1, dtype=int).tolist()]


def _texts(paths: Paths) -> list[str]:
    if isinstance(paths, str | bytes | PathLike) or not isinstance(paths, Iterable):
        return [_text(paths, "paths")]
    return [_text(path, "paths") for path in paths]


def _text(path: Any, argument: str) -> str:
    try:
        text = fsdecode(path)
    except TypeError as error:
        hint = "; predict_array takes samples" if argument == "paths" else ""
        raise UserError(
            f"{argument}: {type(path).__name__} is not the name of a file or folder{hint}"
        ) from error
    if not text:
        raise UserError(f"{argument}: a name is empty; name a file or folder")
    return text


def _wav(samples: Any, sample_rate_hz: int) -> bytes:
    """Encode samples as a WAV file, so that arrays are read and checked as files are."""
    from scipy.io import wavfile

    array = _checked(samples)
    if not isinstance(sample_rate_hz, numbers.Real) or sample_rate_hz != sample_rate_hz // 1:
        raise UserError(
            f"sample_rate_hz={sample_rate_hz!r} is not an integer; give samples per second"
        )
    rate_hz = int(sample_rate_hz)
    if not 0 < rate_hz < 2**31:
        raise UserError(f"sample_rate_hz={rate_hz} is not possible; give samples per second")
    file = io.BytesIO()
    try:
        wavfile.write(file, rate_hz, array)
    except (ValueError, OverflowError) as error:
        raise UserError(f"samples cannot be written as WAV: {error}") from error
    return file.getvalue()


def _checked(samples: Any) -> "NDArray[np.float32 | np.integer]":
    import numpy as np

    if not isinstance(samples, np.ndarray):
        raise UserError(
            f"samples are {type(samples).__name__}, not a NumPy array; convert with numpy.asarray"
        )
    if samples.dtype.name not in (*_INTEGERS, *_FLOATS):
        raise UserError(
            f"samples have the type {samples.dtype}; use {', '.join(_FLOATS)} (full scale 1) or "
            f"{', '.join(_INTEGERS)} (PCM)"
        )
    if samples.ndim not in (1, 2) or samples.size == 0:
        raise UserError(
            f"samples have the shape {samples.shape}; they must be (n_samples,) or "
            "(n_samples, n_channels), and not empty"
        )
    if samples.ndim == 2 and samples.shape[1] > max(_MANY_CHANNELS, samples.shape[0]):
        raise UserError(
            f"samples of shape {samples.shape} have {samples.shape[1]} channels; are they "
            "(n_channels, n_samples)? Then give samples.T"
        )
    if samples.dtype.name in _INTEGERS:
        return samples
    with np.errstate(over="ignore"):
        array = samples.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError(
            "samples hold NaN, infinity or values beyond float32; remove them (full scale is 1)"
        )
    return array
