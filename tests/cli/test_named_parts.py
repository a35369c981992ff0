"""`NAME: PART=VALUE, ...` is read in its order, and everything that is wrong with it is said at once."""

import pytest

from bayes_dsl.cli.named_parts import Grammar, named
from bayes_dsl.errors import InputError

GRAMMAR = Grammar(
    verb="buy", option="--fruit", what="fruit", parts={"mass": "grams"}, needed=("mass",), example="a: mass=3"
)


def pairs(texts: list[str], *, taken: tuple[str, ...] = ()) -> dict[str, dict[str, float]]:
    return named(texts, GRAMMAR, lambda name, numbers: {name: 0.0, **numbers}, taken=taken)


def test_names_keep_their_order_and_parts_get_the_library_s_words() -> None:
    found = pairs(["pear: mass=1.5K", " fig :mass = 20"])
    assert list(found.items()) == [
        ("pear", {"pear": 0.0, "grams": 1500.0}),
        ("fig", {"fig": 0.0, "grams": 20.0}),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mass=1", "buy: --fruit = mass=1; a fruit is NAME: PART=VALUE, .... Write it like 'a: mass=3'."),
        ("fig: size=1, mass=2", "its parts are mass, each once"),
        ("fig: mass=1, mass=2", "its parts are mass, each once"),
        ("fig: mass", "its parts are mass, each once"),
        ("fig: mass=", "--fruit fig: mass = (empty); must be a finite number above zero"),
        ("kiwi: mass=1", "a fruit of this name is there already. Give it another name."),
    ],
)
def test_a_fault_is_a_line(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        pairs([text], taken=("kiwi",))
    assert said in str(caught.value)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(InputError) as caught:
        pairs(["fig: mass=x", "pear", "kiwi: mass=1", "kiwi: mass=2"])
    assert len(caught.value.faults) == 3
