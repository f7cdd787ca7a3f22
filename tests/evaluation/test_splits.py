"""Splits: groups stay whole, every row has one role, and impossible folds are reported."""

import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from disentangled_audio.errors import UserError
from disentangled_audio.evaluation.splits import SplitWarning, fold_protocols, make_splits
from disentangled_audio.parameters import Protocol

# Tests of warnings ask for them by `pytest.warns`.
pytestmark = pytest.mark.filterwarnings("ignore::disentangled_audio.evaluation.splits.SplitWarning")
ROLES = {"train", "validation", "test"}


def _protocol(strategy: str, **split: Any) -> Protocol:
    protocol = {
        "target": split.pop("target", "label"),
        "group_by": split.pop("group_by", "place"),
        "where": split.pop("where", {}),
        "split": {"strategy": strategy, **split},
    }
    return Protocol.model_validate(protocol)


def _recordings(places_per_label: int = 6, rows_per_place: int = 4) -> pd.DataFrame:
    rows = [
        {"label": label, "place": f"{label}{place}", "take": str(take), "kind": "rir"}
        for label in ("ash", "oak", "yew")
        for place in range(places_per_label)
        for take in range(rows_per_place)
    ]
    names = [f"r{number:03}" for number in range(len(rows))]
    return pd.DataFrame(rows).assign(recording_id=names, path=names)


def _by_id(splits: pd.DataFrame) -> pd.Series:
    return splits.set_index("recording_id")["role"].sort_index()


@st.composite
def _tables(draw: st.DrawFn) -> pd.DataFrame:
    """Rows whose groups have any size, and each hold one label or several."""
    n_groups = draw(st.integers(6, 14))
    sizes = draw(st.lists(st.integers(1, 6), min_size=n_groups, max_size=n_groups))
    group = np.repeat(np.arange(n_groups), sizes)
    labels = st.sampled_from(["ash", "oak", "yew"])
    if draw(st.booleans()):
        label = np.array(draw(st.lists(labels, min_size=n_groups, max_size=n_groups)))[group]
    else:
        label = np.array(draw(st.lists(labels, min_size=len(group), max_size=len(group))))
    order = np.array(draw(st.permutations(range(len(group)))), dtype=int)
    return pd.DataFrame(
        {
            "recording_id": [f"r{number:03}" for number in range(len(group))],
            "path": [f"r{number:03}" for number in range(len(group))],
            "place": [f"p{number:02}" for number in group],
            "label": label,
        }
    ).iloc[order]


STRATEGIES = st.sampled_from(
    [
        ("grouped", {"n_folds": 2, "validation_folds": 2}),
        ("grouped", {"n_folds": 3, "fold": 2, "validation_folds": 3}),
        ("leave_one_group_out", {"validation_folds": 2}),
        ("leave_one_group_out", {"fold": "p03", "validation_folds": 4}),
        ("random", {"n_folds": 2, "validation_folds": 2}),
    ]
)


# Wall-clock deadlines would test the load of the machine.
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recordings=_tables(), strategy=STRATEGIES, seed=st.integers(0, 5))
def test_every_row_has_one_role_groups_stay_whole_and_splits_repeat(
    recordings: pd.DataFrame, strategy: tuple[str, dict[str, Any]], seed: int
) -> None:
    name, split = strategy
    protocol = _protocol(name, allow_missing_classes=True, **split)
    try:
        splits = make_splits(recordings, protocol, seed)
    except UserError:
        # A drawn table may have one class, or classes that no fold can hold.
        return

    assert list(splits["recording_id"]) == list(recordings["recording_id"])
    assert set(splits["role"]) <= ROLES
    assert {"train", "test"} <= set(splits["role"])
    assert set(splits.loc[splits["role"] == "test", "target"]) <= set(
        splits.loc[splits["role"] == "train", "target"]
    )
    pd.testing.assert_frame_equal(splits, make_splits(recordings, protocol, seed))
    if name != "random":
        assert (splits.groupby("group")["role"].nunique() == 1).all()
        by_name = recordings.sort_values("recording_id")
        pd.testing.assert_series_equal(_by_id(make_splits(by_name, protocol, seed)), _by_id(splits))


@pytest.mark.parametrize("strategy", ["grouped", "random", "leave_one_group_out"])
def test_every_row_keeps_its_label_and_group_and_every_role_has_every_class(strategy: str) -> None:
    recordings = _recordings()

    # One group left out holds one label here, so the others are missing from test.
    splits = make_splits(
        recordings,
        _protocol(strategy, allow_missing_classes=strategy == "leave_one_group_out"),
        seed=3,
    )

    assert list(splits.columns) == ["recording_id", "target", "group", "fold", "role"]
    assert list(splits["target"]) == list(recordings["label"])
    assert list(splits["group"]) == list(recordings["place"])
    assert set(splits["role"]) == ROLES
    if strategy != "leave_one_group_out":
        table = pd.crosstab(splits["target"], splits["role"])
        assert (table > 0).all(axis=None)


