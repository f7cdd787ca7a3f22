"""Swap test: decode a clip with codes of other clips, and check which attributes follow."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from disentangled_audio.evaluation.representation.readers import as_texts
from disentangled_audio.evaluation.representation.swap_plan import (
    DONOR,
    INPUT,
    RECOMBINED,
    Swap,
    plan_swaps,
)
from disentangled_audio.evaluation.scores.intervals import bootstrap_intervals

Decode = Callable[[dict[str, NDArray[np.floating]]], NDArray[np.floating]]

ORIGINAL, REBUILT = "original", "rebuilt"

COLUMNS = (
    *("swap", "attribute", "clip", "expected", "share", "low", "high"),
    *("n_items", "n_classes", "reason"),
)


def swap_test(  # noqa: PLR0913 - what is measured, and with what, each by name
    codes: Mapping[str, NDArray[np.floating]],
    log_mel: NDArray[np.floating],
    attributes: pd.DataFrame,
    carried_by: Mapping[str, str],
    decode: Decode,
    readers: Mapping[str, Pipeline],
    *,
    group: NDArray[Any],
    n_results: int = 500,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure which clip each attribute of a decoded spectrogram follows.

    Parameters
    ----------
    codes : mapping of name to (n_items, n_dims)
        All codes of the decoder, of test rows.
    log_mel : (n_items, n_frames, n_mels)
        Their real spectrograms.
    attributes : DataFrame of n_items rows
    carried_by : mapping
        Attribute to the code that should carry it.
    decode : callable
        From codes by name, each (n_results, n_dims), to spectrograms.
    readers : mapping
        Attribute to its reader, from `fit_readers` on training rows.
    group : (n_items,)
        Groups that the intervals draw.
    n_results : int
        Results of each swap.

    Returns
    -------
    DataFrame
        ``swap, attribute, clip, expected, share, low, high, n_items, n_classes, reason``. The
        share of the results of a swap in which the reader recognises the attribute of the clip
        with that role; ``expected`` if the code that should carry the attribute came from this
        clip. The swap ``original`` reads the real spectrograms and ``rebuilt`` their
        reconstruction from their own codes; they limit what a swap can reach. Attributes that
        cannot be tested have a reason.
    """
    texts = {name: as_texts(attributes[name]) for name in carried_by}
    labels = pd.DataFrame(texts, index=range(len(attributes)))
    labels[attributes[list(carried_by)].isna().to_numpy()] = None
    rng = np.random.default_rng(seed)
    swaps = plan_swaps(labels, carried_by, codes, n_results=n_results, rng=rng)
    rows = np.sort(rng.permutation(len(labels))[:n_results])
    own = Swap(REBUILT, {INPUT: rows}, dict.fromkeys(codes, INPUT))
    readable = {name: reader for name, reader in readers.items() if name in carried_by}
    spectra = [(Swap(ORIGINAL, own.clips, own.role_of_code), np.asarray(log_mel[rows]))]
    spectra += [(swap, decode(swap.take(codes))) for swap in [own, *swaps]]
    records: list[dict[str, Any]] = []
    for swap, results in spectra:
        read = {name: reader.predict(results) for name, reader in readable.items()}
        for shares in swap_shares(swap, read, labels, carried_by):
            records.append(shares | _interval(shares.pop("hits"), group, swap, n_resamples, seed))
    records += _untested(labels, carried_by, readable, swaps)
    return pd.DataFrame(records, columns=list(COLUMNS))


def swap_shares(
    swap: Swap,
    read: Mapping[str, NDArray[Any]],
    attributes: pd.DataFrame,
    carried_by: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    """Compare the classes read from results with those of their clips.

    Parameters
    ----------
    read : mapping of attribute to (n_results,)
        Class that a reader recognised in each result.

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
    """Summarise the table of `swap_test` in plain numbers.

    Returns
    -------
    dict
        Mean shares: ``moved`` (the attribute of a swapped code follows the donor), ``stayed``
        (other attributes follow the input), ``recombined`` (attributes follow their own clip),
        ``original`` and ``rebuilt`` (without a swap), and ``by_code``: code to ``{moved,
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


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if len(values) else None


def _interval(
    hits: NDArray[np.float64], groups: NDArray[Any], swap: Swap, n_resamples: int, seed: int
) -> dict[str, float]:
    known = np.isfinite(hits)
    if not known.any():
        return {"low": np.nan, "high": np.nan}
    clip_groups = groups[next(iter(swap.clips.values()))]
    low, high = bootstrap_intervals(
        np.ones(known.sum(), dtype=int),
        hits[known].astype(int),
        clip_groups[known],
        ["0", "1"],
        seed=seed,
        n_resamples=n_resamples,
    )["accuracy"]
    return {"low": low, "high": high}


def _untested(
    labels: pd.DataFrame,
    carried_by: Mapping[str, str],
    readable: Mapping[str, Pipeline],
    swaps: list[Swap],
) -> Iterator[dict[str, Any]]:
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


def untested(attribute: str, code: str, n_classes: int, reason: str) -> dict[str, Any]:
    """A row of `swap_test` for an attribute that could not be tested."""
    return {
        **{"swap": code, "attribute": attribute, "clip": DONOR, "expected": True},
        **{"share": np.nan, "low": np.nan, "high": np.nan},
        **{"n_items": 0, "n_classes": n_classes, "reason": reason},
    }
