"""Recipe: ranges, steps, warm-up, and the cut into micro-batches."""

from __future__ import annotations

import math

import pytest

from bayes_dsl.errors import InputError
from models.recipe import Recipe


def test_every_number_out_of_range_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Recipe(
            batch_tokens=0,
            micro_tokens=2.5,  # type: ignore[arg-type]
            peak_rate=math.inf,
            warmup_share=1.0,
            warmup_steps=True,
            schedule="linear",  # type: ignore[arg-type]
            final_rate=-1.0,
            cooldown_share=0.0,
            weight_decay=math.nan,
            beta1=1.0,
            beta2=-0.1,
            epsilon=0.0,
            clip="1",  # type: ignore[arg-type]
            z_weight=-1e-4,
        )
    assert [fault.what for fault in caught.value.faults] == [
        "schedule",
        "batch_tokens",
        "micro_tokens",
        "warmup_steps",
        "peak_rate",
        "warmup_share",
        "final_rate",
        "cooldown_share",
        "weight_decay",
        "beta1",
        "beta2",
        "epsilon",
        "clip",
        "z_weight",
    ]


def test_steps_are_whole_batches_never_more_than_asked_for() -> None:
    recipe = Recipe()
    assert recipe.steps(500_000) == 488
    assert recipe.steps(1024) == 1
    assert recipe.steps(1023.9) == 0
    assert recipe.steps(2047) == 1


def test_warm_up_and_cooldown_are_shares_of_the_steps_or_fixed() -> None:
    assert Recipe().warmup(488) == 10
    assert Recipe().warmup(3) == 1
    assert Recipe(warmup_steps=7).warmup(488) == 7
    assert Recipe().cooldown_start(500) == 400
    assert Recipe().cooldown_start(1) == 0


@pytest.mark.parametrize(
    ("params", "context", "windows"),
    [(200_000, 64, 16), (200_001, 64, 4), (900_000, 128, 2), (900_000, 512, 1), (900_000, 1024, 1)],
)
def test_large_networks_take_about_256_tokens_a_pass(params: int, context: int, windows: int) -> None:
    assert Recipe().micro_windows(params=params, context=context) == windows


def test_a_pass_divides_the_batch() -> None:
    # 4 windows of 64 would be 256 tokens, but the batch has 6.
    assert Recipe(batch_tokens=384).micro_windows(params=900_000, context=64) == 3
    assert Recipe(micro_tokens=128).micro_windows(params=10, context=64) == 2


def test_what_does_not_fit_the_context_is_told() -> None:
    assert not list(Recipe(micro_tokens=256).context_faults(64, "here"))
    assert [f.what for f in Recipe(batch_tokens=1000).context_faults(64, "here")] == ["batch_tokens"]
    assert [f.what for f in Recipe(micro_tokens=100).context_faults(64, "here")] == ["micro_tokens"]
    (fault,) = Recipe(micro_tokens=384).context_faults(64, "here")
    assert "must divide batch_tokens, 1024" in str(fault)
