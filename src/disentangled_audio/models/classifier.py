"""`Classifier`: trained models for recordings, shared by Python, the command line and Kedro."""

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from disentangled_audio.errors import UserError
from disentangled_audio.models.given_paths import Paths, path_text, path_texts
from disentangled_audio.models.hearing import Heard, Hearing, parts_of_files
from disentangled_audio.parameters import ParallelParameters

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from disentangled_audio.models.preparation import FeatureReader, Features
    from disentangled_audio.models.reference import Reference
    from disentangled_audio.models.suggest import Suggestions

Rows = Literal["segments", "windows", "whole"]


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

        place = Path(path_text(path, "path")).expanduser()
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
        self,
        paths: Paths,
        *,
        kind: str | None = None,
        parallel: ParallelParameters | None = None,
        window_s: float | None = None,
        hop_s: float | None = None,
        rows: Rows = "segments",
    ) -> "pd.DataFrame":
        """Classify recordings; all of a long one is heard, in windows as long as training clips.

        Two kinds of recordings are heard as one clip, as in training: those of the training corpus,
        and impulse responses that clips of training follow from the direct sound on.

        Parameters
        ----------
        paths : str, path or sequence of them
            Files of any name, folders (audio files below them), glob patterns, zip archives.
        kind : str, optional
            Kind, such as `rir`, of all recordings outside the training corpus. The default is the
            kind in a file's name, or that of the corpus.
        parallel : ParallelParameters, optional
            Processes that prepare files; the default is at most two.
        window_s : float, optional
            Length of the windows in seconds; the default, and the most, is that of training clips.
        hop_s : float, optional
            Time in seconds from the start of a window to that of the next; the default is half of
            `window_s`.
        rows : {"segments", "windows", "whole"}
            A row per segment (neighbouring windows of the same class), per window, or per file.

        Returns
        -------
        DataFrame
            Rows (of each channel, if the model takes single channels) in the order of the paths;
            a short recording has one:

            - `file`, `channel`, `kind`;
            - `start_s` and `end_s` in the recording, which lasts `duration_s`; `n_windows`, and
              `agreement`, the share of these windows with the row's class; all other numbers of a
              row are means over its windows;
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

            `attrs["remarks"]` has sentences about all files, such as those that were resampled.

        Raises
        ------
        UserError
            If a path does not exist or has no recording, the kind is unknown, or a window or hop
            is not possible.
        """
        table = self.predictions(
            *(path_texts(paths), kind, parallel), window_s=window_s, hop_s=hop_s, rows=rows
        )
        return table.rename(columns={"path": "file"})

    def predict_array(
        self,
        samples: "NDArray[Any]",
        sample_rate_hz: int,
        *,
        kind: str | None = None,
        window_s: float | None = None,
        hop_s: float | None = None,
        rows: Rows = "segments",
    ) -> "pd.DataFrame":
        """Classify a recording in memory.

        Parameters
        ----------
        samples : (n_samples,) or (n_samples, n_channels)
            Linear amplitude: floats of full scale 1, or PCM of type int16, int32 or uint8.
        sample_rate_hz : int
            Sampling rate in Hz.
        kind, window_s, hop_s, rows
            As in `predict`.

        Returns
        -------
        DataFrame
            As in `predict`, with `file` = `array`; a WAV file of the samples gives the same rows.

        Raises
        ------
        UserError
            If the array has another form, holds NaN or infinity, or is silent or too short; a
            subclass of ValueError.
        """
        from disentangled_audio.models.in_memory import as_wav
        from disentangled_audio.models.preparation import MemoryFile

        file = MemoryFile("array", as_wav(samples, sample_rate_hz))
        hearing = self._hearing(window_s, hop_s)
        heard = Heard(file, hearing.windows(len(samples) / sample_rate_hz))
        tables, left_out = [], []
        for piece in self._reader(kind).pieces((0, [heard]), hearing.n_at_once):
            for rejected in piece.rejected:
                raise UserError(f"samples: {rejected['reason']}")
            tables.append(self._answers.predictions(piece))
            left_out += piece.left_out
        return self._table(tables, rows, left_out).rename(columns={"path": "file"})

    def codes(
        self,
        paths: Paths,
        *,
        kind: str | None = None,
        parallel: ParallelParameters | None = None,
        window_s: float | None = None,
        hop_s: float | None = None,
    ) -> "pd.DataFrame":
        """Compute the disentangled codes of recordings.

        Parameters and errors are those of `predict`.

        Returns
        -------
        DataFrame
            One row per window: `file`, `channel`, `start_s`, `end_s`, one column per dimension of
            each code (`content_00`, …, `rhythm_00`, …, `pitch_00`, …; without unit), and `error`
            and `what_to_do` for a file that cannot be used.
        """
        hearing = self._hearing(window_s, hop_s)
        parts, _ = self._in_parts(path_texts(paths), kind, parallel, hearing, self._answers.codes)
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
        table = self.suggestions(path_texts(paths), n, kind, parallel).table
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

        parts, _ = self._in_parts(paths, kind, parallel, None, self._answers.candidates)
        return suggested(self._finished(parts, self._answers.candidate_columns), n)

    def predictions(
        self,
        paths: Sequence[str],
        kind: str | None = None,
        parallel: ParallelParameters | None = None,
        *,
        window_s: float | None = None,
        hop_s: float | None = None,
        rows: Rows = "segments",
    ) -> "pd.DataFrame":
        """Make the table `inference_predictions`: as `predict`, with `path` instead of `file`."""
        hearing = self._hearing(window_s, hop_s)
        parts, left_out = self._in_parts(paths, kind, parallel, hearing, self._answers.predictions)
        return self._table(parts, rows, left_out)

    def _in_parts(
        self,
        paths: Sequence[str],
        kind: str | None,
        parallel: ParallelParameters | None,
        hearing: Hearing | None,
        answer: "Callable[[Features], pd.DataFrame]",
    ) -> "tuple[list[pd.DataFrame], list[str]]":
        """Apply `answer` to all files, part by part; the tables keep the order of the files.

        Also give the reason of each window that was left out. Without `hearing`, a recording is one
        clip.
        """
        from disentangled_audio.corpora.sources.named import named_files
        from disentangled_audio.storage.progress import chunk_progress

        plan = Heard if hearing is None else hearing.heard
        files = [plan(file) for file in named_files(paths)]
        answers: dict[int, list[Any]] = {}
        left_out: list[str] = []
        done = 0
        with chunk_progress("classifying", "files", passing=True) as update:
            update(0, len(files))
            for piece in self._pieces(files, kind, parallel or ParallelParameters()):
                if piece.rows or piece.rejected:
                    table = answer(piece)
                    # Places count from the part's first file.
                    table["place"] += piece.position
                    answers.setdefault(piece.position, []).append(table)
                done += piece.n_files
                left_out += piece.left_out
                update(done, len(files))
        return [table for position in sorted(answers) for table in answers[position]], left_out

    def _pieces(
        self, files: list[Heard], kind: str | None, parallel: ParallelParameters
    ) -> "Iterator[Features]":
        """Features of all files; those of a long one come piece by piece, from this process."""
        from disentangled_audio.storage.parallel import in_parallel

        reader = self._reader(kind)
        n_at_once = self._hearing().n_at_once
        short, long = parts_of_files(files, n_at_once)
        yield from in_parallel(reader, short, parallel)
        for part in long:
            yield from reader.pieces(part, n_at_once)

    def _hearing(self, window_s: float | None = None, hop_s: float | None = None) -> Hearing:
        return Hearing.of(self._preprocessing.clip_s, window_s, hop_s)

    def _reader(self, kind: str | None) -> "FeatureReader":
        from disentangled_audio.models.preparation import FeatureReader
        from disentangled_audio.runs.run_files import check_kind

        check_kind(kind, self._reference.kinds)
        usual_channels = max(self._reference.n_channels)
        return FeatureReader(
            *(self._preprocessing, self._reference.known, kind, self._embedder, usual_channels)
        )

    def _table(self, parts: "list[pd.DataFrame]", rows: str, left_out: list[str]) -> "pd.DataFrame":
        """Join windows and parts; `attrs` has remarks about all files."""
        import pandas as pd

        from disentangled_audio.models.answers import STORED
        from disentangled_audio.models.segments import joined_windows

        found = pd.concat(parts, ignore_index=True).reindex(
            columns=["place", *STORED, *self._answers.columns]
        )
        remarks = self._answers.remarks(found, left_out)
        by_channel = self._preprocessing.corpus.analysis.channel == "each"
        joined = joined_windows(found, rows, by_channel=by_channel)
        table = self._finished([joined], self._answers.columns)
        table.attrs["remarks"] = remarks
        return table

    def _finished(self, parts: "list[pd.DataFrame]", columns: list[str]) -> "pd.DataFrame":
        """Join the parts, with every column whether files can be used or not."""
        import pandas as pd

        table = pd.concat(parts, ignore_index=True).reindex(columns=[*columns, "model_version"])
        return table.assign(model_version=self.manifest["run_id"])
