"""Swap test: decode a clip with codes of other clips, and see which attribute came along."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from disentangled_audio.evaluation.representation.leakage import reason_over_folds
from disentangled_audio.evaluation.scores.intervals import bootstrap_intervals, interval_of_mean

Decode = Callable[[dict[str, NDArray[np.floating]]], NDArray[np.floating]]
ORIGINAL, REBUILT, RECOMBINED = "original", "rebuilt", "recombined"
INPUT, DONOR = "input", "donor"
N_PARTS = 4
COLUMNS = (
    *("swap", "attribute", "clip", "expected", "share", "low", "high"),
    *("n_items", "n_classes", "reason"),
)


@dataclass(frozen=True)
class Swap:
    """Which clips a result is decoded from.

    Attributes
    ----------
    name : str
        The code that is swapped, or ``recombined``.
    clips : mapping of role to (n_results,) of int
        Row of the clip that plays the role in each result, such as input and donor.
    role_of_code : mapping
        Code to the role that it is taken from.
    """

    name: str
    clips: dict[str, NDArray[np.intp]]
    role_of_code: dict[str, str]

    def take(self, codes: Mapping[str, NDArray[np.floating]]) -> dict[str, NDArray[np.floating]]:
        """Codes of the results, each (n_results, …)."""
        return {
            name: np.asarray(code)[self.clips[self.role_of_code[name]]]
            for name, code in codes.items()
        }


def outline(log_mel: NDArray[np.floating]) -> NDArray[np.float64]:
    """Level of each frame, and mean spectra of the sounding part and of its quarters.

    Where a clip sounds varies with its rhythm, so that a reader of raw frames would need every
    combination of content and rhythm among its examples.

    Parameters
    ----------
    log_mel : (n_items, n_frames, n_mels)
        On a scale of level, 0 the lowest.

    Returns
    -------
    (n_items, n_frames + 5 * n_mels)
    """
    level = log_mel.mean(axis=2)
    loud = np.maximum(level - 0.5 * level.max(axis=1, keepdims=True), 0.0)
    # Of a silent clip every frame counts alike.
    loud = loud + 1e-6
    place = np.cumsum(loud, axis=1) / loud.sum(axis=1, keepdims=True)
    part = np.minimum(N_PARTS * place, N_PARTS - 1).astype(int)
    weights = [loud] + [np.where(part == number, loud, 0.0) for number in range(N_PARTS)]
    spectra = [
        np.einsum("if,ifm->im", weight, log_mel)
        / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        for weight in weights
    ]
    return np.hstack([level, *spectra]).astype(np.float64)


def fit_readers(log_mel: NDArray[np.floating], attributes: pd.DataFrame) -> dict[str, Pipeline]:
    """Learn to read attributes from real spectrograms.

    Readers know nothing of the model under test: they are fitted to recordings, by shrinkage LDA
    of `outline`. (With training speakers of FSDD they name the digits of an unseen one at 83 to
    88 %, and on `factors` every level of unseen combinations.)

    Parameters
    ----------
    log_mel : (n_items, n_frames, n_mels)
        Real spectrograms of training rows.
    attributes : DataFrame of n_items rows
        Classes of each attribute; rows with a missing one are left out for that attribute.

    Returns
    -------
    dict
        Attribute to its reader. One that has a single class has no reader.
    """
    readers = {}
    for attribute in attributes:
        known = attributes[attribute].notna().to_numpy()
        labels = _texts(attributes[attribute])[known]
        n_classes = len(np.unique(labels))
        if n_classes < 2:
            continue
        lda = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage="auto", priors=np.full(n_classes, 1.0 / n_classes)
        )
        reader = make_pipeline(FunctionTransformer(outline), StandardScaler(), lda)
        readers[str(attribute)] = reader.fit(log_mel[known], labels)
    return readers


def plan_swaps(
    attributes: pd.DataFrame,
    carried_by: Mapping[str, str],
    codes: Mapping[str, Any],
    *,
    n_results: int,
    rng: np.random.Generator,
) -> list[Swap]:
    """Draw inputs, and donors that differ from them in every attribute.

    Clips that share an attribute would follow their donor and their input alike, and prove
    nothing. There is one swap for each code that carries an attribute, and, where there are two
    of them or more, one in which every such code comes from a clip of its own. Other codes (a
    timbre) stay with the input; in the recombined swap with the clip of the first code.

    Parameters
    ----------
    attributes : DataFrame of n_items rows
        Classes of each attribute. Rows that lack one are not drawn.
    carried_by : mapping
        Attribute to the code that should carry it.
    codes : mapping
        All codes that the decoder takes, by name.
    n_results : int
        Results of each swap.
    rng : numpy.random.Generator

    Returns
    -------
    list of Swap
        Empty where no two clips differ in every attribute that varies.

    Raises
    ------
    ValueError
        If a code that should carry an attribute does not exist.
    """
    unknown = sorted(set(carried_by.values()) - set(codes))
    if unknown:
        raise ValueError(f"no code {unknown} to carry an attribute; there are {sorted(codes)}")
    varying = _varying(attributes[list(carried_by)])
    labels = attributes[varying].apply(lambda column: pd.factorize(column)[0]).to_numpy()
    carriers = list(dict.fromkeys(carried_by[name] for name in varying))
    swaps = []
    for code in carriers:
        drawn = _differing(labels, n_results, 2, rng)
        role_of_code = {name: DONOR if name == code else INPUT for name in codes}
        swaps.append(Swap(code, dict(zip((INPUT, DONOR), drawn, strict=True)), role_of_code))
    if len(carriers) > 1:
        drawn = _differing(labels, n_results, len(carriers), rng)
        role_of_code = {name: name if name in carriers else carriers[0] for name in codes}
        clips = dict(zip(carriers, drawn, strict=True))
        swaps.append(Swap(RECOMBINED, clips, role_of_code))
    return [swap for swap in swaps if len(next(iter(swap.clips.values())))]


def _varying(attributes: pd.DataFrame) -> list[str]:
    return [str(name) for name in attributes if attributes[name].nunique() > 1]


def _differing(
    labels: NDArray[np.integer], n_results: int, n_clips: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Rows of clips that differ from each other in every column, (n_clips, n_found)."""
    complete = np.flatnonzero((labels >= 0).all(axis=1))
    found = []
    for first in rng.permutation(np.resize(complete, n_results if len(complete) else 0)):
        chosen = with_donors(labels, first, n_clips, rng)
        if chosen:
            found.append(chosen)
    return np.array(found, dtype=np.intp).reshape(-1, n_clips).T


