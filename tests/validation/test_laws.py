"""Laws are told apart where the world tells them apart, and not where it does not."""

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.inference.design import supervised_grid
from bayes_dsl.inference.settings import Settings
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.published import published
from bayes_dsl.laws.registry import registered
from bayes_dsl.laws.repetition import REPETITION
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation.laws import ROWS_OUT, _repeats, compare_laws
from tests.repeated import repeated_table
from tests.validation.compared import LAWS, MINE, MY_PRIOR, MY_TRUTH, made_by_hand, my_table

FAST = Settings(chains=2, warmup=500, draws=500)
TARGET = {"student_params": 7e10, "student_tokens": 1.4e12}


@pytest.fixture(scope="module")
def bent_table() -> RunTable:
    """The small table's design in a world of gamma .45."""
    truth = published("busbridge_corrected").parameters
    design = supervised_grid(np.geomspace(5e7, 5e9, 10).tolist(), tokens=np.geomspace(1e9, 1e11, 6).tolist())
    noise = Noise(scale=0.003, degrees_of_freedom=np.inf)
    return simulate(SUPERVISED, {n: truth[n] for n in SUPERVISED.names}, design, noise=noise, seed=4)


def test_a_world_that_only_one_law_holds_is_told(bent_table: RunTable) -> None:
    found = compare_laws(bent_table, laws=LAWS, targets=[TARGET], factors=[8.0], settings=FAST, seed=1)
    assert found.method == ROWS_OUT and list(found.laws.index) == ["supervised", "chinchilla"]
    worse = found.laws.loc["chinchilla"]
    assert worse["elpd_diff"] < -2 * worse["dse"] < 0
    assert found.laws.loc["supervised", "forecast_weight"] > 0.9
    assert found.laws.loc["supervised", "log_score"] > worse["log_score"]
    assert found.sentences == ()


def test_a_law_of_ones_own_takes_part_as_any_other() -> None:
    """In its own world, which no sum of a size's and a tokens' share can follow."""
    found = compare_laws(
        my_table(),
        laws=[CHINCHILLA, MINE],
        priors={"mine": MY_PRIOR},
        targets=[TARGET],
        factors=[8.0],
        settings=FAST,
        seed=1,
    )
    assert list(found.laws.index) == ["mine", "chinchilla"]
    worse = found.laws.loc["chinchilla"]
    assert worse["elpd_diff"] < -2 * worse["dse"] < 0 and worse["log_score"] < found.laws["log_score"]["mine"]
    assert (found.laws.loc["mine", ["stacking_weight", "forecast_weight"]] > 0.9).all()
    assert found.targets["law"].tolist() == ["chinchilla", "mine", "stacked"] and found.sentences == ()
    assert "prior of the mine law: densities of your own" in found.notes
    mine = found.posteriors["mine"]
    for name, true in MY_TRUTH.items():
        draws = mine.draws(name)
        assert abs(draws.mean() - true) < 4 * draws.std() < 0.5 * true


def test_control_a_world_that_both_laws_hold_prefers_neither(small_table: RunTable) -> None:
    found = compare_laws(small_table, laws=LAWS, targets=[TARGET], factors=[8.0], settings=FAST, seed=1)
    (said,) = found.sentences
    assert said.startswith("supervised and chinchilla fit the table equally well")
    assert (found.laws["largest_k"] < 0.7).all()
    assert found.targets["law"].tolist() == ["supervised", "chinchilla", "stacked"]


def test_everything_is_said_of_every_law(small_table: RunTable) -> None:
    told = []
    with made_by_hand(off=1.05) as seen:
        found = compare_laws(
            small_table,
            laws=LAWS,
            targets=[TARGET],
            seed=3,
            prob=0.8,
            progress=lambda *done: told.append(done),
        )
    # By default runs are held out at 4x and at 8x.
    assert set(found.laws.index) == {law.name for law in LAWS} and found.healthy
    assert told == [(i + 1, 6) for i in range(6)] and len(seen) == 6
    assert sorted(found.held_out["factor"].unique()) == [4.0, 8.0]
    assert (found.table_sha256, found.seed, found.prob) == (small_table.sha256, 3, 0.8)
    assert not found.laws.isna().any(axis=None)
    assert found.laws.loc["chinchilla", "elpd_diff"] < 0 and found.laws[
        "forecast_weight"
    ].sum() == pytest.approx(1)
    assert {len(each) for each in found.pointwise.values()} == {60}
    assert found.pointwise["supervised"].sum() == pytest.approx(found.laws.loc["supervised", "elpd"])


