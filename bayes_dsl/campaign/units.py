"""What a campaign is: named units of work, what each of them needs, and the key that tells its result."""

from __future__ import annotations

import graphlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bayes_dsl.errors import BayesDslError, Fault, InputError
from bayes_dsl.files import sha256_of_bytes, shown

CLUSTER = "cluster"
"""The entry of the settings that says where units are made; it enters no key, and no unit sees it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WORK = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


class UnitRefused(BayesDslError):
    """A unit of work cannot be made, for a reason that is told in one sentence."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One piece of work: it has a folder of its own and leaves one result.

    Attributes
    ----------
    name
        The folder's name: letters, digits, `.`, `_`, `-`, at most 100.
    payload
        What the work is told, as JSON.
    needs
        Names of the units whose results must be there first.
    cost
        Expected core seconds: dearer units of a stage start first, and time left is reckoned from it.
    stage
        Units of an earlier stage start first, where their needs allow.
    """

    name: str
    payload: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    cost: float = 1.0
    stage: int = 0


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Units of work that one function makes, each in a folder under `folder`.

    Attributes
    ----------
    folder
        Holds `units/NAME/` with each unit's result and whatever else it keeps; made when it is missing.
    work
        `package.module:function`, imported by the worker and called with (payload, settings, the unit's own
        folder, the folders of the units that it needs by name). It returns the result, a dict of JSON. It
        may be stopped at any moment and called again with what it left in its folder (a checkpoint), so it
        is idempotent, and it draws nothing from the clock or the order of the units.
    units
        In the order in which `results` gives them.
    settings
        Handed to every unit, as JSON. The entry `cluster` is for the engine instead: keywords of
        `dask_jobqueue.SLURMCluster`. It changes no key, because results do not depend on where they are made.
    """

    folder: Path
    work: str
    units: tuple[Unit, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


def check(campaign: Campaign) -> None:
    """Refuse a campaign that could not be run as it stands.

    Raises
    ------
    InputError
        With every fault at once.
    """
    faults = [*_faults_of_campaign(campaign), *_faults_of_units(campaign), *_faults_of_order(campaign)]
    if faults:
        raise InputError(faults)


def settings_of_units(campaign: Campaign) -> dict[str, Any]:
    """The settings that every unit is handed, and that enter its key."""
    return {name: value for name, value in campaign.settings.items() if name != CLUSTER}


def in_order(campaign: Campaign) -> tuple[Unit, ...]:
    """The units, each after those that it needs."""
    by_name = {unit.name: unit for unit in campaign.units}
    graph = graphlib.TopologicalSorter({unit.name: unit.needs for unit in campaign.units})
    return tuple(by_name[name] for name in graph.static_order())


def keys(campaign: Campaign) -> dict[str, str]:
    """A hash for each unit of all that its result depends on: work, payload, settings, the keys of its needs."""
    settings = settings_of_units(campaign)
    found: dict[str, str] = {}
    for unit in in_order(campaign):
        needs = {name: found[name] for name in unit.needs}
        told = {"work": campaign.work, "payload": dict(unit.payload), "settings": settings, "needs": needs}
        found[unit.name] = sha256_of_bytes(canonical(told).encode())
    return found


def canonical(value: Any) -> str:
    """JSON in one spelling: equal values give equal text. Raises ValueError for what JSON cannot say."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def _faults_of_campaign(campaign: Campaign) -> Iterator[Fault]:
    where = shown(campaign.folder)
    if not _WORK.fullmatch(campaign.work):
        yield Fault(
            where=where,
            what="work",
            value=repr(campaign.work),
            rule="the work is a function that workers import by name",
            remedy="Write it as package.module:function",
        )
    if not campaign.units:
        yield Fault(
            where=where, what="units", value="()", rule="a campaign has units", remedy="Name at least one"
        )
    try:
        canonical(dict(campaign.settings))
    except ValueError as error:
        yield _not_json(where, "settings", error)


def _faults_of_units(campaign: Campaign) -> Iterator[Fault]:
    for name, times in Counter(unit.name for unit in campaign.units).items():
        if times > 1:
            yield Fault(
                where=f"unit {name!r}",
                what="units of this name",
                value=str(times),
                rule="each unit has a folder of its own",
                remedy="Give each its own name",
            )
    known = {unit.name for unit in campaign.units}
    for unit in campaign.units:
        where = f"unit {unit.name!r}"
        if not _NAME.fullmatch(unit.name):
            yield Fault(
                where=shown(campaign.folder),
                what="name of a unit",
                value=repr(unit.name),
                rule="a name becomes a folder's: 1 to 100 letters, digits, '.', '_' and '-', "
                "the first a letter or a digit",
                remedy="Choose such a name",
            )
        for need in dict.fromkeys(unit.needs):
            if need not in known:
                yield Fault(
                    where=where,
                    what="needs",
                    value=repr(need),
                    rule="no unit of the campaign has this name",
                    remedy="Correct the name, or add the unit",
                )
        if not (math.isfinite(unit.cost) and unit.cost > 0):
            yield Fault(
                where=where,
                what="cost",
                value=repr(unit.cost),
                rule="a cost is a finite number of core seconds above 0",
                remedy="Give a guess",
            )
        try:
            canonical(dict(unit.payload))
        except ValueError as error:
            yield _not_json(where, "payload", error)


def _faults_of_order(campaign: Campaign) -> Iterator[Fault]:
    graph = {unit.name: set(unit.needs) for unit in campaign.units}
    while True:
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            names = tuple(reversed(error.args[1]))
            yield Fault(
                where=shown(campaign.folder),
                what="needs",
                value=" needs ".join(names),
                rule="no unit may wait for itself",
                remedy="Leave out one of these needs",
            )
            graph = {name: needs - set(names) for name, needs in graph.items() if name not in names}
        else:
            return


def _not_json(where: str, what: str, error: ValueError) -> Fault:
    return Fault(
        where=where,
        what=what,
        value=str(error),
        rule="it is not plain JSON (text, finite numbers, true, false, null, lists, dicts)",
        remedy="Turn arrays into lists and leave out what has no value",
    )
