"""Settings refuse what cannot be sampled, every fault at once."""

from __future__ import annotations

import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.inference.settings import BLOCK, Settings


def test_the_defaults_are_four_chains_of_a_thousand():
    assert (Settings().chains, Settings().warmup, Settings().draws) == (4, 1000, 1000)
    assert Settings().draws % BLOCK == 0
    assert Settings().most_draws == 4000 and Settings(draws=250).most_draws == 1000


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("chains", 1, "R-hat compares chains"),
        ("warmup", 250, "a multiple of 500"),
        ("draws", 100, "a multiple of 250"),
        ("target_accept", 1.0, "a probability between 0 and 1"),
        ("max_tree_depth", 0, "between 1 and 15"),
    ],
)
def test_a_setting_out_of_range_is_named_with_its_default(name, value, said):
    with pytest.raises(InputError) as caught:
        Settings(**{name: value})
    text = str(caught.value)
    assert f"{name} = {value}" in text
    assert said in text
    default = "0.95, with a misfit 0.99" if name == "target_accept" else getattr(Settings(), name)
    assert f"The default is {default}" in text


def test_steps_are_smaller_with_a_misfit_unless_a_target_is_asked_for():
    assert Settings().acceptance(misfit=False) == 0.95 and Settings().acceptance(misfit=True) == 0.99
    assert {Settings(target_accept=0.8).acceptance(misfit=misfit) for misfit in (True, False)} == {0.8}


def test_all_faults_are_listed_at_once():
    with pytest.raises(InputError) as caught:
        Settings(chains=0, draws=7, target_accept=2.0)
    assert [fault.what for fault in caught.value.faults] == ["chains", "draws", "target_accept"]


def test_the_longest_length_is_no_shorter_than_the_first():
    assert Settings(draws=500, most_draws=500).most_draws == 500
    with pytest.raises(InputError, match="most_draws = 500; must be at least draws, 1000"):
        Settings(most_draws=500)