@pytest.mark.parametrize("strategy", ["grouped", "random"])
def test_the_seed_decides(strategy: str) -> None:
    recordings = _recordings(places_per_label=8)
    protocol = _protocol(strategy)

    one, same, other = (make_splits(recordings, protocol, seed)["role"] for seed in (1, 1, 2))

    assert one.equals(same)
    assert not one.equals(other)


@pytest.mark.parametrize("strategy", ["leave_one_group_out", "column"])
def test_where_the_test_rows_are_given_the_seed_decides_the_validation_rows(
    strategy: str,
) -> None:
    column = {"column": "place", "test": ["ash0", "oak0", "yew0"]}
    protocol = _protocol(
        strategy, allow_missing_classes=True, **(column if strategy == "column" else {})
    )

    one, other = (make_splits(_recordings(8), protocol, seed)["role"] for seed in (1, 2))

    assert (one == "test").equals(other == "test")
    assert not (one == "validation").equals(other == "validation")


def test_random_splits_take_groups_apart() -> None:
    splits = make_splits(_recordings(), _protocol("random"), seed=1)

    assert splits.groupby("group")["role"].nunique().max() > 1


def test_shares_follow_the_folds() -> None:
    splits = make_splits(
        _recordings(places_per_label=20, rows_per_place=2),
        _protocol("grouped", n_folds=5, validation_folds=4),
        seed=1,
    )

    shares = splits["role"].value_counts(normalize=True)
    assert shares.to_dict() == pytest.approx(
        {"test": 0.2, "validation": 0.2, "train": 0.6}, abs=0.03
    )


@pytest.mark.parametrize(("fold", "group"), [("oak2", "oak2"), (None, "ash0")])
def test_the_named_or_first_group_is_the_test_part(fold: str | None, group: str) -> None:
    splits = make_splits(
        _recordings(),
        _protocol("leave_one_group_out", fold=fold, allow_missing_classes=True),
        seed=1,
    )

    assert ((splits["role"] == "test") == (splits["group"] == group)).all()
    assert set(splits["fold"]) == {group}


def test_a_fold_given_as_a_number_may_be_a_groups_name() -> None:
    splits = make_splits(
        _recordings(),
        _protocol("leave_one_group_out", group_by="take", fold=2, validation_folds=3),
        seed=1,
    )

    assert set(splits.loc[splits["role"] == "test", "group"]) == {"2"}


@pytest.mark.parametrize(
    ("group_by", "group"), [(["place", "take"], "ash1/1"), (["place"], "ash1"), ([], "r005")]
)
def test_groups_combine_columns_and_default_to_single_files(
    group_by: list[str], group: str
) -> None:
    splits = make_splits(_recordings(), _protocol("grouped", group_by=group_by), seed=1)

    assert splits["group"].iloc[5] == group


def test_rows_whose_group_is_unknown_stay_together() -> None:
    recordings = _recordings()
    recordings.loc[::7, "place"] = None

    splits = make_splits(recordings, _protocol("grouped"), seed=1)

    assert splits.loc[::7, "role"].nunique() == 1


@pytest.mark.parametrize(
    ("train", "test", "fold"),
    [
        (None, ["1"], "take=1"),
        (["0", "2", "3"], ["1"], "take=1"),
        (["1", "2"], ["0", "3"], "take=0+3"),
        (None, "0", "take=0"),
    ],
)
def test_a_column_gives_the_test_rows(
    train: list[str] | None, test: list[str] | str, fold: str
) -> None:
    recordings = _recordings()

    splits = make_splits(
        recordings,
        _protocol("column", column="take", train=train, test=test, group_by=["place", "take"]),
        seed=1,
    )

    wanted = recordings["take"].isin([test] if isinstance(test, str) else test)
    assert (splits["role"] == "test").equals(wanted)
    assert set(splits["role"]) == ROLES
    assert set(splits["fold"]) == {fold}


def test_validation_groups_of_a_column_split_are_not_trained_on() -> None:
    splits = make_splits(
        _recordings(), _protocol("column", column="take", test="0", group_by="place"), seed=1
    )

    inside = splits[splits["role"] != "test"]
    assert (inside.groupby("group")["role"].nunique() == 1).all()


