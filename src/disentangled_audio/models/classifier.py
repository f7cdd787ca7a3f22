"""Recordings classified by trained models: the same object for Python, command line and Kedro."""

import io
import math
import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from os import PathLike, fspath
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

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]
# Enough for the encoders' large batch, and soon done: others start after the first part.
FIRST_FILES = 256
# What a part costs beside its files is shared by more; few enough to hold the views of all workers.
FILES_AT_ONCE = 512
# What a WAV file can hold that libsndfile scales to -1 up to 1.
_INTEGERS = ("int16", "int32", "uint8")
_FLOATS = ("float16", "float32", "float64")
# More channels than samples, and more than any microphone array of one recorder.
_MANY_CHANNELS = 64


class Classifier:
    """Trained models that say which class recordings are, and how sure that is.

    Make one with `Classifier.load`. Loading takes seconds; after that one object classifies any
    number of recordings, which it prepares exactly as the training run prepared its own.

    Attributes
    ----------
    classes : list of str
        Class names, in the order of the columns `p_<class>`.
    manifest : dict
        What the training run, or its bundle, says of itself: `run_id`, `parameters`, `packages`.

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
        from disentangled_audio.models.preparation import Preprocessing

        self.manifest = manifest
        self._reference = reference
        self._preprocessing = Preprocessing.of_run(manifest)
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

        Every file is compared with the SHA-256 that its run noted. That finds damage and mixtures;
        whoever wrote the files could have written the hashes too, so models are read without
        pickle, and nothing but the types that this project writes is made of them.

        Parameters
        ----------
        path
            A project's folder, the folder of one run's `run_manifest.json`, or a bundle that
            `disentangled-audio export` wrote.
        version : str, optional
            Of a project: the run, as `disentangled-audio runs` lists it; the newest otherwise.
        corpus, protocol : str, optional
            Of a project: the newest run of these.
        fold : str, optional
            Of a project: the model of this fold of a cross-validation.

        Raises
        ------
        UserError
            If there is no such model, a file is missing, was changed, or needs another version of
            a package; names it.
        """
        from disentangled_audio.models.bundle import read_bundle
        from disentangled_audio.runs.trained_runs import MANIFEST, find_run, run_of_folder

        place = Path(fspath(path)).expanduser()
        chosen = {"version": version, "corpus": corpus, "protocol": protocol, "fold": fold}
        given = [name for name, value in chosen.items() if value is not None]
        is_run = (place / MANIFEST).is_file()
        if given and (is_run or not place.is_dir()):
            raise UserError(f"{place} is one model; {', '.join(given)} chooses one of a project")
        if is_run:
            return cls.of_run(run_of_folder(place))
        if place.is_dir():
            return cls.of_run(find_run(place.resolve() / "data", **chosen))
        return cls(*read_bundle(place))

    @classmethod
    def of_run(cls, run: Any) -> "Classifier":
        """The models of a run that `runs.trained_runs` found."""
        from disentangled_audio.models.bundle import read_models, read_reference
        from disentangled_audio.runs.run_files import read_files

        contents = read_files(run)
        reference = read_reference(contents, run.parameters["seed"])
        models = read_models(run.models, contents, run.manifest["files"])
        return cls(run.manifest, reference, models)

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
            Such as `rir`, of all recordings that the training corpus does not have; what their
            names say, or the corpus's own kind, otherwise.
        parallel : ParallelParameters, optional
            On how many processes files are prepared: two, where that pays.

        Returns
        -------
        DataFrame
            A row for each file (each channel, if the model listens to single ones), in the order
            of the paths:

            - `file`, `channel`, `kind`;
            - `class`, and `confidence`, the hybrid's probability of it, 0 to 1;
            - `in_distribution`, how usual such a recording is among the known ones, 0 to 1 (at
              0.05 or less do not trust the class), `least_in_distribution`, the least value that
              is possible, and `distance` in units of the known recordings' median;
            - `warnings`, separated by "; ";
            - `p_<class>` of the hybrid, `<model>_p_<class>` of each other model;
            - acoustic parameters of impulse responses, in seconds and dB as their names say;
            - `error` and `what_to_do` of a file that cannot be used, in place of all that;
            - `model_version`.

        Raises
        ------
        UserError
            If a path does not exist or has no recording, or the kind is unknown; names it.
        """
        return self.predictions(_texts(paths), kind, parallel).rename(columns={"path": "file"})

    def predict_array(
        self, samples: "NDArray[Any]", sample_rate_hz: int, *, kind: str | None = None
    ) -> "pd.DataFrame":
        """Classify a recording that is held in memory.

        Parameters
        ----------
        samples : (n_samples,) or (n_samples, n_channels)
            Linear amplitude: floats of full scale 1, or PCM of type int16, int32 or uint8.
        sample_rate_hz : int
            Samples per second.
        kind : str, optional
            As for `predict`.

        Returns
        -------
        DataFrame
            As of `predict`; `file` is `array`. The answer is that for a WAV file of these samples.

        Raises
        ------
        UserError
            A ValueError: if samples are no such array, hold NaN or infinity, are silent or too
            short; says what to do.
        """
        from disentangled_audio.models.preparation import MemoryFile

        file = MemoryFile("array", _wav(samples, sample_rate_hz))
        part = self._reader(kind)((0, [file]))
        for rejected in part.rejected:
            raise UserError(f"samples: {rejected['reason']}; {rejected['what_to_do']}")
        table = self._finished([self._answers.predictions(part)], self._answers.columns)
        return table.rename(columns={"path": "file"})

    def codes(
        self, paths: Paths, *, kind: str | None = None, parallel: ParallelParameters | None = None
    ) -> "pd.DataFrame":
        """The disentangled codes of recordings.

        Parameters
        ----------
        paths, kind, parallel
            As for `predict`.

        Returns
        -------
        DataFrame
            A row an item as of `predict`: `file`, `channel`, one column a dimension of each code
            (`content_00`, …, `rhythm_00`, …, `pitch_00`, …; without unit), `error` and
            `what_to_do` of a file that cannot be used.

        Raises
        ------
        UserError
            As `predict`.
        """
        parts = self._parts(_texts(paths), kind, parallel, self._answers.codes)
        table = self._finished(parts, self._answers.code_columns)
        return table.drop(columns="model_version").rename(columns={"path": "file"})

    def predictions(
        self,
        paths: Sequence[str],
        kind: str | None = None,
        parallel: ParallelParameters | None = None,
    ) -> "pd.DataFrame":
        """The table `inference_predictions`: as `predict`, with `path` in place of `file`."""
        parts = self._parts(paths, kind, parallel, self._answers.predictions)
        return self._finished(parts, self._answers.columns)

    def _parts(
        self,
        paths: Sequence[str],
        kind: str | None,
        parallel: ParallelParameters | None,
        answer: "Callable[[Features], pd.DataFrame]",
    ) -> "list[pd.DataFrame]":
        """Answers of all files, in parts of many, in order."""
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
        return FeatureReader(self._preprocessing, self._reference.known, kind)

    def _finished(self, parts: "list[pd.DataFrame]", columns: list[str]) -> "pd.DataFrame":
        """One table, with the columns of files that can be used and of those that cannot."""
        import pandas as pd

        table = pd.concat(parts, ignore_index=True).reindex(columns=columns)
        table["model_version"] = self.manifest["run_id"]
        return table


def _part_edges(n_files: int) -> list[int]:
    """Where parts begin, and the end; all but the first are as large as the others."""
    import numpy as np

    first = min(FIRST_FILES, n_files)
    n_others = math.ceil((n_files - first) / FILES_AT_ONCE)
    return [0, *np.linspace(first, n_files, n_others + 1, dtype=int).tolist()]


def _texts(paths: Paths) -> list[str]:
    if isinstance(paths, str | PathLike):
        return [fspath(paths)]
    return [fspath(path) for path in paths]


def _wav(samples: Any, sample_rate_hz: int) -> bytes:
    """The bytes of a WAV file: an array is then read and checked as a file is."""
    from scipy.io import wavfile

    array = _checked(samples)
    try:
        rate_hz = operator.index(sample_rate_hz)
    except TypeError as error:
        raise UserError(
            f"sample_rate_hz={sample_rate_hz!r} is no whole number of samples per second"
        ) from error
    if not 0 < rate_hz < 2**31:
        raise UserError(f"sample_rate_hz={rate_hz} is none of audio; give samples per second")
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
            f"samples are {type(samples).__name__}, not a NumPy array; numpy.asarray makes one"
        )
    if samples.dtype.name not in (*_INTEGERS, *_FLOATS):
        raise UserError(
            f"samples are of type {samples.dtype}; allowed are {', '.join(_FLOATS)} (full scale 1) "
            f"and {', '.join(_INTEGERS)} (PCM)"
        )
    if samples.ndim not in (1, 2) or samples.size == 0:
        raise UserError(
            f"samples are of shape {samples.shape}; they must be (n_samples,) or "
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
        raise UserError("samples hold NaN, infinity or values beyond float32; full scale is 1")
    return array