def with_donors(
    labels: NDArray[np.integer], first: np.intp, n_clips: int, rng: np.random.Generator
) -> list[np.intp]:
    """Draw clips that differ from a given one, and from each other, in every attribute.

    Parameters
    ----------
    labels : (n_items, n_attributes)
        Numbers of classes; -1 where a clip lacks one, and such clips are not drawn.
    first : int
        Row of the given clip.
    n_clips : int
        How many are wanted, the given one among them.
    rng : numpy.random.Generator

    Returns
    -------
    list of int
        Rows, the given one first; empty if the draw came to an end before.
    """
    chosen = [first]
    candidates = np.flatnonzero((labels >= 0).all(axis=1))
    while len(chosen) < n_clips:
        candidates = candidates[(labels[candidates] != labels[chosen[-1]]).all(axis=1)]
        if len(candidates) == 0:
            return []
        chosen.append(rng.choice(candidates))
    return chosen


def swap_test(  # noqa: PLR0913 - what is measured, and with what, each by name
    codes: Mapping[str, NDArray[np.floating]],
    log_mel: NDArray[np.floating],
    attributes: pd.DataFrame,
    carried_by: Mapping[str, str],
    decode: Decode,
    readers: Mapping[str, Pipeline],
    *,
    group: NDArray | None = None,
    n_results: int = 500,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Which attribute of a decoded spectrogram follows which clip.

    Parameters
    ----------
    codes : mapping of name to (n_items, n_dims)
        Codes of test rows, all that the decoder takes.
    log_mel : (n_items, n_frames, n_mels)
        Their real spectrograms.
    attributes : DataFrame of n_items rows
        Classes of each attribute.
    carried_by : mapping
        Attribute to the code that should carry it.
    decode : callable
        From codes by name, each (n_results, n_dims), to spectrograms.
    readers : mapping
        Attribute to its reader, from `fit_readers` on training rows.
    group : (n_items,), optional
        Groups of the items, which intervals draw.
    n_results : int
        Results of each swap.
    n_resamples, seed : int

    Returns
    -------
    DataFrame
        ``swap, attribute, clip, expected, share, low, high, n_items, n_classes, reason``: in the
        results of a swap, the share in which the reader names the attribute of the clip with that
        role; ``expected`` where the code that should carry the attribute came from it. The swap
        ``original`` is the reader on the real spectrograms and ``rebuilt`` on their
        reconstruction from their own codes: no swap can be read better than these. Attributes
        that cannot be tested are there with their reason.
    """
    groups = np.zeros(len(attributes)) if group is None else np.asarray(group)
    texts = {name: _texts(attributes[name]) for name in carried_by}
    labels = pd.DataFrame(texts, index=range(len(attributes)))
    labels[attributes[list(carried_by)].isna().to_numpy()] = None
    rng = np.random.default_rng(seed)
    swaps = plan_swaps(labels, carried_by, codes, n_results=n_results, rng=rng)
    rows = np.sort(rng.permutation(len(labels))[:n_results])
    own = Swap(REBUILT, {INPUT: rows}, dict.fromkeys(codes, INPUT))
    readable = {name: reader for name, reader in readers.items() if name in carried_by}
    spectra = [(Swap(ORIGINAL, own.clips, own.role_of_code), np.asarray(log_mel[rows]))]
    spectra += [(swap, decode(swap.take(codes))) for swap in [own, *swaps]]
    records: list[dict] = []
    for swap, results in spectra:
        read = {name: reader.predict(results) for name, reader in readable.items()}
        for shares in swap_shares(swap, read, labels, carried_by):
            records.append(shares | _interval(shares.pop("hits"), groups, swap, n_resamples, seed))
    records += _untested(labels, carried_by, readable, swaps)
    return pd.DataFrame(records, columns=list(COLUMNS))


def swap_shares(
    swap: Swap,
    read: Mapping[str, NDArray],
    attributes: pd.DataFrame,
    carried_by: Mapping[str, str],
) -> Iterator[dict]:
    """Compare what was read from results with the clips that they come from.

    Parameters
    ----------
    swap : Swap
    read : mapping of attribute to (n_results,)
        Class that was read from each result.
    attributes : DataFrame of n_items rows
        Classes of the clips; a missing one is not compared.
    carried_by : mapping
        Attribute to the code that should carry it.

    Yields
    ------
    dict
        ``swap, attribute, clip, expected, share, n_items, n_classes, reason``, and ``hits``
        (n_results,), NaN where the clip lacks the attribute.
    """
    for attribute, classes in read.items():
        role = swap.role_of_code[carried_by[attribute]]
        for clip, rows in swap.clips.items():
            truth = attributes[attribute].to_numpy(dtype=object)[rows]
            hits = np.where(pd.isna(truth), np.nan, (truth == np.asarray(classes, dtype=object)))
            hits = hits.astype(np.float64)
            n_items = int(np.isfinite(hits).sum())
            yield {
                "swap": swap.name,
                "attribute": attribute,
                "clip": clip,
                "expected": clip == role,
                "share": float(np.nanmean(hits)) if n_items else np.nan,
                "n_items": n_items,
                "n_classes": int(attributes[attribute].nunique()),
                "reason": "" if n_items else "no clip has the attribute",
                "hits": hits,
            }


def swap_summary(swaps: pd.DataFrame) -> dict[str, Any]:
    """Plain numbers of a swap test.

    Parameters
    ----------
    swaps : DataFrame
        From `swap_test`.

    Returns
    -------
    dict
        ``moved`` (mean over codes: share of results whose attribute follows the donor),
        ``stayed`` (mean over codes and their other attributes: share that is still the input's),
        ``recombined`` (mean over attributes: share that follows its own clip), ``original`` and
        ``rebuilt`` (what the readers reach without a swap), and ``by_code``: code to ``{moved,
        stayed}``. None where nothing was tested.
    """
    expected = swaps[swaps["expected"].fillna(False).astype(bool) & swaps["share"].notna()]
    whole = {ORIGINAL, REBUILT, RECOMBINED}
    single = expected[~expected["swap"].isin(whole)]
    moved, stayed = single[single["clip"] == DONOR], single[single["clip"] == INPUT]
    return {
        "moved": _mean(moved["share"]),
        "stayed": _mean(stayed["share"]),
        **{
            name: _mean(expected.loc[expected["swap"] == name, "share"])
            for name in (RECOMBINED, ORIGINAL, REBUILT)
        },
        "by_code": {
            str(code): {
                "moved": _mean(moved.loc[moved["swap"] == code, "share"]),
                "stayed": _mean(stayed.loc[stayed["swap"] == code, "share"]),
            }
            for code in dict.fromkeys(single["swap"])
        },
    }


def swaps_over_folds(tables: Sequence[pd.DataFrame], confidence: float = 0.95) -> pd.DataFrame:
    """One table of swaps from those of several folds, whose encoders and readers differ.

    Parameters
    ----------
    tables : of DataFrame
        From `swap_test`.
    confidence : float

    Returns
    -------
    DataFrame
        The columns of `swap_test`: mean shares over the folds that have them, and the interval of
        that mean by a bootstrap of folds, seeded; ``n_items`` is the sum. ``n_folds`` says how
        many had a share, ``reason`` why the others had none.

    Raises
    ------
    ValueError
        If there is no table.
    """
    if not tables:
        raise ValueError("no table of swaps to take the mean of")
    # A table that was read from a file has no empty texts.
    every = pd.concat(tables, ignore_index=True).fillna({"reason": ""})
    # Where other attributes vary, another code may be the one that an attribute should follow.
    keys = ["swap", "attribute", "clip", "expected"]
    records = []
    for values, rows in every.groupby(keys, sort=False):
        shares = rows["share"].dropna().to_numpy(dtype=float)
        low, high = interval_of_mean(shares, confidence)
        records.append(
            {
                **dict(zip(keys, values, strict=True)),
                "share": shares.mean() if len(shares) else np.nan,
                "low": low,
                "high": high,
                "n_items": int(rows["n_items"].sum()),
                "n_classes": int(rows["n_classes"].max()),
                "reason": reason_over_folds(rows["reason"], rows["share"].isna()),
                "n_folds": len(shares),
            }
        )
    return pd.DataFrame(records, columns=[*COLUMNS, "n_folds"])


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if len(values) else None


def _texts(values: pd.Series) -> NDArray[np.object_]:
    return np.array([str(value) for value in values], dtype=object)


def _interval(
    hits: NDArray[np.float64], groups: NDArray, swap: Swap, n_resamples: int, seed: int
) -> dict[str, float]:
    known = np.isfinite(hits)
    if not known.any():
        return {"low": np.nan, "high": np.nan}
    of_clips = groups[next(iter(swap.clips.values()))]
    low, high = bootstrap_intervals(
        np.ones(known.sum(), dtype=int),
        hits[known].astype(int),
        of_clips[known],
        ["0", "1"],
        rng=np.random.default_rng(seed),
        n_resamples=n_resamples,
    )["accuracy"]
    return {"low": low, "high": high}


def _untested(
    labels: pd.DataFrame,
    carried_by: Mapping[str, str],
    readable: Mapping[str, Pipeline],
    swaps: list[Swap],
) -> Iterator[dict]:
    done = {swap.name for swap in swaps}
    for attribute, code in carried_by.items():
        n_classes = int(labels[attribute].nunique())
        if n_classes < 2:
            reason = "one class" if n_classes else "no clip has the attribute"
        elif attribute not in readable:
            reason = "no reader: one class in the training rows"
        elif code not in done:
            reason = "no two clips differ in every attribute"
        else:
            continue
        yield untested(attribute, code, n_classes, reason)


def untested(attribute: str, code: str, n_classes: int, reason: str) -> dict:
    """A row of `swap_test` for an attribute that could not be tested."""
    return {
        **{"swap": code, "attribute": attribute, "clip": DONOR, "expected": True},
        **{"share": np.nan, "low": np.nan, "high": np.nan},
        **{"n_items": 0, "n_classes": n_classes, "reason": reason},
    }
