"""Nodes of SVM classification and the hybrid."""

import logging
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.scores.summary import (
    HYBRID,
    PRETRAINED_HYBRID,
    PROBABILITY_PREFIX,
    ROLES,
    WEIGHTS,
)
from disentangled_audio.models.bank import (
    BANK,
    FROM_SCRATCH,
    MEMBERS,
    MODELS,
    NETWORK,
    PRETRAINED,
    Member,
    fusion_of,
)
from disentangled_audio.models.tables import (
    class_shares,
    features_of,
    probabilities_of,
    probability_table,
    training_classes,
)
from disentangled_audio.parameters import HybridParameters, SvmParameters
from disentangled_audio.runs import said
from disentangled_audio.runs.provenance import check_same, stamp

PREDICTION_COLUMNS = (
    *("recording_id", "group", "kind", "fold", "role", "model", "target", "predicted"),
    *("temperature", "error_rate"),
)

logger = logging.getLogger(__name__)


def train_member(
    features: Any,
    splits: pd.DataFrame,
    parameters: SvmParameters,
    hybrid: HybridParameters,
    seed: int,
    *further: Any,
    name: str,
) -> tuple[Any, pd.DataFrame]:
    """Train a member of the bank; an optional one that cannot be trained is absent."""
    from disentangled_audio.models.absent import AbsentMember

    member = BANK[name]
    sources = (features, *further, splits)
    check_same(*sources)
    given = dict(zip(member.further, further, strict=True))
    classes = training_classes(splits)
    unneeded = _unneeded(name, features, hybrid)
    try:
        if unneeded:
            raise UserError(unneeded)
        final, probabilities, temperature, errors = _train(
            member, features, splits, parameters, seed, **given
        )
    except UserError as error:
        if not member.is_optional:
            raise
        if not unneeded:
            said.warn(logger, name, f"is left out of the hybrid: {error}")
        final, temperature, errors = AbsentMember(str(error), classes), None, None
        probabilities = final.predict_proba(splits)
    table = probability_table(splits["recording_id"], probabilities, classes, temperature)
    table.attrs["error_rate"] = errors
    return stamp(final, *sources), stamp(table, *sources)


def _unneeded(name: str, features: Any, hybrid: HybridParameters) -> str | None:
    """Why an optional member is left out without a warning; None if it is trained."""
    from disentangled_audio.models.svm import has_features

    member = BANK[name]
    if not member.is_optional:
        return None
    if name not in hybrid.members:
        return "hybrid.members does not name it"
    if not has_features(member.values(features)).any():
        # A decay in a corpus of words, or an embedding without pretrained weights.
        return "no recording has the features that it needs"
    return None


def _train(
    member: Member,
    features: Any,
    splits: pd.DataFrame,
    parameters: SvmParameters,
    seed: int,
    *,
    augmented: pd.DataFrame | None = None,
    provisional: Any = None,
) -> tuple[Any, NDArray[np.float64], float, float]:
    """Choose and fit on training rows; refit with the choice on training and validation rows.

    Settings and temperature are judged on groups that the fits had not seen: held-out groups of the
    training rows, and the validation rows. Features that were learned from the training rows are
    judged on validation rows alone, with provisional features, which were not learned from these.
    The fit to the training rows predicts the validation rows, so that the hybrid is fitted on rows
    that its members have not seen. The refit keeps the temperature, is saved, and predicts all
    other rows. Augmented rows are only used to fit.
    """
    from disentangled_audio.models.svm import Rows, has_features
    from disentangled_audio.models.svm_search import fit_calibrated

    values = member.values(features)
    first = values if provisional is None else member.values(provisional)
    target, group = splits["target"].to_numpy(dtype=object), splits["group"].to_numpy(object)
    role = splits["role"].to_numpy()
    known = has_features(values)
    fitted = np.flatnonzero(known & np.isin(role, ["train", "validation"]))
    is_training = role[fitted] == "train"
    rows = Rows(first, target, group)[fitted]
    _check_known(rows[is_training], rows[~is_training], training_classes(splits))
    judge, final, errors = fit_calibrated(
        rows,
        is_training,
        parameters,
        seed,
        copies=None if augmented is None else _copies(augmented, splits.iloc[fitted]),
        learned=None if provisional is None else Rows(values, target, group)[fitted],
    )
    probabilities = final.predict_proba(values)
    validation = fitted[~is_training]
    probabilities[validation] = judge.predict_proba(first[validation])
    return final, probabilities, final.temperature, errors


def _check_known(training: Any, validation: Any, classes: list[str]) -> None:
    """Stop if too few rows have features, or all features are the same."""
    missing = sorted(set(classes) - set(training.target))
    if missing:
        raise UserError(
            f"no training row of class {', '.join(missing)} has the features that it needs"
        )
    if not len(validation):
        raise UserError("no validation row has the features that it needs")
    if (training.features == training.features[:1]).all():
        raise UserError("its features are the same for all training rows")


def _copies(augmented: pd.DataFrame, fitted: pd.DataFrame) -> Any:
    from disentangled_audio.models.svm import Rows
    from disentangled_audio.models.svm_search import Copies

    origin = pd.Index(fitted["recording_id"]).get_indexer(augmented["recording_id"])
    target, group = (fitted[name].to_numpy(dtype=object)[origin] for name in ("target", "group"))
    return Copies(Rows(features_of(augmented), target, group), origin)


