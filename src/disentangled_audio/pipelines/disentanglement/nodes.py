"""Nodes that measure disentanglement."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.summary import ROLES
from disentangled_audio.models.arrays import in_memory, named_views, windows_of
from disentangled_audio.models.tables import code_blocks, code_table
from disentangled_audio.parameters import (
    CODES,
    Corpus,
    DisentanglementParameters,
    DisentanglerParameters,
    ViewParameters,
)
from disentangled_audio.report.figures import UNITS, codes_figure, swap_examples_figure
from disentangled_audio.runs.provenance import check_same, stamp, stamp_of

LARGE_BATCH = 256
WHY_MISSING = {"median_f0": "no voiced frame", "t20": "no decay that is clear enough"}

logger = logging.getLogger(__name__)


def encode_without_training(
    disentangler: Any,
    log_mel: Any,
    content_view: Any,
    rhythm_view: Any,
    pitch_view: Any,
    recordings: pd.DataFrame,
    parameters: DisentanglerParameters,
    seed: int,
) -> pd.DataFrame:
    """Encode with random weights of the same network, to show what the views alone contain."""
    from disentangled_audio.models.decoding import untrained_like
    from disentangled_audio.models.encoding import encode

    sources = (disentangler, log_mel, content_view, rhythm_view, pitch_view, recordings)
    check_same(*sources)
    views = named_views(
        recordings,
        log_mel=log_mel,
        content_view=content_view,
        rhythm_view=rhythm_view,
        pitch_view=pitch_view,
    )
    shapes = {name: view.shape[1:] for name, view in views.items()}
    untrained = untrained_like(disentangler, shapes, parameters, seed)
    wanted = [name for name in CODES if name in untrained.output]
    encoded = encode(untrained, views, LARGE_BATCH, wanted)
    windows = windows_of(log_mel)
    encoded = {name: windows.pooled(values) for name, values in encoded.items()}
    return stamp(code_table(recordings["recording_id"], encoded), *sources)


def measure_disentanglement(  # noqa: PLR0913
    codes: pd.DataFrame,
    loudest_codes: pd.DataFrame,
    untrained_codes: pd.DataFrame,
    disentangler: Any,
    log_mel: Any,
    factor_table: pd.DataFrame,
    splits: pd.DataFrame,
    recordings: pd.DataFrame,
    parameters: DisentanglementParameters,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Compute the leakage matrix with controls, the swap test, block scores and regressions.

    Swaps use the codes and spectrograms of each clip's loudest window; everything else uses the
    mean code over its windows.
    """
    from disentangled_audio.evaluation.representation import swaps
    from disentangled_audio.evaluation.representation.block_scores import block_scores
    from disentangled_audio.evaluation.representation.leakage import leakage_matrix
    from disentangled_audio.evaluation.representation.readers import fit_readers
    from disentangled_audio.evaluation.representation.regression import predicted_numbers
    from disentangled_audio.models.decoding import decoder_of

    sources = (codes, loudest_codes, untrained_codes, disentangler, log_mel, factor_table, splits)
    check_same(*sources, recordings)
    used = splits["role"].isin(ROLES).to_numpy()
    training, test = (factor_table["role"] == "train").to_numpy(), _is_test(factor_table)
    # Each channel of a file is a row.
    rows = {"unit": recordings.loc[used, "path"].to_numpy(), "unseen": test}
    rows |= {"max_items": parameters.max_items, "seed": seed}
    trained, untrained = code_blocks(codes[used]), code_blocks(untrained_codes[used])
    spectra = log_mel.oindex[windows_of(log_mel).loudest[np.flatnonzero(used)]]
    raw = {"log_mel": _principal(spectra, training, parameters.raw_components, seed)}
    factors = factor_table.drop(columns=["recording_id", "role"])
    matrix = leakage_matrix(
        trained,
        factors,
        target=factors["target"],
        group=factors["group"],
        controls={"untrained": untrained, "raw": raw},
        why_missing=WHY_MISSING,
        **rows,
    )
    carried, missing = _carried(parameters.carried_by, factors, trained)
    scores = {
        name: block_scores(blocks, factors[list(carried)], **rows)
        for name, blocks in {"": trained, "untrained": untrained, "raw_pca": raw}.items()
    }
    classes = _classes(factors, training)
    swapped = swaps.swap_test(
        {name: code[test] for name, code in code_blocks(loudest_codes[used]).items()},
        spectra[test],
        classes[test].reset_index(drop=True),
        carried,
        decoder_of(disentangler),
        fit_readers(spectra[training], classes.loc[training, list(carried)]),
        group=factors.loc[test, "group"].to_numpy(),
        seed=seed,
    )
    swapped = _with_untested(swapped, missing, classes[test])
    own = scores.pop("")
    summary = {**own, "swap": swaps.swap_summary(swapped), "controls": scores}
    summary |= {"not_carried": missing, "voiced_share": _voiced_share(factors[test])}
    summary |= stamp_of(codes)
    numbers = predicted_numbers(
        {"": trained, "untrained": untrained, "raw": raw}, factors, factors["group"], ~test, test
    )
    return stamp(matrix, *sources), stamp(swapped, *sources), summary, stamp(numbers, *sources)


