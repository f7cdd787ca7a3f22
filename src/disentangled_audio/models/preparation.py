"""Features of new files, computed as in the training run; workers import this module."""

import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from disentangled_audio.parameters import (
    AcousticParameters,
    Analysis,
    CepstraParameters,
    Corpus,
    FolderSource,
    FourierParameters,
    ViewParameters,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from disentangled_audio.corpora.describe import NameGrammar
    from disentangled_audio.corpora.reading.parts import LeftOut
    from disentangled_audio.models.embedding import Embedder
    from disentangled_audio.models.hearing import Heard
    from disentangled_audio.models.windows import Windows

# Parameters that describe how recordings are prepared.
_PREPARATION = ("fourier", "views", "cepstra", "acoustic", "disentangler", "seed")
# Source of files outside the corpus, which are read by their headers.
_NO_SOURCE = FolderSource(folder=".")


@dataclass(frozen=True)
class Preprocessing:
    """Parameters with which a run prepared its recordings, from its manifest."""

    corpus: Corpus
    fourier: FourierParameters
    views: ViewParameters
    cepstra: CepstraParameters
    acoustic: AcousticParameters

    @property
    def clip_s(self) -> float:
        """Length of the clips in seconds."""
        return float(self.corpus.analysis.duration_s)

    @property
    def one_clip(self) -> Analysis:
        """How a recording becomes one clip, although the run may have cut its own into several."""
        analysis = self.corpus.analysis
        part = "loudest" if analysis.part == "windows" else analysis.part
        return analysis.model_copy(update={"part": part})

    @classmethod
    def of_run(cls, manifest: dict[str, Any]) -> "Preprocessing":
        """Read the parameters; the clips have the length that the run found."""
        parameters = manifest["parameters"]
        corpus = Corpus.model_validate(parameters["corpus"])
        (n_samples,) = manifest["feature_schema"]["waveforms"]
        duration_s = n_samples / corpus.analysis.clip_rate_hz
        # Labelled parts are not one clip of their recording either.
        part = "windows" if corpus.segments is not None else corpus.analysis.part
        analysis = corpus.analysis.model_copy(update={"duration_s": duration_s, "part": part})
        return cls(
            _for_new_recordings(corpus, analysis),
            FourierParameters.model_validate(parameters["fourier"]),
            ViewParameters.model_validate(parameters["views"]),
            CepstraParameters.model_validate(parameters["cepstra"]),
            AcousticParameters.model_validate(parameters["acoustic"]),
        )


def facts_of(manifest: dict[str, Any], fold: str | None = None) -> dict[str, Any]:
    """The part of a run's manifest that its models need, wherever they are.

    Parameters
    ----------
    manifest : dict
        Manifest of a run that trained all models.
    fold : str, optional
        Name of the fold, if it is one of a cross-validation.

    Returns
    -------
    dict
        `run_id`, `corpus`, `protocol`, `fold`, `packages`, `feature_code`, `feature_schema`,
        `pretrained` (None without pretrained weights), and `parameters`, in which `corpus` and
        `protocol` keep only what new recordings need.
    """
    parameters = manifest["parameters"]
    corpus = Preprocessing.of_run(manifest).corpus.model_dump(mode="json", exclude_defaults=True)
    return {
        "run_id": manifest["run_id"],
        "corpus": str(parameters["corpus_name"]),
        "protocol": str(parameters["protocol_name"]),
        "fold": fold,
        **{name: manifest[name] for name in ("packages", "feature_code", "feature_schema")},
        "pretrained": manifest.get("pretrained"),
        "parameters": {
            **{name: parameters[name] for name in _PREPARATION},
            "corpus": corpus,
            "protocol": {"target": parameters["protocol"]["target"]},
        },
    }


def _for_new_recordings(corpus: Corpus, analysis: Analysis) -> Corpus:
    """The part of a corpus that applies to any recording, without its paths and labels."""
    first = corpus.sources[0]
    source = FolderSource(
        folder=".",
        name_patterns=first.name_patterns,
        columns=first.columns,
        licence=first.licence,
        citation=first.citation,
    )
    kept = {"name_patterns", "lower_case_names", "kind", "simulated", "licence", "citation"}
    return Corpus(sources=[source], analysis=analysis, **corpus.model_dump(include=kept))


@dataclass(frozen=True)
class Known:
    """A recording of the corpus, found by its bytes.

    Attributes
    ----------
    noise_seed : CRC-32 of its name; seed of the noise that fills a short clip.
    kind : kind of the recording, such as `rir`.
    role : `train`, `validation`, `test` or `None`.
    """

    noise_seed: int
    kind: str
    role: str


@dataclass(frozen=True)
class MemoryFile:
    """A recording in memory, with the name and the bytes of a file."""

    relative: str
    content: bytes
    fault: None = None
    own_path: None = None

    def read(self) -> bytes:
        """All bytes."""
        return self.content

    def __str__(self) -> str:
        return self.relative


@dataclass(frozen=True)
class Features:
    """Features of one part of the files.

    Attributes
    ----------
    position : start of the part among all files.
    n_files : number of files in the part.
    rows : facts of each item: the columns of `recordings`, `path`, and `place`, the number of its
        file within the part.
    rejected : path, reason, what to do, and place of each file that cannot be used.
    n_samples : length of the clips; 0 without items.
    values : arrays by name, with one row per item (per window for views); empty without items.
    windows : the item of each row of the views; None without items.
    left_out : reason for each window that was left out, such as silence.
    """

    position: int
    n_files: int
    rows: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    n_samples: int
    values: "dict[str, NDArray[Any]]"
    windows: "Windows"
    left_out: list[str]


# The row and clip of an item; or, without a clip, a rejected file or reasons of windows left out.
_Item = tuple[dict[str, Any], "NDArray[np.float32] | None"]


@dataclass(frozen=True)
class _Piece:
    """Some of the items of a part, with what was left out between them."""

    rows: list[dict[str, Any]]
    clips: "list[NDArray[np.float32]]"
    rejected: list[dict[str, Any]]
    left_out: list[str]

    def fill(self, items: Iterator[_Item], n_at_once: int) -> bool:
        """Take so many items; tell whether there are no more."""
        for row, clip in items:
            if clip is not None:
                self.rows.append(row)
                self.clips.append(clip)
            elif "left_out" in row:
                self.left_out.extend(row["left_out"])
            else:
                self.rejected.append(row)
            if len(self.rows) >= n_at_once:
                return False
        return True


@dataclass(frozen=True)
class FeatureReader:
    """Reads files as the training run did and computes their features.

    Attributes
    ----------
    preprocessing : Preprocessing
    known : recordings of the corpus by their SHA-256.
    kind : kind of all other recordings; None takes it from their names or the corpus.
    embedder : pretrained weights; None if the models use none.
    usual_channels : largest number of channels of the training recordings.
    """

    preprocessing: Preprocessing
    known: dict[str, Known]
    kind: str | None = None
    embedder: "Embedder | None" = None

    usual_channels: int | None = None

    def __call__(self, part: "tuple[int, list[Heard]]") -> Features:
        """Compute the features of files, given with their position among all files."""
        (features,) = self.pieces(part, sys.maxsize)
        return features

    def pieces(self, part: "tuple[int, list[Heard]]", n_at_once: int) -> "Iterator[Features]":
        """Compute the features of files, of so many items at a time."""
        position, files = part
        items = self._all_items(files)
        is_last = False
        while not is_last:
            piece = _Piece([], [], [], [])
            is_last = piece.fill(items, n_at_once)
            yield self._features_of(position, len(files) if is_last else 0, piece)

    def _all_items(self, files: "list[Heard]") -> Iterator[_Item]:
        from disentangled_audio.corpora.describe import NameGrammar
        from disentangled_audio.corpora.sources.folder import RejectedError

        grammar = NameGrammar(self.preprocessing.corpus, [])
        for place, heard in enumerate(files):
            left_out: list[LeftOut] = []
            n_items = 0
            try:
                for row, clip in self._items(heard, grammar, left_out):
                    n_items += 1
                    yield {**row, "place": place}, clip
                if not n_items:
                    raise RejectedError(left_out[0].reason, left_out[0].what_to_do)
                yield {"left_out": [window.reason for window in left_out]}, None
            except RejectedError as error:
                text = {"path": _as_utf8(str(heard.file)), "reason": str(error)}
                yield {**text, "what_to_do": error.of_model, "place": place}, None

    def _features_of(self, position: int, n_files: int, piece: "_Piece") -> Features:
        from disentangled_audio.models.windows import Windows

        values, windows = (
            self._features(piece.rows, piece.clips) if piece.rows else ({}, Windows.whole(0))
        )
        n_samples = len(piece.clips[0]) if piece.rows else 0
        return Features(
            *(position, n_files, piece.rows, piece.rejected, n_samples, values, windows),
            piece.left_out,
        )

    def _items(
        self, heard: "Heard", grammar: "NameGrammar", left_out: "list[LeftOut]"
    ) -> "Iterator[tuple[dict[str, Any], NDArray[np.float32]]]":
        from disentangled_audio.corpora.reading.content import read_content
        from disentangled_audio.corpora.reading.items import Task, items_of
        from disentangled_audio.corpora.reading.parts import Labelled
        from disentangled_audio.corpora.sources.folder import Located

        file = heard.file
        content = read_content([file])
        known = self.known.get(content.sha256)
        columns: dict[str, str | None] = {
            "kind": known.kind if known else self._kind(file, grammar)
        }
        recording = Located((file,), "named", _as_utf8(file.relative), _NO_SOURCE)
        # The noise that fills a short clip must not depend on the file's name.
        seed = known.noise_seed if known else zlib.crc32(content.sha256.encode())
        in_windows = bool(heard.windows) and not self._is_one_clip(known, columns["kind"])
        labelled = Labelled(heard.windows) if in_windows else None
        task = Task(recording, columns, (None,), seed, labelled, self.usual_channels)
        facts = {"path": _as_utf8(str(file)), "seen_as": known.role if known else None}
        analysis = self.preprocessing.one_clip
        for row, clip in items_of(
            task, content.sha256, content, analysis, with_facts=False, left_out=left_out
        ):
            yield {**row, **facts, **_of_recording(row, heard, in_windows=in_windows)}, clip

    def _is_one_clip(self, known: Known | None, kind: str | None) -> bool:
        """Tell whether a recording is heard as one clip, however long it is.

        Those of the corpus are heard as in training, responses from the direct sound on.
        """
        analysis = self.preprocessing.corpus.analysis
        is_aligned = analysis.align == "direct_sound" and kind == "rir"
        return is_aligned or (known is not None and analysis.part != "windows")

    def _kind(self, file: Any, grammar: "NameGrammar") -> str:
        named = (grammar.parse(file.relative) or {}).get("kind")
        return self.kind or named or self.preprocessing.corpus.kind

    def _features(
        self, rows: list[dict[str, Any]], clips: "list[NDArray[np.float32]]"
    ) -> "tuple[dict[str, NDArray[Any]], Windows]":
        import numpy as np

        from disentangled_audio.models.feature_values import (
            acoustic_measures,
            recorded_samples,
            view_summaries,
        )
        from disentangled_audio.models.views import make_views
        from disentangled_audio.models.windows import Windows, cut_windows
        from disentangled_audio.signal.acoustics import measure
        from disentangled_audio.signal.fourier import log_spectrum

        own = self.preprocessing
        waveforms = np.stack(clips)
        rate_hz = own.corpus.analysis.clip_rate_hz
        cut = cut_windows(waveforms, rate_hz, own.views)
        windows = Windows.whole(len(waveforms)) if cut is None else cut.windows
        windowed = waveforms if cut is None else cut[slice(0, cut.shape[0])]
        views = make_views(windowed, rate_hz, own.views)
        kind, duration_s, first_arrival_s = (
            np.array([row[name] for row in rows])
            for name in ("kind", "duration_s", "first_arrival_s")
        )
        course, statistics = view_summaries(views["log_mel"], windows, kind, own.cepstra, own.views)
        recorded = recorded_samples(
            kind, duration_s, first_arrival_s, own.corpus.analysis, waveforms.shape[1]
        )
        values, _ = measure(waveforms, rate_hz, recorded, acoustic_measures(own.acoustic))
        # Waveforms are half of all bytes and not needed any more, so they are not sent back.
        features = {
            "fourier_spectra": log_spectrum(waveforms, own.fourier.floor_db),
            **views,
            "mel_features": course,
            "timbre_features": statistics,
            "acoustic_values": values,
        }
        if self.embedder is not None:
            features["embedding"] = self.embedder.features(waveforms, rate_hz)
        return features, windows


def _of_recording(row: dict[str, Any], heard: "Heard", *, in_windows: bool) -> dict[str, float]:
    """Duration of a row's recording, and how much of it no clip holds."""
    if in_windows:
        return {"recording_s": heard.windows[-1].end_s, "unheard_s": 0.0}
    return {"recording_s": row["duration_s"], "unheard_s": row["duration_s"] - row["heard_s"]}


def _as_utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