def test_rows_outside_of_where_are_not_used_and_change_nothing() -> None:
    recordings = _recordings()
    noises = recordings.assign(kind="noise", recording_id="n" + recordings["recording_id"])
    both = pd.concat([noises, recordings], ignore_index=True).sort_values("take")
    protocol = _protocol("grouped", where={"kind": "rir"})

    splits = make_splits(both, protocol, seed=1)

    assert (splits["role"] == "unused").equals(both["kind"] == "noise")
    used = _by_id(splits[splits["role"] != "unused"])
    pd.testing.assert_series_equal(used, _by_id(make_splits(recordings, protocol, seed=1)))


def test_several_conditions_hold_together_and_several_values_are_alternatives() -> None:
    recordings = _recordings()
    where = {"take": ["0", "1", "2"], "label": ["ash", "oak"]}

    splits = make_splits(recordings, _protocol("grouped", where=where), seed=1)

    wanted = recordings["take"].isin(where["take"]) & recordings["label"].isin(where["label"])
    assert (splits["role"] != "unused").equals(wanted)


def test_rows_without_a_target_are_not_used() -> None:
    recordings = _recordings()
    recordings.loc[[3, 20], "label"] = None

    splits = make_splits(recordings, _protocol("grouped"), seed=1)

    assert list(np.flatnonzero(splits["role"] == "unused")) == [3, 20]


def test_numbers_are_targets_and_column_values_too() -> None:
    recordings = _recordings().astype({"take": int})

    splits = make_splits(
        recordings,
        _protocol("column", column="take", test=[0], target="label", group_by=["place", "take"]),
        seed=1,
    )

    assert (splits["role"] == "test").equals(recordings["take"] == 0)


def _repeated_id(recordings: pd.DataFrame) -> pd.DataFrame:
    return recordings.assign(recording_id=["r000", *recordings["recording_id"][:-1]])


def _one_place(recordings: pd.DataFrame) -> pd.DataFrame:
    return recordings.assign(place="all")


def _one_label(recordings: pd.DataFrame) -> pd.DataFrame:
    return recordings.assign(label="ash")


def _no_label(recordings: pd.DataFrame) -> pd.DataFrame:
    return recordings.assign(label=None)


def _two_places(recordings: pd.DataFrame) -> pd.DataFrame:
    return recordings.assign(place=recordings["take"].map(lambda take: f"p{int(take) % 2}"))


def _one_place_a_label(recordings: pd.DataFrame) -> pd.DataFrame:
    return recordings.assign(place=recordings["place"].where(recordings["label"] != "yew", "yew"))


def _one_row_of_yew(recordings: pd.DataFrame) -> pd.DataFrame:
    return recordings[(recordings["label"] != "yew") | ~recordings["label"].duplicated()]


@pytest.mark.parametrize(
    ("change", "protocol", "message"),
    [
        (_repeated_id, _protocol("random"), "not unique: r000"),
        (_one_row_of_yew, _protocol("random"), r"yew \(a single row: r048\)"),
        (_one_place_a_label, _protocol("grouped", n_folds=3), r"class.*yew \(group yew\)"),
        (
            None,
            _protocol("grouped").model_copy(update={"labels": {"elm": "tree", "ash": "other"}}),
            "'label' has no value 'elm'; use some of ash, oak, yew",
        ),
        (
            None,
            _protocol("grouped").model_copy(update={"unlabelled": {"kind": ["simulted"]}}),
            "simulted.*matches no recording",
        ),
        (_one_place, _protocol("grouped"), r"1 group \(all\) cannot make 4 folds"),
        (_one_label, _protocol("grouped"), r"target 'label' has 1 class \(ash\)"),
        (_no_label, _protocol("grouped"), r"target 'label' has 0 class \(no rows\)"),
        (None, _protocol("grouped", where={"kind": "noise"}), r"0 class \(no rows\)"),
        (
            None,
            _protocol("leave_one_group_out", fold="elm1"),
            r"protocol\.split\.fold 'elm1' is not a group; use one of \['ash0'",
        ),
        (
            _two_places,
            _protocol("leave_one_group_out"),
            r"needs three or more groups .* there are \['p0', 'p1'\]",
        ),
        (_two_places, _protocol("grouped"), r"2 groups \(\w+, \w+\) cannot make 4 folds"),
        (None, _protocol("grouped", n_folds=4, fold=4), r"fold '4' must be a number from 0 to 3"),
        (None, _protocol("random", fold="ash0"), r"fold 'ash0' must be a number from 0 to 3"),
        (None, _protocol("random", fold=-1), r"fold '-1' must be a number from 0 to 3"),
        (None, _protocol("random", n_folds=30), "30 folds cannot be made"),
        (
            None,
            _protocol("column", column="take", test="9"),
            r"column 'take' has no value '9'; use one of \['0', '1', '2', '3'\]",
        ),
        (None, _protocol("column", column="take", train="x", test="1"), "has no value 'x'"),
        (
            None,
            _protocol("column", column="take", train=["0", "2"], test="1"),
            r"18 rows are in neither train \['0', '2'\] nor test \['1'\].*protocol\.where",
        ),
        (
            None,
            _protocol("leave_one_group_out", fold="oak0"),
            r"no row in a part of the split \(test: ash \(groups .*\), yew \("
            r".*allow_missing_classes=true",
        ),
        (
            _one_place_a_label,
            _protocol("leave_one_group_out", fold="yew", allow_missing_classes=True),
            r"no training row of class yew \(",
        ),
        (
            _one_row_of_yew,
            _protocol("column", column="label", test="yew", allow_missing_classes=True),
            r"no training row of class yew \(",
        ),
    ],
)
def test_impossible_splits_are_reported(change: Any, protocol: Protocol, message: str) -> None:
    recordings = _recordings() if change is None else change(_recordings())

    with pytest.raises(UserError, match=message):
        make_splits(recordings, protocol, seed=1)


