"""A campaign's faults are told all at once, and a key hangs on everything that a result does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.campaign import Campaign, Unit, run
from bayes_dsl.campaign.units import canonical, check, in_order, keys, settings_of_units
from bayes_dsl.errors import InputError

FINE = Campaign(
    folder=Path("campaign"),
    work="package.module:function",
    units=(
        Unit(name="b", payload={"x": 1}, needs=("a",)),
        Unit(name="a", payload={"x": 2}),
        Unit(name="c", payload={"x": 3}),
    ),
    settings={"epochs": 3},
)


def faults(campaign: Campaign) -> list[str]:
    with pytest.raises(InputError) as caught:
        check(campaign)
    return [str(fault) for fault in caught.value.faults]


def test_a_sound_campaign_passes() -> None:
    check(FINE)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", ".hidden", "a b", "a\n", "ä", "-x", "x" * 101]
)
def test_a_name_that_is_no_safe_folder_is_refused(name: str) -> None:
    (fault,) = faults(replace(FINE, units=(Unit(name=name, payload={}),)))
    assert repr(name)[:70] in fault and "1 to 100 letters, digits" in fault


@pytest.mark.parametrize("name", ["a", "0", "teacher-25k.seed_1", "x" * 100])
def test_a_safe_name_passes(name: str) -> None:
    check(replace(FINE, units=(Unit(name=name, payload={}),)))


@pytest.mark.parametrize("work", ["module", "module:", ":f", "a b:f", "os; rm:f", "module:f()", "..x:f", ""])
def test_work_is_a_function_by_name(work: str) -> None:
    (fault,) = faults(replace(FINE, work=work))
    assert "package.module:function" in fault


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1, 2}, Path("x"), b"x", {"deep": [float("nan")]}]
)
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    (fault,) = faults(replace(FINE, units=(Unit(name="a", payload={"value": value}),)))
    assert fault.startswith("unit 'a': payload = ")
    (fault,) = faults(replace(FINE, settings={"value": value}))
    assert fault.startswith("campaign: settings = ")


@pytest.mark.parametrize("cost", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cost_is_a_number_above_0(cost: float) -> None:
    (fault,) = faults(replace(FINE, units=(Unit(name="a", payload={}, cost=cost),)))
    assert "cost = " in fault


def test_every_fault_is_told_before_anything_starts(tmp_path: Path) -> None:
    units = (
        Unit(name="twice", payload={}),
        Unit(name="twice", payload={}),
        Unit(name="../x", payload={}),
        Unit(name="asks", payload={"x": float("nan")}, needs=("nobody", "nothing")),
        Unit(name="p", payload={}, needs=("q",)),
        Unit(name="q", payload={}, needs=("r",)),
        Unit(name="r", payload={}, needs=("p",)),
        Unit(name="s", payload={}, needs=("s",)),
    )
    campaign = Campaign(folder=tmp_path / "campaign", work="nothing", units=units)
    told = faults(campaign)
    assert len(told) == 8
    for part in ("'nothing'", "'twice'", "'../x'", "'nobody'", "'nothing'; no unit", "payload", "s needs s"):
        assert any(part in line for line in told), part
    (cycle,) = (line for line in told if "p needs" in line)
    assert (
        " needs ".join("pqrp") in cycle or " needs ".join("qrpq") in cycle or " needs ".join("rpqr") in cycle
    )
    with pytest.raises(InputError):
        run(campaign)
    assert not (tmp_path / "campaign").exists()


def test_no_units_are_a_fault() -> None:
    assert "at least one" in faults(replace(FINE, units=()))[0]


def test_units_come_after_what_they_need() -> None:
    names = [unit.name for unit in in_order(FINE)]
    assert sorted(names) == ["a", "b", "c"] and names.index("a") < names.index("b")


def test_a_long_chain_of_needs_is_no_trouble() -> None:
    units = [Unit(name="u0", payload={})]
    units += [Unit(name=f"u{i}", payload={}, needs=(f"u{i - 1}",)) for i in range(1, 5000)]
    chain = replace(FINE, units=tuple(reversed(units)))
    check(chain)
    assert len(set(keys(chain).values())) == 5000


def changed(**parts: Any) -> set[str]:
    """Names of the units whose key changes with a part of the campaign."""
    before, after = keys(FINE), keys(replace(FINE, **parts))
    return {name for name in before if before[name] != after[name]}


def test_a_key_hangs_on_what_the_result_does() -> None:
    b, a, c = FINE.units
    assert changed(work="package.module:other") == {"a", "b", "c"}
    assert changed(settings={"epochs": 4}) == {"a", "b", "c"}
    assert changed(units=(b, a, replace(c, payload={"x": 4}))) == {"c"}
    assert changed(units=(b, replace(a, payload={"x": 4}), c)) == {"a", "b"}
    assert changed(units=(replace(b, needs=()), a, c)) == {"b"}


def test_a_key_hangs_on_nothing_else() -> None:
    b, a, c = FINE.units
    assert changed(units=(c, a, b)) == set()
    assert changed(units=(replace(b, cost=9.0, stage=3), a, c)) == set()
    assert changed(folder=Path("elsewhere")) == set()
    assert changed(settings={"epochs": 3, "cluster": {"memory": "9GB"}}) == set()
    assert settings_of_units(replace(FINE, settings={"cluster": {}, "x": 1})) == {"x": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_the_order_of_a_dict_is_no_part_of_its_spelling(value: dict[str, Any]) -> None:
    assert canonical(value) == canonical(dict(reversed(value.items())))
