"""Length of a file's name, apart from what stands for the label."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_WORD = re.compile(r"[^\W\d_]+|\d+")
# Where most labels have a single name, every word would be a code.
_LEAST_NAMES = 2
# Shorter words of a label may be part of other words by chance.
_LEAST_LETTERS = 3


def name_lengths(paths: pd.Series, labels: Sequence[pd.Series]) -> NDArray[np.int_]:
    """Count the letters and digits of each file's name that do not stand for a label.

    Folders do not count, nor do the words of any label, in capitals or not, nor codes: words at
    one place of the name (counted from its first or last word) of which each label has one and no
    two labels the same, such as an abbreviation or a number of the class.

    Parameters
    ----------
    paths : (n_items,)
    labels : sequence of (n_items,)
        Labels in all forms that a name may hold; missing ones are ignored.

    Returns
    -------
    (n_items,)
    """
    split = [PurePosixPath(path) for path in paths.astype(str).str.casefold()]
    stems = [_WORD.findall(name.stem) for name in split]
    known = [label.astype("string").str.casefold().to_numpy(na_value="") for label in labels]
    spoken = {word for label in known for text in set(label) for word in _WORD.findall(text)}
    letters = re.compile("|".join(_long_words(spoken)) or "$^")
    codes = {place for label in known for place in _code_places(stems, label)}
    return np.array(
        [
            len(name.suffix)
            + sum(len(letters.sub("", word)) for word in _others(words, spoken, codes))
            for name, words in zip(split, stems, strict=True)
        ]
    )


def _long_words(words: Iterable[str]) -> list[str]:
    """Words that are looked for within others, longest first."""
    long = [word for word in words if word.isalpha() and len(word) >= _LEAST_LETTERS]
    return sorted(long, key=len, reverse=True)


def _code_places(stems: Sequence[Sequence[str]], label: Sequence[str]) -> list[int]:
    """Places, negative from the end, at which a word stands for the label."""
    labelled = [(words, text) for words, text in zip(stems, label, strict=True) if text]
    n_labels = len({text for _, text in labelled})
    if len(labelled) < _LEAST_NAMES * n_labels:
        return []
    shortest = min((len(words) for words, _ in labelled), default=0)
    places = []
    for place in range(-shortest, shortest):
        pairs = {(words[place], text) for words, text in labelled}
        if len(pairs) == n_labels == len({word for word, _ in pairs}):
            places.append(place)
    return places


def _others(words: Sequence[str], spoken: set[str], codes: set[int]) -> list[str]:
    coded = {place % len(words) for place in codes} if words else set()
    return [word for place, word in enumerate(words) if place not in coded and word not in spoken]
