"""Labels agree with the rule written out slowly, and every context of a kind is equally likely."""

import itertools
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mapping_problem import task
from models.mapping_problem.task import labels

sample = jax.jit(task.sample, static_argnums=(1, 2))


def slow_label(entries: list[int]) -> int:
    """The rule over the entries of an input, word for word; it trusts no generator."""
    classes = len(entries) // 2
    context, query = entries[:classes], entries[classes:]
    (position,) = [place for place, entry in enumerate(query) if entry == 1]
    assert query.count(0) == classes - 1
    assert set(context) <= {0, 1, 2}
    if context[position] == 0:
        return position
    (other,) = [
        place
        for place, value in enumerate(context)
        if value == context[position] and place != position  # exactly one, or this fails
    ]
    return other


@given(
    seed=st.integers(0, 2**31 - 1),
    classes=st.sampled_from([2, 8]),
    copy_share=st.sampled_from([0.0, 1 / 3, 1.0]),
)
def test_every_sample_obeys_the_rule(seed: int, classes: int, copy_share: float) -> None:
    drawn = sample(jax.random.key(seed), 64, classes, copy_share)
    entries = np.asarray(drawn.inputs_BxI).astype(int).tolist()
    assert [slow_label(one) for one in entries] == drawn.labels_B.tolist()
    copies = [one[one[classes:].index(1)] == 0 for one in entries]
    assert copies == drawn.is_copy_B.tolist()
    if copy_share in (0.0, 1.0):
        assert all(copy == bool(copy_share) for copy in copies)


@pytest.mark.parametrize(
    ("context", "position", "label"), [("20202100", 1, 1), ("11201200", 5, 2), ("01222212", 1, 6)]
)
def test_the_papers_examples(context: str, position: int, label: int) -> None:
    values = jnp.asarray([[int(value) for value in context]])
    assert labels(values, jnp.asarray([position])).tolist() == [label]
    assert slow_label([*map(int, context), *(int(place == position) for place in range(8))]) == label


def counts_of(drawn: list[tuple[int, ...]], wanted: set[tuple[int, ...]]) -> float:
    """Pearson's chi-squared of the draws against equal chances over `wanted`, in standard deviations."""
    found = Counter(drawn)
    assert set(found) <= wanted
    expected = len(drawn) / len(wanted)
    chi2 = sum((found[one] - expected) ** 2 / expected for one in wanted)
    freedom = len(wanted) - 1
    return float((chi2 - freedom) / (2 * freedom) ** 0.5)


def admissible(classes: int, *, copy: bool) -> set[tuple[int, ...]]:
    """Every context with a query, as inputs, that the rule gives a label."""
    found = set()
    for context in itertools.product(range(3), repeat=classes):
        for position in range(classes):
            value = context[position]
            if (value == 0) is copy and (value == 0 or context.count(value) == 2):
                found.add((*context, *(int(place == position) for place in range(classes))))
    return found


@pytest.mark.statistical
@pytest.mark.parametrize("copy", [True, False])
def test_all_inputs_of_a_kind_are_equally_likely(copy: bool) -> None:
    wanted = admissible(4, copy=copy)
    drawn = sample(jax.random.key(1), 100 * len(wanted), 4, float(copy))
    inputs = [tuple(one) for one in np.asarray(drawn.inputs_BxI).astype(int).tolist()]
    assert abs(counts_of(inputs, wanted)) < 4
    # The control: a generator that prefers a twelfth of them by half is found out.
    favoured = sorted(wanted)[: len(wanted) // 12 + 1] * 50
    assert counts_of(inputs + favoured, wanted) > 10


@pytest.mark.statistical
def test_the_share_of_copies_is_the_one_asked_for() -> None:
    for share in (1 / 3, 0.8):
        found = float(sample(jax.random.key(2), 40_000, 8, share).is_copy_B.mean())
        assert abs(found - share) < 4 * (share * (1 - share) / 40_000) ** 0.5
        assert abs(found - (share + 0.05)) > 4 * (share * (1 - share) / 40_000) ** 0.5
