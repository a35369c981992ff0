"""What a posterior conditions on: which rows, in which order, what they share, and what is said about it."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from bayes_dsl.errors import TableError
from bayes_dsl.inference.noise import EFFECTS
from bayes_dsl.inference.observations import LARGEST_MEMBER, Observations, _member, observe
from bayes_dsl.inference.priors import default_prior
from bayes_dsl.laws.registry import law
from tests.inference.by_hand import Row, plain_rows, rich_rows, table_of

LEVELS = {
    "group": ("g1", "g2", "g5"),
    "replicate": ("1000000000 x 10000000000 x", "4000000000 x 80000000000 x"),
    "teacher": ("big", f"loss {2.35:.17g}"),
    "student": ("150000000 x 8000000000", "300000000 x 10000000000", "900000000 x 20000000000"),
    "evaluation": ("x", "y"),
    "data_order": ("p", "q"),
}


def observed(rows: list[Row], law_name: str = "supervised") -> Observations:
    known = law(law_name)
    return observe(table_of(rows), law=known, prior=default_prior(known, typical_loss=2.5))


def with_(rows: list[Row], position: int, **changed: Any) -> list[Row]:
    return [{**row, **changed} if i == position else row for i, row in enumerate(rows)]


def sampled(rows: list[Row], law_name: str = "supervised") -> set[str]:
    return {name for name, _ in observed(rows, law_name).structure.effects}


def test_each_effect_has_the_levels_that_rows_share() -> None:
    observations = observed(rich_rows("distillation"), "distillation")
    assert observations.levels == LEVELS
    assert observations.structure.effects == tuple((name, len(LEVELS[name])) for name in EFFECTS)
    assert observations.structure.effects[0] == ("group", 3)


def test_each_row_finds_its_level_role_after_role() -> None:
    rows = rich_rows("distillation")
    observations = observed(rows, "distillation")
    ordered = [rows[i] for i in observations.order]
    assert [row["role"] for row in ordered] == ["supervised"] * 14 + ["distilled"] * 8
    assert observations.structure.rows == (14, 8)
    np.testing.assert_array_equal(observations.data["log_loss"], np.log([row["loss"] for row in ordered]))
    for name, effect in observations.data["effects"].items():
        for i, row in enumerate(ordered):
            level = row["levels"].get(name)
            assert effect["alone"][i] == (level == "alone"), (name, row)
            assert effect["shared"][i] == (level not in (None, "alone")), (name, row)
            if effect["shared"][i]:
                assert effect["level"][i] == level
                assert effect["rows"][i] == sum(other["levels"].get(name) == level for other in rows)


def test_the_order_leads_back_to_the_rows_that_are_used() -> None:
    rows = rich_rows("distillation")
    lost = {"status": "diverged", "loss": None}
    with_lost = [rows[0], {**rows[1], **lost}, *rows[1:], {**rows[2], "status": "unfinished"}]
    table, observations = table_of(with_lost), observed(with_lost, "distillation")
    assert len(table) == len(rows) + 2 and observations.structure.n_runs == len(rows)
    found = np.log(table.used.values("loss")[observations.order])
    np.testing.assert_array_equal(observations.data["log_loss"], found)
    without = observed(rows, "distillation")
    assert observations.structure == without.structure
    assert jax.tree.all(jax.tree.map(np.array_equal, observations.data, without.data))


def test_inputs_and_errors_are_those_of_their_rows() -> None:
    rows = rich_rows("distillation")
    data = observed(rows, "distillation").data
    by_role = {role: [row for row in rows if row["role"] == role] for role in ("supervised", "distilled")}
    for role, names in (("supervised", ("N", "D")), ("distilled", ("N_S", "D_S"))):
        for name, column in zip(names, ("params", "tokens"), strict=True):
            wanted = [row[column] for row in by_role[role]]
            np.testing.assert_array_equal(data["inputs"][role][name], wanted)
    L_T = [row["teacher_loss"] for row in by_role["distilled"]]
    np.testing.assert_array_equal(data["inputs"]["distilled"]["L_T"], L_T)
    both = by_role["supervised"] + by_role["distilled"]
    wanted = [row.get("loss_se", 0.0) / row["loss"] for row in both]
    np.testing.assert_allclose(data["relative_se"], wanted, rtol=1e-15)
    blur = data["teacher_blur"]
    for row, level, error in zip(by_role["distilled"], blur["level"], blur["relative_se"], strict=True):
        if "blurred" in row:
            assert (level, error) == (row["blurred"][0], row["blurred"][1] / row["teacher_loss"])
        else:
            assert error == 0.0


def test_nothing_shared_means_nothing_sampled() -> None:
    assert sampled(plain_rows("supervised")) == set()
    assert sampled(plain_rows("distillation"), "distillation") == set()
    assert "teacher_blur" not in observed(plain_rows("distillation"), "distillation").data


def test_a_group_is_an_effect_once_two_rows_share_it() -> None:
    rows = plain_rows("supervised")
    assert sampled(with_(rows, 0, group="a")) == set()
    one_each = with_(with_(rows, 0, group="a"), 1, group="b")
    assert sampled(one_each) == set()
    assert sampled(with_(with_(rows, 0, group="a"), 1, group="a")) == {"group"}


def test_seeds_are_told_from_the_rest_once_two_configurations_have_several() -> None:
    rows = plain_rows("supervised")
    said = (
        "no configuration was run with several seeds: seed noise and the rest share one scale, "
        "the same at all tokens"
    )
    once = [*rows, {**rows[0], "loss": 2.5}]
    assert sampled(once) == set() and said in observed(once).notes
    twice = [*once, {**rows[1], "loss": 2.5}]
    assert sampled(twice) == {"replicate"} and said not in observed(twice).notes
    # Checkpoints of one run are no replicates of each other.
    grouped = [{**row, "group": f"run {i % 2}"} for i, row in enumerate([*twice[:2], *twice[-2:]])]
    assert sampled([*rows[2:], *grouped]) == {"group"}


def test_teachers_are_told_by_name_and_otherwise_by_an_equal_loss() -> None:
    rows = plain_rows("distillation", distilled=4)
    students = range(len(rows) - 4, len(rows))
    L_T = rows[students[0]]["teacher_loss"]
    equal = with_(rows, students[1], teacher_loss=L_T)
    observations = observed(equal, "distillation")
    assert sampled(equal, "distillation") == {"teacher"}
    assert observations.levels["teacher"] == (f"loss {L_T:.17g}",)
    named = with_(with_(rows, students[0], teacher_id="T"), students[1], teacher_id="T")
    assert observed(named, "distillation").levels["teacher"] == ("T",)
    # Two names tell two teachers of one loss apart.
    apart = with_(with_(equal, students[0], teacher_id="T"), students[1], teacher_id="U")
    assert sampled(apart, "distillation") == set()


def test_a_student_is_its_params_and_tokens() -> None:
    rows = plain_rows("distillation", distilled=4)
    first = next(i for i, row in enumerate(rows) if row["role"] == "distilled")
    same = with_(rows, first + 1, params=rows[first]["params"], tokens=rows[first]["tokens"])
    assert sampled(same, "distillation") == {"student"}
    assert sampled(with_(rows, first + 1, params=rows[first]["params"]), "distillation") == set()
    # A supervised run of that configuration is not the student.
    assert (
        sampled(with_(rows, 0, **{n: rows[first][n] for n in ("params", "tokens")}), "distillation") == set()
    )


def test_an_evaluation_set_has_an_offset_once_there_are_two() -> None:
    rows = plain_rows("supervised")
    said = "one evaluation set: its error is shared by every row and so is part of E"
    one = [{**row, "eval_id": "x"} for row in rows]
    assert sampled(one) == set() and said in observed(one).notes
    two = [{**row, "eval_id": "xy"[i % 2]} for i, row in enumerate(rows)]
    assert sampled(two) == {"evaluation"} and said not in observed(two).notes
    # In a gap both losses are of one set, whose error cancels.
    study = plain_rows("distillation")
    on_y = [{**row, "eval_id": "y" if row["role"] == "distilled" else "x"} for row in study]
    assert sampled(on_y, "distillation") == set()


def test_an_order_of_the_data_has_an_effect_once_there_are_two_and_rows_share_one() -> None:
    rows = plain_rows("supervised")
    said = "one order of the data: what it costs is shared by every row and so is part of the law"
    one = [{**row, "data_order": "p"} for row in rows]
    assert sampled(one) == set() and said in observed(one).notes
    # Where it is unknown of some, they may have seen their data in another.
    some = [*one[:3], *rows[3:]]
    assert sampled(some) == {"data_order"} and said not in observed(some).notes
    own = [{**row, "data_order": str(i)} for i, row in enumerate(rows)]
    assert sampled(own) == set() and said not in observed(own).notes
    two = [{**row, "data_order": "pq"[i % 2]} for i, row in enumerate(rows)]
    assert sampled(two) == {"data_order"} and said not in observed(two).notes
    # Students share it with supervised runs.
    study = [{**row, "data_order": "pq"[row["role"] == "distilled"]} for row in plain_rows("distillation")]
    assert sampled([{**study[0], "data_order": "q"}, *study[1:]], "distillation") == {"data_order"}


@pytest.mark.parametrize("name", ["supervised", "chinchilla"])
def test_roles_that_the_law_does_not_explain_are_refused(name: str) -> None:
    with pytest.raises(TableError) as refusal:
        observed(plain_rows("distillation"), name)
    assert str(refusal.value) == (
        f"data frame: column 'role': role = distilled in 8 rows; the {name} law does not explain distilled rows. "
        "Choose --law distillation, or leave them out with --where 'role!=distilled'."
    )


def test_a_table_without_a_usable_row_is_refused() -> None:
    rows = [{**row, "status": "diverged"} for row in plain_rows("supervised")]
    with pytest.raises(
        TableError, match="usable rows = 0; a posterior needs at least one row with status ok"
    ):
        observed(rows)


def test_supervised_rows_alone_centre_on_their_means() -> None:
    rows = plain_rows("supervised")
    center = observed(rows).data["center"]
    for name, column in (("log_N", "params"), ("log_D", "tokens"), ("log_L_T", "loss")):
        assert center[name] == pytest.approx(np.mean(np.log([row[column] for row in rows])), rel=1e-12)
    assert (center["log_N_S"], center["log_D_S"]) == (center["log_N"], center["log_D"])


def test_distilled_rows_centre_where_their_gaps_are() -> None:
    rows = rich_rows("distillation")
    center = observed(rows, "distillation").data["center"]
    students = [row for row in rows if row["role"] == "distilled"]
    gap = np.maximum([row["loss"] - row["teacher_loss"] for row in students], 0.0)
    assert (gap == 0).sum() == 2
    for name, column in (("log_N_S", "params"), ("log_D_S", "tokens"), ("log_L_T", "teacher_loss")):
        values = np.log([row[column] for row in students])
        assert center[name] == pytest.approx((gap * values).sum() / gap.sum(), rel=1e-12)
        assert center[name] != pytest.approx(values.mean(), rel=1e-4)
    runs = [row for row in rows if row["role"] == "supervised"]
    assert center["log_N"] == pytest.approx(np.mean(np.log([row["params"] for row in runs])), rel=1e-12)


def test_a_table_all_of_whose_gaps_are_negative_still_has_a_centre() -> None:
    rows = [
        {**row, "loss": row["teacher_loss"] - 0.1} if row["role"] == "distilled" else row
        for row in plain_rows("distillation")
    ]
    observations = observed(rows, "distillation")
    assert all(np.isfinite(list(observations.data["center"].values())))
    L_T = [row["teacher_loss"] for row in rows if row["role"] == "distilled"]
    assert observations.data["center"]["log_L_T"] == pytest.approx(np.mean(np.log(L_T)))


def test_distilled_rows_alone_say_what_they_rest_on() -> None:
    observations = observed(plain_rows("distillation", supervised=0), "distillation")
    assert observations.structure.roles == ("distilled",)
    assert "no supervised rows: the supervised loss in the capacity transition rests on its prior" in (
        observations.notes
    )
    assert "log_sigma" not in dict(observations.structure.sites)


def test_a_slope_of_the_noise_needs_tokens_that_differ_and_rows_that_repeat() -> None:
    def sloped(*tokens: float, repeated: bool) -> tuple[str, ...]:
        rows = [{**row, "tokens": t} for row, t in zip(plain_rows("supervised"), tokens, strict=False)]
        rows = [{**row, "group": "one run"} if i < 2 and repeated else row for i, row in enumerate(rows)]
        structure = observed(rows).structure
        assert ("noise_slope" in dict(structure.sites)) == bool(structure.sloped)
        return structure.sloped

    assert sloped(1e10, 2e10, 3.9e10, repeated=True) == ()
    assert sloped(1e10, 2e10, 4.1e10, repeated=True) == ("supervised",)
    # Lone rows cannot tell noise that varies from a law that does not fit.
    assert sloped(1e10, 2e10, 4.1e10, repeated=False) == ()


def test_the_scale_is_held_between_the_least_and_the_most_tokens() -> None:
    rows = plain_rows("supervised")
    tokens = np.log([row["tokens"] for row in rows])
    wanted = {"center": tokens.mean(), "low": tokens.min(), "high": tokens.max()}
    assert observed(rows).data["token_span"]["supervised"] == pytest.approx(wanted)


def test_tables_of_one_shape_share_a_structure() -> None:
    """The compiled sampler is chosen by it: other numbers must not make another, other effects must."""
    first, second = (observed(plain_rows("supervised", seed=seed)) for seed in (0, 1))
    assert first.structure == second.structure and hash(first.structure) == hash(second.structure)
    assert observed(rich_rows("supervised")).structure != first.structure


def test_rows_are_members_of_their_level_alone():
    level = np.array([0, 1, 1, 0, 2])
    shared = np.array([True, True, True, True, False])
    member = _member(level, shared, 2)["member"]
    assert member.tolist() == [[1, 0, 0, 1, 0], [0, 1, 1, 0, 0]]
    assert _member(level, shared, 0) == {}
    assert _member(level, shared, LARGEST_MEMBER) == {}
