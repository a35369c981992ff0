"""Costs before training: FLOPs of the networks' own count, seconds of the measured rates."""

from __future__ import annotations

import pytest

from models.config import small
from models.estimate import Cost, corpus_seconds, cost_of_programs, cost_of_run, cost_of_teaching, total
from models.expansion import runs_of
from tests.models.small_plans import SMALL, plan_of


def test_flops_are_three_forward_passes_of_the_network_itself() -> None:
    plan = plan_of(SMALL)
    run = runs_of(plan)[0]
    network = small(16, vocabulary=16, context=16)
    assert cost_of_run(plan, run).flops == 3 * network.architecture.forward_flops * 6400
    assert cost_of_teaching(plan, 16, 6400).flops == network.architecture.forward_flops * 6400
    assert cost_of_run(plan, run).tokens == 6400 and cost_of_teaching(plan, 16, 6400).tokens == 0


@pytest.mark.parametrize(("width", "ktokens"), [(16, 208), (64, 77), (192, 13.5)])
def test_seconds_are_near_the_measured_rates(width: int, ktokens: float) -> None:
    text = SMALL.replace("vocabulary = 16\ncontext = 16", "vocabulary = 128\ncontext = 64")
    text = text.replace("= 20_000", "= 20_000_000").replace("widths = [16]", f"widths = [{width}]")
    plan = plan_of(text.replace("[6400, 12_800]", "[10_000_000]"))
    seconds = cost_of_run(plan, runs_of(plan)[0]).core_seconds
    # Two families were measured, and their mean is used.
    assert seconds == pytest.approx(1e4 / ktokens, rel=0.2)


def test_larger_and_longer_runs_cost_more() -> None:
    text = SMALL.replace("widths = [16]", "widths = [8, 16, 24, 48, 96, 128, 256, 512]")
    plan = plan_of(text)
    costs = [cost_of_run(plan, run).core_seconds for run in runs_of(plan)[:16]]
    assert costs[:8] == sorted(costs[:8]) and all(a < b for a, b in zip(costs[:8], costs[8:], strict=True))


def test_costs_add_up() -> None:
    one, two = Cost(tokens=1, flops=2, core_seconds=3), Cost(tokens=10, flops=20, core_seconds=30)
    assert total([one, two]) == one + two == Cost(tokens=11, flops=22, core_seconds=33)
    assert one + two - two == one
    assert cost_of_programs(3).core_seconds == 3 * cost_of_programs(1).core_seconds > 0


def test_real_text_has_no_estimate() -> None:
    assert (corpus_seconds(plan_of(SMALL)) or 0) > 0
    text = SMALL.replace('kind = "markov"\nvocabulary = 16', 'kind = "text"\npath = "x"\nvocabulary = 300')
    text = text.replace("teacher_tokens = 20_000\nstudent_tokens = 20_000\ndocument_tokens = 512\n", "")
    assert corpus_seconds(plan_of(text)) is None