@pytest.mark.parametrize("seed", range(5))
def test_validation_leaves_a_class_with_one_training_group_to_train_on(seed: int) -> None:
    recordings = _one_place_a_label(_recordings())
    protocol = _protocol(
        "column", column="take", test="0", validation_folds=2, allow_missing_classes=True
    )

    splits = make_splits(recordings[recordings["label"] != "ash"], protocol, seed)

    assert set(splits.loc[splits["target"] == "yew", "role"]) == {"train", "test"}


def test_a_class_that_only_validation_could_hold_is_never_allowed() -> None:
    recordings = _recordings()
    recordings["place"] = recordings["label"].where(recordings["label"] != "ash", "oak")
    protocol = _protocol(
        "column", column="take", test="0", validation_folds=2, allow_missing_classes=True
    )
    # Two groups are left to train and validate on, each with a label that the other lacks.
    recordings = recordings[(recordings["take"] != "0") | (recordings["label"] == "oak")]

    with pytest.raises(UserError, match=r"no training row of class (yew|ash.*oak) \("):
        make_splits(recordings, protocol, seed=1)


@pytest.mark.parametrize("split", [{"strategy": "random"}, {"strategy": "grouped"}])
def test_channels_of_one_file_stay_together_without_being_asked(split: dict[str, Any]) -> None:
    files = [f"{label}{number}.wav" for label in ("ash", "oak") for number in range(20)]
    recordings = pd.DataFrame(
        [
            {"recording_id": f"{name}#{channel}", "path": name, "label": name[:3]}
            for name in files
            for channel in range(3)
        ]
    )

    splits = make_splits(recordings, Protocol(target="label", split=split), seed=0)

    roles = splits.assign(path=recordings["path"]).groupby("path")["role"].nunique()
    assert (roles == 1).all()
    assert set(splits["group"]) == set(files)


def test_few_groups_make_fewer_validation_folds() -> None:
    recordings = pd.DataFrame(
        [
            {"path": f"{label}_{place}_{take}.wav", "label": label, "place": place}
            for label in ("ash", "oak")
            for place in ("north", "south", "east")
            for take in range(4)
        ]
    ).assign(recording_id=lambda table: table["path"])
    protocol = Protocol(
        target="label",
        group_by=["place"],
        split={"strategy": "leave_one_group_out", "fold": "north", "validation_folds": 4},
    )

    splits = make_splits(recordings, protocol, seed=0)

    assert set(splits.loc[splits["role"] == "test", "group"]) == {"north"}
    for role in ("train", "validation"):
        assert splits.loc[splits["role"] == role, "group"].nunique() == 1


@pytest.mark.parametrize("n_rows", [2, 3])
def test_few_rows_a_class_make_fewer_validation_folds(n_rows: int) -> None:
    recordings = _recordings(places_per_label=n_rows + 1, rows_per_place=1)
    recordings["part"] = np.where(recordings["place"].str.endswith("0"), "test", "other")

    splits = make_splits(recordings, _protocol("column", column="part", test="test"), seed=0)

    assert splits["role"].value_counts().to_dict() == {
        "test": 3,
        "validation": 3,
        "train": 3 * (n_rows - 1),
    }


