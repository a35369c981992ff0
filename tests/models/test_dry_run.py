"""The account of a plan before it is run."""

from __future__ import annotations

from models.dry_run import describe
from models.estimate import total
from models.sweep import costs_of, groups_of
from tests.models.small_plans import SMALL, plan_of


def test_blocks_add_up_to_the_whole() -> None:
    plan = plan_of(SMALL)
    head, titles, *rows, time, note = describe(plan, 2)
    assert head == "plan small: 5 runs in 4 units, 2 of them distilled"
    assert titles.split() == ["block", "runs", "tokens", "FLOPs", "core", "seconds"]
    *blocks, whole = [row.split() for row in rows]
    assert [block[3] for block in blocks] == ["1", "1", "1"] and whole[0] == "all"
    assert sum(int(block[4]) for block in blocks) == int(whole[1]) == 5
    groups = groups_of(plan)
    cost = total(costs_of(plan, groups))
    assert float(whole[3]) == float(f"{cost.flops:.3g}")
    assert abs(sum(float(block[6]) for block in blocks) - float(whole[3])) < 0.02 * cost.flops
    assert time.startswith("about ") and "2 workers" in time and "35 % is in it" in time
    assert note.startswith("note: 5 runs have fewer than 480 steps, such as sup-d16-6400-s0 with 100")


def test_two_workers_take_less_time_and_never_less_than_the_longest_chain() -> None:
    text = SMALL.replace("= 20_000", "= 400_000_000").replace("[6400, 12_800]", "[300_000_000]")
    plan = plan_of(text.replace("tokens = 12_800", "tokens = 300_000_000"))
    hours = [float(list(describe(plan, workers))[-2].split()[1]) for workers in (1, 2, 100)]
    assert hours[0] > 1.5 * hours[1] and hours[1] == hours[2] > 0


def test_text_comes_on_top() -> None:
    text = SMALL.replace('kind = "markov"\nvocabulary = 16', 'kind = "text"\npath = "x"\nvocabulary = 300')
    text = text.replace("teacher_tokens = 20_000\nstudent_tokens = 20_000\ndocument_tokens = 512\n", "")
    assert "the corpus comes on top" in list(describe(plan_of(text), 1))[-2]
