"""Examples of swaps to see and hear: their clips, their codes, and the expected results."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from disentangled_audio.evaluation.representation.swap_plan import (
    DONOR,
    INPUT,
    RECOMBINED,
    draw_donors,
)
from disentangled_audio.evaluation.representation.swaps import REBUILT, Decode

SWAPPED = "swapped"
# Rows of the table that show real spectrograms.
REAL = (INPUT, DONOR)
NO_BREAK = "\N{NO-BREAK SPACE}"
FROM, ATTRIBUTE, READ = "from_", "attribute_", "read_"
# As `leakage.thirds_of_training` numbers them.
THIRDS = {"0.0": "low", "1.0": "middle", "2.0": "high"}


def plan_examples(
    attributes: pd.DataFrame,
    carried_by: Mapping[str, str],
    codes: Sequence[str],
    *,
    n_examples: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, str]:
    """Choose inputs of many classes with their donors, and plan the spectrograms to decode.

    All clips of an example differ in every attribute that varies. The first two codes that carry
    an attribute share the first donor; each further code gets its own. In the recombined result
    the first code, and codes that carry nothing, come from the input. If attributes have too few
    classes for that many different clips, all codes share one donor; then, and with fewer than
    three codes, there is no recombined result.

    Parameters
    ----------
    attributes : DataFrame of n_items rows
        Classes of each attribute. Rows with a missing class are not drawn.
    carried_by : mapping
        Attribute to the code that should carry it.
    codes : sequence
        All codes of the decoder.

    Returns
    -------
    plan : DataFrame
        One row per spectrogram: ``example``; ``shown`` (``input``, ``donor``, ``rebuilt``,
        ``swapped``, ``recombined``); ``swap``, the swapped code, if any; and for each code
        ``from_<code>``, the row of its clip.
    reason : str
        Why there is no example; empty if there are some.
    """
    columns = ["example", "shown", "swap", *(FROM + code for code in codes)]
    nothing = pd.DataFrame(columns=columns)
    varying = [name for name in carried_by if attributes[name].nunique() > 1]
    if not varying:
        names = ", ".join(carried_by)
        if not names:
            return nothing, "the model has no code that should carry an attribute"
        return nothing, f"none of these varies among the test clips: {names}"
    labels = np.stack([pd.factorize(attributes[name])[0] for name in varying], axis=1)
    carriers = list(dict.fromkeys(carried_by[name] for name in varying))
    examples = _draw(labels, max(2, len(carriers)), n_examples, rng)
    if not examples:
        examples = _draw(labels, 2, n_examples, rng)
    if not examples:
        return nothing, f"no two test clips differ in all of: {', '.join(varying)}"
    rows = [
        {"example": number, **row}
        for number, clips in enumerate(examples)
        for row in _rows(clips, carriers, codes)
    ]
    return pd.DataFrame(rows, columns=columns), ""


def _draw(
    labels: NDArray[np.integer], n_clips: int, n_examples: int, rng: np.random.Generator
) -> list[list[np.intp]]:
    """Draw the clips of each example, input first; inputs have the least used classes so far."""
    waiting = rng.permutation(np.flatnonzero((labels >= 0).all(axis=1)))
    used = np.zeros((labels.shape[1], labels.max(initial=0) + 1), dtype=int)
    of_attribute = np.arange(labels.shape[1])
    found: list[list[np.intp]] = []
    while len(waiting) and len(found) < n_examples:
        place = np.argmin(used[of_attribute, labels[waiting]].sum(axis=1))
        first, waiting = waiting[place], np.delete(waiting, place)
        clips = draw_donors(labels, first, n_clips, rng)
        if clips:
            used[of_attribute, labels[first]] += 1
            found.append(clips)
    return found


def _rows(clips: list[np.intp], carriers: list[str], codes: Sequence[str]) -> list[dict[str, Any]]:
    first, *donors = clips
    # The first two codes share a donor, because more clips that all differ are rare.
    donor_of = {
        code: donors[min(max(0, place - 1), len(donors) - 1)] for place, code in enumerate(carriers)
    }
    own = dict.fromkeys(codes, first)
    sources = [(INPUT, "", own)]
    sources += [(DONOR, "", dict.fromkeys(codes, donor)) for donor in donors]
    sources += [(REBUILT, "", own)]
    sources += [(SWAPPED, code, own | {code: donor_of[code]}) for code in carriers]
    # With two codes it would repeat the swap of the second one.
    if 2 < len(carriers) == len(clips):
        given = {code: donor_of[code] for code in carriers[1:]}
        sources += [(RECOMBINED, "", own | given)]
    return [
        {"shown": shown, "swap": swap, **{FROM + code: row for code, row in source.items()}}
        for shown, swap, source in sources
    ]


def draw_examples(
    plan: pd.DataFrame,
    codes: Mapping[str, NDArray[np.floating]],
    log_mel: NDArray[np.floating],
    decode: Decode,
) -> NDArray[np.float32]:
    """Spectrograms of a plan, (n_rows, n_frames, n_mels): real inputs and donors, decoded others.

    Codes are (n_items, n_dims) by name, `log_mel` is (n_items, n_frames, n_mels).
    """
    spectra = np.zeros((len(plan), *log_mel.shape[1:]), dtype=np.float32)
    if plan.empty:
        return spectra
    source = {name: plan[FROM + name].to_numpy(dtype=np.intp) for name in codes}
    real = plan["shown"].isin(REAL).to_numpy()
    spectra[real] = log_mel[next(iter(source.values()))[real]]
    spectra[~real] = decode({name: code[source[name][~real]] for name, code in codes.items()})
    return spectra


def name_examples(
    plan: pd.DataFrame,
    recording_id: Sequence[str],
    values: pd.DataFrame,
    carried_by: Mapping[str, str],
) -> pd.DataFrame:
    """Replace rows of a plan by recordings, and add the attributes each spectrogram should have.

    The result has names in ``from_<code>``, and for each attribute ``attribute_<name>``: its value
    (text, from `values` of n_items rows) in the recording from which the code that should carry it
    comes.
    """
    names = np.asarray(recording_id, dtype=object)
    named = plan.copy()
    for column in plan.columns[plan.columns.str.startswith(FROM)]:
        named[column] = names[plan[column].to_numpy(dtype=np.intp)]
    for attribute, code in carried_by.items():
        rows = plan[FROM + code].to_numpy(dtype=np.intp)
        named[ATTRIBUTE + attribute] = values[attribute].to_numpy(dtype=object)[rows]
    return named


def read_examples(
    table: pd.DataFrame,
    spectra: NDArray[np.floating],
    readers: Mapping[str, Pipeline],
    numbers: Collection[str],
) -> pd.DataFrame:
    """Add ``read_<attribute>``, the class that a reader recognises in each spectrogram.

    The table is that of `name_examples`, spectra are those of `draw_examples`, and `numbers` names
    the attributes whose classes are thirds of a number.
    """
    read = table.copy()
    for attribute, reader in readers.items():
        names = reader.predict(spectra) if len(table) else []
        words = THIRDS if attribute in numbers else {}
        read[READ + attribute] = [words.get(name, name) for name in names]
    return read


def shown_swaps(table: pd.DataFrame) -> list[tuple[str, dict[str, int]]]:
    """Choose examples for one page, with each kind of swap and each example at least once.

    Returns
    -------
    list of (name, panels)
        ``<code> swapped`` or ``recombined``, and a mapping from the caption of a panel to its row
        of the table, in the order input, its reconstruction, donors, result.
    """
    table = table.reset_index(drop=True)
    results = table[table["shown"].isin([SWAPPED, RECOMBINED])]
    kinds = list(dict.fromkeys(results["swap"].where(results["shown"] == SWAPPED, RECOMBINED)))
    examples = list(dict.fromkeys(table["example"]))
    n_shown = max(len(kinds), len(examples)) if kinds else 0
    pairs = [(number % len(kinds), examples[number % len(examples)]) for number in range(n_shown)]
    headings = [kind if kind == RECOMBINED else f"{kind} swapped" for kind in kinds]
    return [
        (headings[kind], _panels(table[table["example"] == example], kinds[kind]))
        for kind, example in sorted(pairs)
    ]


def describe_change(table: pd.DataFrame, panels: Mapping[str, int]) -> str:
    """Expected change from the input to the result of one of `shown_swaps`: "dog ← cat"."""
    attributes = table.loc[:, table.columns.str.startswith(ATTRIBUTE)]
    rows = list(panels.values())
    changed = zip(attributes.iloc[rows[0]], attributes.iloc[rows[-1]], strict=True)
    return ", ".join(f"{own} ← {given}" for own, given in changed if own != given)


def _panels(example: pd.DataFrame, kind: str) -> dict[str, int]:
    """Rows of one example that show one swap, by their captions."""
    sources = [name for name in example if name.startswith(FROM)]
    rows = example.groupby("shown").groups
    is_result = (example["shown"] if kind == RECOMBINED else example["swap"]) == kind
    result = example.index[is_result][0]
    given: dict[str, list[str]] = {}
    for source in sources:
        given.setdefault(example.loc[result, source], []).append(source.removeprefix(FROM))
    panels = {"input": rows[INPUT][0], "rebuilt: should be": rows[REBUILT][0]}
    for row in rows[DONOR]:
        taken = given.get(example.loc[row, sources[0]])
        if taken:
            panels[f"donor of {', '.join(taken)}"] = row
    panels["result: should be"] = result
    return {f"{name}\n{_describe(example.loc[row])}": int(row) for name, row in panels.items()}


def _describe(row: pd.Series) -> str:
    """Attributes such as "target 7, duration 0.31 s", and on a second line those read."""
    read = _attributes(row, READ)
    return _attributes(row, ATTRIBUTE) + (f"\nread as {read}" if read else "")


def _attributes(row: pd.Series, prefix: str) -> str:
    """Attributes with this prefix, with line breaks only between them."""
    named = row[row.index.str.startswith(prefix)]
    parts = [f"{name.removeprefix(prefix)} {value}" for name, value in named.items()]
    return ", ".join(part.replace(" ", NO_BREAK) for part in parts)
