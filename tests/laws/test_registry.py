"""Laws are found by their names, and a wrong name lists the right ones."""

from __future__ import annotations

import pytest

from bayes_dsl.errors import UnknownName
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.exponential import EXPONENTIAL
from bayes_dsl.laws.registry import law, registered
from bayes_dsl.laws.repetition import REPETITION
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.laws.variants import INTERACTION, TIED


def test_every_registered_law_is_found_by_its_name():
    assert registered() == (SUPERVISED, CHINCHILLA, TIED, INTERACTION, REPETITION, DISTILLATION, EXPONENTIAL)
    assert [law(known.name) for known in registered()] == list(registered())


@pytest.mark.parametrize("name", ["Supervised", "", "kaplan", None])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(
        UnknownName,
        match="Choose one of supervised, chinchilla, tied, interaction, repetition, distillation, exponential",
    ) as caught:
        law(name)
    assert caught.value.exit_code == 2