def test_unlabelled_rows_lose_their_target_and_change_nothing_else() -> None:
    labelled = _recordings()
    extra = labelled[labelled["label"] == "oak"].assign(label="unknown", kind="simulated")
    extra = extra.assign(recording_id="u" + extra["recording_id"], place="u" + extra["place"])
    both = pd.concat([labelled, extra.assign(path=extra["recording_id"])], ignore_index=True)
    protocol = _protocol("grouped").model_copy(update={"unlabelled": {"kind": ["simulated"]}})

    splits = make_splits(both, protocol, seed=3)

    is_extra = splits["recording_id"].str.startswith("u")
    assert set(splits.loc[is_extra, "role"]) == {"unlabelled"}
    assert splits.loc[is_extra, "target"].isna().all()
    alone = make_splits(labelled, _protocol("grouped"), seed=3)
    pd.testing.assert_series_equal(_by_id(splits[~is_extra]), _by_id(alone))


def test_unlabelled_rows_of_a_held_out_group_are_not_used() -> None:
    recordings = _recordings()
    recordings.loc[recordings["take"] == "0", "kind"] = "simulated"
    protocol = _protocol("grouped").model_copy(update={"unlabelled": {"kind": ["simulated"]}})

    splits = make_splits(recordings, protocol, seed=3)

    roles = splits.groupby("group")["role"].agg(set)
    assert set(map(frozenset, roles)) == {
        frozenset({"train", "unlabelled"}),
        frozenset({"validation", "unused"}),
        frozenset({"test", "unused"}),
    }


def test_the_seed_of_the_protocol_takes_precedence() -> None:
    protocol = _protocol("random").model_copy(update={"seed": 42})

    one, other = (make_splits(_recordings(), protocol, seed) for seed in (1, 2))

    pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(one, make_splits(_recordings(), _protocol("random"), seed=42))


def _combinations(*n_levels: int, takes: int = 2) -> pd.DataFrame:
    levels = np.indices(n_levels).reshape(len(n_levels), -1).repeat(takes, axis=1)
    names = ["content", "rhythm", "pitch"][: len(n_levels)]
    table = pd.DataFrame(
        {name: [f"{name[0]}{k}" for k in row] for name, row in zip(names, levels, strict=True)}
    )
    ids = [f"r{number}" for number in range(len(table))]
    return table.assign(recording_id=ids, path=ids)


@settings(deadline=None)
@given(
    n_levels=st.tuples(st.integers(3, 6), st.integers(3, 6), st.integers(3, 6)),
    fold=st.integers(0, 2),
    seed=st.integers(0, 2**31 - 1),
)
def test_held_out_combinations_have_every_level_and_none_that_was_trained_on(
    n_levels: tuple[int, int, int], fold: int, seed: int
) -> None:
    table = _combinations(*n_levels)
    factors = ["content", "rhythm", "pitch"]
    protocol = _protocol("combinations", target="content", group_by=factors, n_folds=3, fold=fold)

    splits = make_splits(table, protocol, seed)

    assert set(splits["role"]) == ROLES
    assert splits.groupby("group")["role"].nunique().max() == 1
    for factor in factors:
        held = table.groupby(splits["role"])[factor].agg(set)
        assert all(levels == set(table[factor]) for levels in held)


def test_as_many_folds_as_levels_hold_out_every_pair_of_levels_equally_often() -> None:
    table = _combinations(5, 4, 5)
    protocol = _protocol(
        "combinations", target="rhythm", group_by=["content", "rhythm", "pitch"], n_folds=5
    )

    test = table[(make_splits(table, protocol, seed=1)["role"] == "test").to_numpy()]

    assert set(test.groupby(["content", "rhythm"]).size()) == {2}
    assert len(test.groupby(["content", "rhythm"])) == 5 * 4


def test_combinations_need_two_columns() -> None:
    with pytest.raises(ValueError, match="'combinations' needs two or more columns in group_by"):
        _protocol("combinations", group_by=["place"])


def test_the_folds_of_a_protocol_test_every_row_once() -> None:
    recordings = _recordings()
    for protocol in (
        _protocol("random", n_folds=3),
        _protocol("grouped", n_folds=3),
        _protocol("leave_one_group_out", group_by=["take"], fold="1"),
        _protocol("column", column="take", validation_folds=2),
    ):
        folds = fold_protocols(recordings, protocol, seed=2)

        tables = [make_splits(recordings, one, seed=2) for one in folds.values()]
        assert [table["fold"].iloc[0] for table in tables] == list(folds)
        tested = sum((table["role"] == "test").to_numpy(dtype=int) for table in tables)
        assert (tested == 1).all(), protocol.split.strategy


def test_all_folds_that_cannot_be_made_are_reported_together() -> None:
    recordings = _recordings()
    recordings["place"] = recordings["label"]
    protocol = _protocol("leave_one_group_out", fold="ash")

    with pytest.raises(UserError, match=r"fold ash.*class ash.*fold oak.*fold yew"):
        fold_protocols(recordings, protocol, seed=1)


