"""Choose the clips whose codes are swapped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

RECOMBINED = "recombined"
INPUT, DONOR = "input", "donor"


@dataclass(frozen=True)
class Swap:
    """Clips from which results are decoded.

    Attributes
    ----------
    name : str
        The swapped code, or ``recombined``.
    clips : mapping of role to (n_results,) of int
        Row of the clip with this role (such as input or donor) in each result.
    role_of_code : mapping
        Code to the role of the clip it is taken from.
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


def plan_swaps(
    attributes: pd.DataFrame,
    carried_by: Mapping[str, str],
    codes: Mapping[str, Any],
    *,
    n_results: int,
    rng: np.random.Generator,
) -> list[Swap]:
    """Draw inputs, and donors that differ from them in every attribute.

    With a shared attribute, a result could not show whether it follows the donor or the input.
    There is one swap for each code that carries an attribute and, if there are at least two such
    codes, a recombined one in which each comes from a different clip. Other codes (a timbre) come
    from the input; in the recombined swap from the clip of the first code.

    Parameters
    ----------
    attributes : DataFrame of n_items rows
        Classes of each attribute. Rows with a missing class are not drawn.
    carried_by : mapping
        Attribute to the code that should carry it.
    codes : mapping
        All codes of the decoder, by name.
    n_results : int
        Results of each swap.

    Returns
    -------
    list of Swap
        Empty if no two clips differ in every attribute that varies.
    """
    varying = [name for name in carried_by if attributes[name].nunique() > 1]
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


def _differing(
    labels: NDArray[np.integer], n_results: int, n_clips: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Draw clips that differ from each other in every column, (n_clips, n_found)."""
    complete = np.flatnonzero((labels >= 0).all(axis=1))
    found = []
    for first in rng.permutation(np.resize(complete, n_results if len(complete) else 0)):
        chosen = draw_donors(labels, first, n_clips, rng)
        if chosen:
            found.append(chosen)
    return np.array(found, dtype=np.intp).reshape(-1, n_clips).T


def draw_donors(
    labels: NDArray[np.integer], first: np.intp, n_clips: int, rng: np.random.Generator
) -> list[np.intp]:
    """Draw clips that differ from a given one, and from each other, in every attribute.

    Parameters
    ----------
    labels : (n_items, n_attributes)
        Numbers of classes; clips with a missing class, -1, are not drawn.
    first : int
        Row of the given clip.
    n_clips : int
        Including the given clip.

    Returns
    -------
    list of int
        Rows, the given one first; empty if too few clips differ.
    """
    chosen = [first]
    candidates = np.flatnonzero((labels >= 0).all(axis=1))
    while len(chosen) < n_clips:
        candidates = candidates[(labels[candidates] != labels[chosen[-1]]).all(axis=1)]
        if len(candidates) == 0:
            return []
        chosen.append(rng.choice(candidates))
    return chosen