def test_rows_of_one_group_are_left_out_together(small_table: RunTable) -> None:
    table = RunTable.from_pandas(small_table.to_pandas().assign(group=[f"g{i // 6}" for i in range(60)]))
    told = []
    with made_by_hand():
        found = compare_laws(
            table, laws=LAWS, factors=[8.0], folds=3, progress=lambda *done: told.append(done)
        )
    assert told[-1] == (10, 10)
    assert found.method.startswith("leave clusters out (10 clusters") and "in 3 folds" in found.method
    assert {len(each) for each in found.pointwise.values()} == {10}
    assert found.laws["high_k"].isna().all()


def test_a_table_too_small_to_hold_out_has_no_forecast_weights(small_table: RunTable) -> None:
    small = small_table.select(np.arange(12))
    with made_by_hand():
        found = compare_laws(small, laws=LAWS, targets=[TARGET])
        with pytest.raises(InputError, match="14 are needed to condition on"):
            compare_laws(small, laws=LAWS, factors=[8.0])
    assert found.held_out.empty and found.laws[["log_score", "forecast_weight"]].isna().all(axis=None)
    assert found.targets["law"].tolist() == ["supervised", "chinchilla"]
    assert found.notes[0].startswith("no holdout at 4x: ") and "none has a weight" in found.notes[2]


def test_by_default_every_law_of_the_tables_runs_is_compared(small_table: RunTable) -> None:
    with made_by_hand():
        found = compare_laws(small_table, factors=[8.0])
    known = {law.name for law in registered() if not law.explains("distilled")}
    assert set(found.laws.index) == known - {"repetition"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"laws": [SUPERVISED]}, ["a comparison needs two laws"]),
        ({"laws": [SUPERVISED, SUPERVISED]}, ["named more than once", "needs two laws"]),
        (
            {"laws": LAWS, "targets": [{**TARGET, "teacher_loss": 1.9}]},
            ["supervised; does not explain distilled", "chinchilla; does not explain distilled"],
        ),
        ({"folds": 1}, ["folds = 1; must be 2 or more"]),
        ({"factors": [0.5]}, ["holdout = 0.5x"]),
    ],
)
def test_what_cannot_be_compared_is_refused_before_sampling(small_table, asked: dict, said: list) -> None:
    with made_by_hand() as seen, pytest.raises(InputError) as caught:
        compare_laws(small_table, **asked)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(said) and all(part in line for part, line in zip(said, lines, strict=True))
    assert seen == []


def test_a_law_that_does_not_explain_the_table_is_refused(small_distilled) -> None:
    with pytest.raises(InputError, match="law = chinchilla; does not explain distilled runs"):
        compare_laws(small_distilled.table, laws=[CHINCHILLA, DISTILLATION])


def test_repeated_data_are_told_and_a_target_says_its_unique_tokens() -> None:
    table, target = repeated_table(), {**TARGET, "unique_tokens": 1e11}
    scarcer = {**TARGET, "unique_tokens": 2e10}
    found = compare_laws(
        table, laws=[SUPERVISED, REPETITION], targets=[target, scarcer], factors=[8.0], settings=FAST, seed=1
    )
    assert list(found.laws.index) == ["repetition", "supervised"]
    assert found.laws.loc["supervised", "elpd_diff"] < -2 * found.laws.loc["supervised", "dse"]
    assert found.laws.loc["repetition", "forecast_weight"] > 0.9
    assert found.targets["target"][0] == "70B params x 1.4T tokens, 100B of them unique"
    reads, ignores = (found.targets.query("law == @law")["median"] for law in ("repetition", "supervised"))
    assert reads.iloc[1] > reads.iloc[0] + 0.01 and ignores.iloc[1] == ignores.iloc[0]


def test_the_law_of_repeated_data_joins_where_data_repeat(small_table: RunTable) -> None:
    assert not _repeats(small_table) and _repeats(repeated_table())
    for law, target, said in (
        (REPETITION, TARGET, "unique_tokens = none; the repetition law asks how many distinct"),
        (CHINCHILLA, {**TARGET, "unique_tokens": 1e9}, "every law here takes every token for a new one"),
    ):
        with made_by_hand() as seen, pytest.raises(InputError, match=said):
            compare_laws(repeated_table(), laws=[SUPERVISED, law], targets=[target])
        assert seen == []