def test_labels_stand_for_values_and_other_values_are_unused() -> None:
    recordings = _recordings()
    protocol = _protocol("grouped", n_folds=3)
    protocol = protocol.model_copy(update={"labels": {"ash": "tree", "oak": "other"}})

    splits = make_splits(recordings, protocol, seed=1)

    assert set(splits.loc[recordings["label"] == "ash", "target"]) == {"tree"}
    assert (splits.loc[recordings["label"] == "yew", "role"] == "unused").all()


@pytest.mark.parametrize("strategy", ["random", "grouped", "combinations"])
def test_folds_of_all_repeats_test_every_row_once_a_repeat(strategy: str) -> None:
    recordings = _combinations(5, 5, 5)
    split = {"target": "content", "group_by": ["content", "rhythm", "pitch"]}
    protocol = _protocol(strategy, n_folds=5, repeats=2, **split)

    folds = fold_protocols(recordings, protocol, seed=2)

    assert list(folds) == [f"{fold} of repeat {repeat}" for repeat in (0, 1) for fold in range(5)]
    tables = {name: make_splits(recordings, one, seed=2) for name, one in folds.items()}
    assert all(set(table["fold"]) == {name} for name, table in tables.items())
    for repeat in (0, 1):
        of_repeat = [t for name, t in tables.items() if folds[name].split.repeat == repeat]
        assert len(of_repeat) == 5
        assert (sum((t["role"] == "test").to_numpy(int) for t in of_repeat) == 1).all()
    draws = [(t["role"] == "test").tolist() for t in tables.values()]
    assert len({tuple(draw) for draw in draws}) == 10


@pytest.mark.parametrize("fold", range(3))
@pytest.mark.parametrize("strategy", ["random", "grouped"])
def test_the_first_repeat_is_the_split_without_repeats(strategy: str, fold: int) -> None:
    recordings = _recordings()
    plain, repeated = (
        make_splits(recordings, _protocol(strategy, n_folds=3, fold=fold, **more), seed=5)
        for more in ({}, {"repeats": 4})
    )

    pd.testing.assert_frame_equal(plain.drop(columns="fold"), repeated.drop(columns="fold"))


def test_the_largest_seed_has_room_for_the_most_repeats() -> None:
    protocol = _protocol("random", repeats=1000, repeat=999)

    assert set(make_splits(_recordings(), protocol, seed=2**31 - 1)["role"]) == ROLES


def test_the_tested_value_of_a_column_is_the_first_unless_it_is_named() -> None:
    recordings = _recordings()
    recordings["distance"] = np.where(recordings["take"].isin(["0", "2"]), "far", "near")
    protocol = _protocol("column", column="distance", group_by=["place", "distance"])

    folds = fold_protocols(recordings, protocol, seed=1)

    assert list(folds) == ["distance=far", "distance=near"]
    first = make_splits(recordings, protocol, seed=1)
    pd.testing.assert_frame_equal(first, make_splits(recordings, folds["distance=far"], seed=1))
    inside = first[first["role"] != "test"]
    assert set(inside["role"]) == {"train", "validation"}
    assert (inside.groupby("group")["role"].nunique() == 1).all()


def test_a_column_whose_test_values_are_named_is_one_fold() -> None:
    protocol = _protocol("column", column="take", train=["2", "3"], test=["0", "1"])

    folds = fold_protocols(_recordings(), protocol, seed=1)

    assert folds == {"take=0+1": protocol}


def test_a_column_that_does_not_decide_makes_no_folds() -> None:
    protocol = _protocol("leave_one_group_out", group_by=["take"], column="label")

    assert list(fold_protocols(_recordings(), protocol, seed=1)) == ["0", "1", "2", "3"]


def test_rows_that_are_not_used_make_no_fold() -> None:
    recordings = _recordings()
    recordings.loc[recordings["take"] == "0", "label"] = None
    recordings.loc[recordings["take"] == "1", "kind"] = "noise"
    protocol = _protocol("leave_one_group_out", group_by=["take"], where={"kind": "rir"})

    with pytest.raises(UserError, match="needs three or more groups"):
        fold_protocols(recordings, protocol, seed=1)
    wider = protocol.model_copy(update={"where": {}})
    assert list(fold_protocols(recordings, wider, seed=1)) == ["1", "2", "3"]


def test_a_value_that_only_unused_rows_have_makes_no_fold() -> None:
    recordings = _recordings()
    recordings.loc[recordings["take"] == "3", "kind"] = "noise"
    protocol = _protocol("column", column="take", where={"kind": "rir"}, validation_folds=2)

    assert list(fold_protocols(recordings, protocol, seed=1)) == ["take=0", "take=1", "take=2"]


