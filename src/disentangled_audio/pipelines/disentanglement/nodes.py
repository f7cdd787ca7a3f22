"""Adapters of the measurement of disentanglement."""

from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.summary import ROLES
from disentangled_audio.parameters import (
    CODES,
    Corpus,
    DisentanglementParameters,
    DisentanglerParameters,
    Protocol,
    ViewParameters,
)
from disentangled_audio.pipelines.stamps import check_same, stamp, stamp_of
from disentangled_audio.pipelines.tables import code_table

LARGE_BATCH = 256
# Measured of the recordings themselves, beside the columns that a protocol names.
DURATION, MEDIAN_F0, T20, LEVEL = "duration", "median_f0", "t20", "level"
WHY_MISSING = {MEDIAN_F0: "no voiced frame", T20: "no decay that is clear enough"}


def tabulate_factors(
    waveforms: Any,
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    acoustics: pd.DataFrame,
    corpus: Corpus,
    protocol: Protocol,
    views: ViewParameters,
) -> pd.DataFrame:
    """Target, group, factors and measured numbers of every labelled item."""
    sources = (waveforms, recordings, splits, acoustics)
    check_same(*sources)
    from disentangled_audio.models.views import median_f0_hz

    table = splits[["recording_id", "role", "target", "group"]].copy()
    for name in protocol.factors:
        table[name] = recordings[name].astype("string").to_numpy()
    table[DURATION] = recordings["duration_s"].to_numpy(dtype=float)
    table[LEVEL] = recordings["rms_dbfs"].to_numpy(dtype=float)
    if views.pitch == "f0":
        table[MEDIAN_F0] = median_f0_hz(waveforms[:], corpus.analysis.clip_rate_hz, views)
    # NaN where acoustic.centre_hz names neither.
    mid_bands = acoustics.filter(items=["t20_500hz_s", "t20_1000hz_s"])
    table[T20] = mid_bands.mean(axis=1).to_numpy(dtype=float)
    used = table["role"].isin(ROLES)
    return stamp(table[used].reset_index(drop=True), *sources)


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
    """Codes of the same network with random weights: what the views say without learning."""
    from disentangled_audio.models.decoding import untrained_like
    from disentangled_audio.models.training import encode

    views = {"content_view": content_view, "rhythm_view": rhythm_view, "pitch_view": pitch_view}
    sources = (disentangler, log_mel, *views.values(), recordings)
    check_same(*sources)
    shapes = {name: view.shape[1:] for name, view in {**views, "log_mel": log_mel}.items()}
    untrained = untrained_like(disentangler, shapes, parameters, seed)
    wanted = [name for name in CODES if name in untrained.output]
    encoded = encode(untrained, views, LARGE_BATCH, wanted)
    return stamp(code_table(recordings["recording_id"], encoded), *sources)


def measure_disentanglement(
    codes: pd.DataFrame,
    untrained_codes: pd.DataFrame,
    disentangler: Any,
    log_mel: Any,
    factor_table: pd.DataFrame,
    splits: pd.DataFrame,
    parameters: DisentanglementParameters,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Leakage matrix beside its controls, swaps on decoded spectrograms, and block scores."""
    from disentangled_audio.evaluation import disentanglement, swaps
    from disentangled_audio.evaluation.leakage import leakage_matrix, terciles_within
    from disentangled_audio.models.decoding import decoder_of

    sources = (codes, untrained_codes, disentangler, log_mel, factor_table, splits)
    check_same(*sources)
    used = splits["role"].isin(ROLES).to_numpy()
    role = factor_table["role"].to_numpy()
    trained, untrained = _blocks(codes[used]), _blocks(untrained_codes[used])
    spectra = log_mel.oindex[np.flatnonzero(used)]
    raw = {"log_mel": _principal(spectra, role == "train", parameters.raw_components, seed)}
    factors = factor_table.drop(columns=["recording_id", "role"])
    matrix = leakage_matrix(
        trained,
        factors,
        target=factors["target"],
        group=factors["group"],
        controls={"untrained": untrained, "raw": raw},
        unseen=role == "test",
        why_missing=WHY_MISSING,
        max_items=parameters.max_items,
        seed=seed,
    )
    classes = factors.assign(**{name: terciles_within(factors[name]) for name in _numbers(factors)})
    carried = _carried(parameters.carried_by, classes, trained)
    scores = {
        name: disentanglement.block_scores(
            blocks, classes[list(carried)], max_items=parameters.max_items, seed=seed
        )
        for name, blocks in {"": trained, "untrained": untrained, "raw_pca": raw}.items()
    }
    training, test = role == "train", role == "test"
    swapped = swaps.swap_test(
        {name: code[test] for name, code in trained.items()},
        spectra[test],
        classes[test].reset_index(drop=True),
        carried,
        decoder_of(disentangler),
        swaps.fit_readers(spectra[training], classes.loc[training, list(carried)]),
        group=factors.loc[test, "group"].to_numpy(),
        seed=seed,
    )
    summary = disentanglement.disentanglement_summary(
        scores.pop(""), swaps.swap_summary(swapped), scores
    )
    return stamp(matrix, *sources), stamp(swapped, *sources), {**summary, **stamp_of(codes)}


def plot_disentanglement(
    leakage: pd.DataFrame, codes: pd.DataFrame, factor_table: pd.DataFrame, corpus: Corpus
) -> tuple[Any, Any]:
    """Heat map of what each code says, and maps of the codes coloured by each factor."""
    from disentangled_audio.evaluation.latent_map import latent_map
    from disentangled_audio.plots.disentanglement import latent_map_figure, leakage_figure

    own = codes.set_index("recording_id").loc[factor_table["recording_id"]].reset_index()
    maps = {name: latent_map(block) for name, block in _blocks(own).items()}
    factors = factor_table.drop(columns=["recording_id", "role"])
    shown = factors.loc[:, factors.nunique() > 1]
    return (
        leakage_figure(leakage, simulated=corpus.simulated),
        latent_map_figure(maps, shown, simulated=corpus.simulated),
    )


def _blocks(codes: pd.DataFrame) -> dict[str, Any]:
    """Codes by name, each (n_items, n_dims)."""
    columns = codes.drop(columns="recording_id")
    names = columns.columns.str.rpartition("_").get_level_values(0)
    return {
        str(name): columns.loc[:, names == name].to_numpy(dtype=float)
        for name in dict.fromkeys(names)
    }


def _principal(spectra: Any, training: Any, n_components: int, seed: int) -> Any:
    """Principal components of spectrograms, fitted on training rows."""
    from sklearn.decomposition import PCA

    flat = spectra.reshape(len(spectra), -1)
    most = min(n_components, int(training.sum()), flat.shape[1])
    return PCA(most, svd_solver="randomized", random_state=seed).fit(flat[training]).transform(flat)


def _numbers(factors: pd.DataFrame) -> list[str]:
    return [name for name in factors if pd.api.types.is_float_dtype(factors[name])]


def _carried(
    carried_by: dict[str, str], factors: pd.DataFrame, codes: dict[str, Any]
) -> dict[str, str]:
    """Which code should carry which factor; by default content the target alone."""
    wanted = carried_by or {"target": "content"}
    for factor, code in wanted.items():
        if factor not in factors:
            raise UserError(
                f"disentanglement.carried_by: there is no factor '{factor}'; there are "
                f"{', '.join(factors)}"
            )
        if code not in codes:
            raise UserError(
                f"disentanglement.carried_by: there is no code '{code}'; there are "
                f"{', '.join(codes)}"
            )
    return wanted