def train_hybrid(
    splits: pd.DataFrame, parameters: HybridParameters, *tables: pd.DataFrame
) -> tuple[Any, pd.DataFrame]:
    """Fit temperatures and weights on validation rows; fuse the members' probabilities."""
    return _fused(splits, parameters, dict(zip(FROM_SCRATCH, tables, strict=True)))


def train_pretrained_hybrid(
    splits: pd.DataFrame, parameters: HybridParameters, *tables: pd.DataFrame
) -> tuple[Any, pd.DataFrame]:
    """Fuse the members with pretrained weights too; absent if there are none."""
    from disentangled_audio.models.absent import AbsentMember

    members = dict(zip(MEMBERS, tables, strict=True))
    if any(name in PRETRAINED for name in _present(members, parameters)):
        return _fused(splits, parameters, members)
    sources = (*tables, splits)
    check_same(*sources)
    absent = AbsentMember("no member has pretrained weights", training_classes(splits))
    table = probability_table(
        splits["recording_id"], absent.predict_proba(splits), training_classes(splits)
    )
    return stamp(absent, *sources), stamp(table, *sources)


def _present(
    tables: dict[str, pd.DataFrame], parameters: HybridParameters
) -> dict[str, NDArray[np.float64]]:
    """Probabilities of the members that the configuration names and that were trained."""
    members = {name: probabilities_of(table) for name, table in tables.items()}
    # All probabilities of an absent member are NaN.
    return {
        name: values
        for name, values in members.items()
        if name in parameters.members and not np.isnan(values).all()
    }


def _fused(
    splits: pd.DataFrame, parameters: HybridParameters, tables: dict[str, pd.DataFrame]
) -> tuple[Any, pd.DataFrame]:
    sources = (*tables.values(), splits)
    check_same(*sources)
    members = _present(tables, parameters)
    validation = (splits["role"] == "validation").to_numpy()
    classes = training_classes(splits)
    hybrid = fusion_of(parameters).fit(
        {name: probabilities[validation] for name, probabilities in members.items()},
        splits.loc[validation, "target"].to_numpy(dtype=object),
        splits.loc[validation, "group"].to_numpy(dtype=object),
        classes,
        {name: rate for name, rate in _error_rates(tables).items() if name in members},
    )
    table = probability_table(splits["recording_id"], hybrid.predict_proba(members), classes)
    return stamp(hybrid, *sources), stamp(table, *sources)


def _error_rates(tables: dict[str, pd.DataFrame]) -> dict[str, float]:
    """Error rates of the members that were judged on more groups than the validation rows."""
    rates = {name: table.attrs.get("error_rate") for name, table in tables.items()}
    return {name: rate for name, rate in rates.items() if rate is not None}


def collect_predictions(
    recordings: pd.DataFrame,
    splits: pd.DataFrame,
    hybrid: Any,
    pretrained_hybrid: Any,
    *probabilities: pd.DataFrame,
) -> pd.DataFrame:
    """Collect the predictions of every model for every labelled item in one long table.

    The network's probabilities are calibrated here; those of the SVMs are already. For an item
    without features (room acoustics of a noise), a model predicts the class shares in training.
    Absent models have no rows. Members have a weight for each hybrid that was trained.
    """
    check_same(recordings, splits, hybrid, pretrained_hybrid, *probabilities)
    items = splits[["recording_id", "group", "fold", "role", "target"]].assign(
        kind=recordings["kind"].to_numpy()
    )
    weights = {
        WEIGHTS[name]: dict(zip(fusion.members_, map(float, fusion.weights_), strict=True))
        for name, fusion in {HYBRID: hybrid, PRETRAINED_HYBRID: pretrained_hybrid}.items()
        if hasattr(fusion, "members_")
    }
    tables = []
    for model, table in zip(MODELS, probabilities, strict=True):
        columns = table.filter(regex=f"^{PROBABILITY_PREFIX}")
        if columns.isna().all(axis=None):
            continue
        temperature = table.attrs.get("temperature")
        if model == NETWORK and model in hybrid.members_:
            temperature = hybrid.temperatures_alone_[model]
            columns = pd.DataFrame(
                hybrid.predict_alone(model, columns.to_numpy(dtype=float)), columns=columns.columns
            )
        columns = columns.fillna(class_shares(splits))
        facts = {
            "model": model,
            "predicted": columns.idxmax(axis=1).str.removeprefix(PROBABILITY_PREFIX),
            "temperature": float(temperature or "nan"),
            "error_rate": float(table.attrs.get("error_rate") or "nan"),
            **{column: of.get(model, float("nan")) for column, of in weights.items()},
        }
        tables.append(pd.concat([items.assign(**facts), columns], axis=1))
    predictions = pd.concat(tables, ignore_index=True)
    predictions = predictions[predictions["role"].isin(ROLES)].reset_index(drop=True)
    probability_columns = [c for c in predictions if c.startswith(PROBABILITY_PREFIX)]
    columns = [*PREDICTION_COLUMNS, *weights, *probability_columns]
    return stamp(predictions[columns], splits, *probabilities)