@pytest.mark.parametrize(
    ("change", "protocol", "message"),
    [
        (
            {"take": None},
            _protocol("column", column="take"),
            "72 rows have no value in column 'take' and belong to no fold",
        ),
        ({"take": "1"}, _protocol("column", column="take"), "none is left to train on"),
        ({"take": "1"}, _protocol("column", column="take", test="1"), "none is left to train on"),
        (
            {},
            _protocol("column", column="take", fold="9"),
            r"split\.fold '9' is not a value of column 'take'; use one of \['0', '1', '2', '3'\]",
        ),
    ],
)
def test_invalid_column_splits_are_reported(
    change: dict[str, Any], protocol: Protocol, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make_splits(_recordings().assign(**change), protocol, seed=1)


@pytest.mark.parametrize("strategy", ["random", "grouped", "leave_one_group_out", "column"])
def test_an_error_of_every_fold_is_reported_once(strategy: str) -> None:
    protocol = _protocol(strategy, column="take", where={"label": "none"})

    with pytest.raises(UserError, match=r"^target 'label' has 0 class"):
        fold_protocols(_recordings(), protocol, seed=1)


def test_folds_that_cannot_be_made_are_named_and_the_others_are_not() -> None:
    recordings = _one_place_a_label(_recordings())
    protocol = _protocol("leave_one_group_out", allow_missing_classes=True)

    with pytest.raises(UserError) as caught:
        fold_protocols(recordings, protocol, seed=1)

    message = str(caught.value)
    assert message.startswith("fold yew: no training row of class yew (group yew)")
    assert "fold ash0" not in message


def test_the_warning_about_a_missing_class_names_fold_part_and_groups() -> None:
    protocol = _protocol("leave_one_group_out", fold="oak0", allow_missing_classes=True)

    with pytest.warns(SplitWarning) as caught:
        make_splits(_recordings(), protocol, seed=1)

    (message,) = [str(warning.message) for warning in caught]
    assert message.startswith("fold oak0: a class has no row in a part of the split (")
    assert re.search(r"test: ash \(groups ash0, .* and 1 more\), yew \(groups yew0, ", message)


def test_rows_without_a_label_are_counted_and_named_with_their_groups() -> None:
    recordings = _recordings()
    recordings.loc[[3, 20], "label"] = np.nan
    # Not asked for, so nothing is missed.
    recordings.loc[40, ["label", "kind"]] = [np.nan, "noise"]
    protocol = _protocol("grouped", where={"kind": "rir"})

    with pytest.warns(SplitWarning) as caught:
        make_splits(recordings, protocol, seed=1)

    assert [str(warning.message) for warning in caught] == [
        "2 rows have no target 'label' and are not used: r003, r020 (groups: ash0, ash5)"
    ]


def _sharing(recordings: pd.DataFrame, *sets: tuple[int, ...]) -> pd.DataFrame:
    """Recordings of which each set of rows shares sound."""
    group = recordings["path"].copy()
    for rows in sets:
        group[list(rows)] = group[rows[0]]
    return recordings.assign(sound_group=group)


@pytest.mark.parametrize("group_by", [[], ["place"]])
def test_recordings_that_share_sound_stay_together_in_every_random_fold(
    group_by: list[str],
) -> None:
    # Pairs of one class, and three that overlap one after the other, of two classes.
    recordings = _sharing(_recordings(), (0, 1), (5, 22), (30, 40, 70))
    protocol = _protocol("random", n_folds=3, validation_folds=3, group_by=group_by)
    for one in fold_protocols(recordings, protocol, seed=1).values():
        splits = make_splits(recordings, one, seed=1)
        roles = splits["role"].groupby(recordings["sound_group"]).nunique()
        assert (roles == 1).all()
        assert set(splits["role"]) == ROLES


def test_recordings_that_share_sound_are_a_group_where_none_is_named() -> None:
    recordings = _sharing(_recordings(), (0, 1))
    # The test part is given; the validation part is drawn from the other rows.
    protocol = _protocol("column", column="take", test="3", group_by=[])
    for seed in range(8):
        splits = make_splits(recordings, protocol, seed)
        assert splits["group"][0] == splits["group"][1] == "r000"
        assert splits["role"][0] == splits["role"][1]


def test_named_groups_are_not_changed_by_shared_sound() -> None:
    recordings = _recordings()
    protocol = _protocol("grouped")
    pd.testing.assert_frame_equal(
        make_splits(_sharing(recordings, (0, 30)), protocol, seed=1),
        make_splits(recordings, protocol, seed=1),
    )


def test_unlabelled_copies_of_held_out_recordings_are_unused() -> None:
    recordings = _recordings().assign(source=["real"] * 60 + ["more"] * 12)
    protocol = _protocol("random", where={"source": ["real", "more"]}, group_by=[])
    protocol = protocol.model_copy(update={"unlabelled": {"source": ["more"]}})
    role = make_splits(recordings, protocol, seed=1)["role"]
    test, train = ((role == name).to_numpy().argmax() for name in ("test", "train"))
    assert list(role[60:]) == ["unlabelled"] * 12
    role = make_splits(_sharing(recordings, (test, 60), (train, 61)), protocol, seed=1)["role"]
    held_out = {"test", "validation"}
    for row, of in ((60, test), (61, train)):
        assert role[row] == ("unused" if role[of] in held_out else "unlabelled")
    assert "unused" in set(role[[60, 61]])


def test_a_class_whose_recordings_all_share_sound_is_named() -> None:
    recordings = _sharing(_recordings(1, 4), (0, 1, 2, 3))
    with pytest.raises(UserError, match=r"ash \(all its 4 rows share sound: r000, r001"):
        make_splits(recordings, _protocol("random", n_folds=2, validation_folds=2), seed=1)


def _channels(recordings: pd.DataFrame) -> pd.DataFrame:
    """Two items a file, as `channel: each` gives them."""
    both = [
        recordings.assign(recording_id=recordings["recording_id"] + f"#{channel}")
        for channel in (0, 1)
    ]
    return pd.concat(both, ignore_index=True)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "recordings",
    [
        _recordings(),
        _channels(_recordings()),
    ],
    ids=["files", "channels"],
)
def test_tables_without_faults_cause_no_warning(recordings: pd.DataFrame) -> None:
    for strategy in ("random", "grouped"):
        make_splits(recordings, _protocol(strategy), seed=1)