def score_predicted_factors(factor_predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Score numbers predicted from the codes by linear probes (explained variance)."""
    from disentangled_audio.evaluation.representation.regression import regression_scores

    return stamp(regression_scores(factor_predictions, seed), factor_predictions)


def plot_disentanglement(
    leakage: pd.DataFrame, codes: pd.DataFrame, factor_table: pd.DataFrame, corpus: Corpus
) -> tuple[Any, Any]:
    """Draw the heat map of factors predicted from codes, and maps of the codes."""
    from disentangled_audio.plots.disentanglement import leakage_figure

    return (
        leakage_figure(leakage, simulated=corpus.simulated),
        codes_figure(codes, factor_table, corpus),
    )


def make_swap_examples(
    loudest_codes: pd.DataFrame,
    disentangler: Any,
    log_mel: Any,
    factor_table: pd.DataFrame,
    parameters: DisentanglementParameters,
    seed: int,
) -> tuple[pd.DataFrame, Any]:
    """Swap codes of a few test clips and donors, and decode the results.

    Readers fitted on training rows classify each spectrogram.
    """
    from disentangled_audio.evaluation.representation import swap_examples
    from disentangled_audio.evaluation.representation.readers import fit_readers
    from disentangled_audio.models.decoding import decoder_of

    sources = (loudest_codes, disentangler, log_mel, factor_table)
    check_same(*sources)
    training, test = (factor_table["role"] == "train").to_numpy(), _is_test(factor_table)
    rows = pd.Index(loudest_codes["recording_id"]).get_indexer(factor_table["recording_id"])
    blocks = code_blocks(loudest_codes.iloc[rows[test]])
    factors = factor_table.drop(columns=["recording_id", "role"])
    classes = _classes(factors, training)
    carried, _ = _carried(parameters.carried_by, factors, blocks)
    plan, reason = swap_examples.plan_examples(
        classes[test].reset_index(drop=True),
        carried,
        list(blocks),
        n_examples=parameters.n_examples,
        rng=np.random.default_rng(seed),
    )
    loudest = windows_of(log_mel).loudest[rows]
    shown = log_mel.oindex[loudest[test]]
    spectra = swap_examples.draw_examples(plan, blocks, shown, decoder_of(disentangler))
    tested = factor_table[test].reset_index(drop=True)
    words = _in_words(tested[list(carried)])
    for name in set(_numbers(factors)) & set(carried):
        # Readers predict thirds.
        thirds = classes.loc[test, name].astype(str).map(swap_examples.THIRDS)
        words[name] += [f" ({third})" if isinstance(third, str) else "" for third in thirds]
    table = swap_examples.name_examples(plan, tested["recording_id"], words, carried)
    readers = fit_readers(log_mel.oindex[loudest[training]], classes.loc[training, list(carried)])
    table = swap_examples.read_examples(table, spectra, readers, _numbers(factors))
    table.attrs["reason"] = reason
    return stamp(table, *sources), stamp(in_memory(spectra), *sources)


def sound_swap_examples(swap_spectra: Any, corpus: Corpus, views: ViewParameters, seed: int) -> Any:
    """Turn spectrograms of the examples into sound, real ones too, so all share the vocoder."""
    from disentangled_audio.models.views import mel_filters
    from disentangled_audio.signal.griffin_lim import waveforms_from_log_mel

    rate_hz = corpus.analysis.clip_rate_hz
    hop_samples = max(1, round(views.hop_s * rate_hz))
    sound = np.zeros((0, swap_spectra.shape[1] * hop_samples), dtype=np.float32)
    if swap_spectra.shape[0]:
        sound = waveforms_from_log_mel(
            swap_spectra[:],
            mel_filters(rate_hz, views),
            round(views.window_s * rate_hz),
            hop_samples,
            views.dynamic_range_db,
            rng=np.random.default_rng(seed),
        )
    return stamp(in_memory(sound.astype(np.float32), sample_rate_hz=rate_hz), swap_spectra)


def plot_swap_examples(
    swap_examples: pd.DataFrame, swap_spectra: Any, corpus: Corpus, views: ViewParameters
) -> Any:
    """Draw inputs, donors and results of swaps, or the reason why there are none."""
    check_same(swap_examples, swap_spectra)
    return swap_examples_figure(swap_examples, swap_spectra, corpus, views)


def show_codes(
    leakage: pd.DataFrame,
    disentanglement: dict[str, Any],
    codes: pd.DataFrame,
    swap_examples: pd.DataFrame,
    swap_spectra: Any,
    swap_audio: Any,
    corpus: Corpus,
    views: ViewParameters,
) -> dict[str, Any]:
    """Section of the report: what the codes contain, and swaps to see and hear."""
    from disentangled_audio.report.sections.codes import codes_section

    measured, swaps = (leakage, disentanglement, codes), (swap_examples, swap_spectra, swap_audio)
    hashes = check_same(*measured, *swaps)
    return {**codes_section(*measured, swaps, corpus, views), **hashes}


def _principal(spectra: Any, training: Any, n_components: int, seed: int) -> Any:
    """Principal components of spectrograms, fitted on training rows."""
    from sklearn.decomposition import PCA

    flat = spectra.reshape(len(spectra), -1)
    most = min(n_components, int(training.sum()), flat.shape[1])
    return PCA(most, svd_solver="randomized", random_state=seed).fit(flat[training]).transform(flat)


def _numbers(factors: pd.DataFrame) -> list[str]:
    return [name for name in factors if pd.api.types.is_float_dtype(factors[name])]


def _is_test(factor_table: pd.DataFrame) -> Any:
    return (factor_table["role"] == "test").to_numpy()


def _classes(factors: pd.DataFrame, training: Any) -> pd.DataFrame:
    """Factors, with numbers replaced by thirds of the training rows."""
    from disentangled_audio.evaluation.representation.thirds import thirds_of_training

    thirds = {name: thirds_of_training(factors[name], training) for name in _numbers(factors)}
    return factors.assign(**thirds)


def _voiced_share(factors: pd.DataFrame) -> float | None:
    """Share of items with a voiced frame; None if the fundamental was not measured."""
    if "median_f0" not in factors or factors.empty:
        return None
    return float(factors["median_f0"].notna().mean())


def _in_words(factors: pd.DataFrame) -> pd.DataFrame:
    """Factors as text, numbers with their unit; missing values are a dash."""

    def word(value: Any, unit: str) -> str:
        if pd.isna(value):
            return "–"
        return f"{value:.3g} {unit}".strip() if isinstance(value, float) else str(value)

    return pd.DataFrame(
        {name: [word(value, UNITS.get(name, "")) for value in factors[name]] for name in factors}
    )


def _carried(
    carried_by: dict[str, str], factors: pd.DataFrame, codes: dict[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """Code that should carry each factor: those in the model, then those missing from it.

    By default, only content should carry the target.
    """
    wanted = carried_by or {"target": "content"}
    for factor in wanted:
        if factor not in factors:
            raise UserError(
                f"disentanglement.carried_by: there is no factor '{factor}'; there are "
                f"{', '.join(factors)}"
            )
    carried = {factor: code for factor, code in wanted.items() if code in codes}
    return carried, {factor: code for factor, code in wanted.items() if code not in codes}


def _with_untested(
    swapped: pd.DataFrame, missing: dict[str, str], classes: pd.DataFrame
) -> pd.DataFrame:
    """Add rows for attributes whose code is missing from the model."""
    from disentangled_audio.evaluation.representation.swaps import untested

    rows = []
    for factor, code in missing.items():
        reason = f"the model has no code '{code}'"
        logger.warning("disentanglement.carried_by: %s is ignored because %s", factor, reason)
        rows.append(untested(factor, code, int(classes[factor].nunique()), reason))
    if not rows:
        return swapped
    return pd.DataFrame([*swapped.to_dict("records"), *rows], columns=swapped.columns)