def test_listing_folds_does_not_warn() -> None:
    recordings = _recordings()
    recordings.loc[0, "label"] = None

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fold_protocols(recordings, _protocol("grouped"), seed=1)


def _rare_labels() -> pd.DataFrame:
    """Twelve groups of ash, but three each of oak and yew, of which each third has one."""
    recordings = _recordings(places_per_label=12, rows_per_place=2)
    number = recordings["place"].str[3:].astype(int)
    recordings["third"] = (number % 3).astype(str)
    return recordings[(recordings["label"] == "ash") | (number < 3)].reset_index(drop=True)


@pytest.mark.parametrize(
    ("protocol", "advised"),
    [
        (_protocol("grouped", n_folds=3, validation_folds=8), {"validation_folds"}),
        (_protocol("grouped", n_folds=5, validation_folds=8), {"n_folds", "validation_folds"}),
        (_protocol("random", n_folds=40), {"n_folds"}),
        (_protocol("column", column="third", validation_folds=8), {"validation_folds"}),
    ],
)
def test_what_is_advised_works_for_every_fold(protocol: Protocol, advised: set[str]) -> None:
    recordings = _rare_labels()
    with pytest.raises(UserError, match=r"^fold \S.*: .*\. Set protocol") as caught:
        fold_protocols(recordings, protocol, seed=1)

    found = dict(re.findall(r"protocol\.split\.(\w+)=(\d+)", str(caught.value)))
    assert set(found) == advised
    changed = protocol.split.model_copy(update={key: int(n) for key, n in found.items()})
    assert fold_protocols(recordings, protocol.model_copy(update={"split": changed}), seed=1)


@pytest.mark.parametrize(
    ("protocol", "said", "unsaid"),
    [
        (_protocol("leave_one_group_out"), "strategy=grouped", "n_folds"),
        (_protocol("column", column="place", test="ash0"), "protocol.split.test", "n_folds"),
        (_protocol("random", n_folds=80), "n_folds", "protocol.split.test"),
    ],
)
def test_advice_is_for_the_strategy(protocol: Protocol, said: str, unsaid: str) -> None:
    with pytest.raises(UserError) as caught:
        fold_protocols(_recordings(), protocol, seed=1)
    assert said in str(caught.value)
    assert unsaid not in str(caught.value)
    assert "protocol.where" in str(caught.value)


def test_a_fold_that_can_be_made_is_advised_for_a_single_run() -> None:
    recordings = _recordings()
    recordings.loc[recordings["place"].isin(["ash0", "oak0", "yew0"]), "place"] = "mixed"
    protocol = _protocol("leave_one_group_out", fold="ash1")

    with pytest.raises(UserError, match=r"protocol\.split\.fold=mixed, which can be made"):
        make_splits(recordings, protocol, seed=1)
    changed = protocol.split.model_copy(update={"fold": "mixed"})
    make_splits(recordings, protocol.model_copy(update={"split": changed}), seed=1)
