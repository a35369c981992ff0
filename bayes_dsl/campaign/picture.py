"""Where a campaign stands: what is done and failed, what is left, and how long that will take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bayes_dsl.campaign import folders
from bayes_dsl.campaign.folders import Found
from bayes_dsl.campaign.units import Campaign, Unit, check, in_order, keys
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import shown


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a campaign stands; names in the order of its units.

    Attributes
    ----------
    done, running, waiting
        Names of units; `waiting` are those that will be made.
    failed
        Names, each with the sentence that says why; the traceback is in the unit's `log.txt`.
    blocked
        Names of units that need, directly or not, one that failed.
    core_seconds_done
        Measured, over the units that are done; a unit stopped and resumed counts its last stretch, one
        without a measurement its expected cost.
    core_seconds_left
        Expected costs of what is running and waiting, times the pace measured so far (1 before that).
    seconds_left
        Of wall time, at the measured pace with the workers at hand; None where none is at work or nothing
        was measured, 0 when nothing is left.
    notes
        One sentence for each folder that was found damaged or made from something else.
    """

    done: tuple[str, ...]
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    failed: Mapping[str, str]
    blocked: tuple[str, ...]
    core_seconds_done: float
    core_seconds_left: float
    seconds_left: float | None
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many units are in each state."""
        states = ("done", "running", "waiting", "failed", "blocked")
        return {state: len(getattr(self, state)) for state in states}


@dataclass(kw_only=True)
class Tally:
    """What is known of each unit, as a campaign goes on; `running` holds the seconds since the start."""

    campaign: Campaign
    order: tuple[Unit, ...]
    found: dict[str, Found]
    running: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def blocked(self) -> set[str]:
        """Names of the units that wait in vain."""
        vain: set[str] = set()
        for unit in self.order:
            state = self.found[unit.name].state
            if state == "none" and any(n in vain or self.found[n].state == "failed" for n in unit.needs):
                vain.add(unit.name)
        return vain

    def status(self, workers: int) -> Status:
        """Where the campaign stands, with so many workers."""
        blocked = self.blocked()
        names = [unit.name for unit in self.campaign.units]
        state = {name: self.found[name].state for name in names}
        left = [name for name in names if state[name] == "none" and name not in blocked]
        measured = [unit for unit in self.order if self.found[unit.name].wall_seconds is not None]
        cost = sum(unit.cost for unit in measured)
        core = sum(self.found[unit.name].core_seconds or 0.0 for unit in measured)
        wall = sum(self.found[unit.name].wall_seconds or 0.0 for unit in measured)
        core_pace, wall_pace = (core / cost, wall / cost) if measured else (1.0, 1.0)
        costs = {unit.name: unit.cost for unit in self.order}
        done = [name for name in names if state[name] == "done"]
        return Status(
            done=tuple(done),
            running=tuple(name for name in left if name in self.running),
            waiting=tuple(name for name in left if name not in self.running),
            failed={name: self.found[name].sentence for name in names if state[name] == "failed"},
            blocked=tuple(name for name in names if name in blocked),
            core_seconds_done=sum(_or(self.found[name].core_seconds, costs[name]) for name in done),
            core_seconds_left=sum(self._left(name, costs[name] * core_pace) for name in left),
            seconds_left=_seconds(
                [self._left(name, costs[name] * wall_pace) for name in left],
                workers if measured else 0,
            ),
            notes=self.notes,
        )

    def _left(self, name: str, expected: float) -> float:
        return max(0.0, expected - self.running.get(name, 0.0))


def survey(campaign: Campaign) -> Tally:
    """What the folders of a campaign hold; changes nothing."""
    key = keys(campaign)
    found = {unit.name: folders.look(campaign.folder, unit.name, key[unit.name]) for unit in campaign.units}
    notes = tuple(one.stale for one in found.values() if one.stale is not None)
    return Tally(campaign=campaign, order=in_order(campaign), found=found, notes=notes)


def status(campaign: Campaign) -> Status:
    """Where a campaign stands, told from its folders while it runs or when it does not.

    Raises
    ------
    InputError
        The campaign could not be run as it stands, every fault at once; or its folder cannot be read.
    """
    check(campaign)
    tally = survey(campaign)
    left = (unit.name for unit in campaign.units if tally.found[unit.name].state == "none")
    tally.running = {name: 0.0 for name in left if folders.is_worked_on(campaign.folder, name)}
    return tally.status(len(tally.running))


def results(campaign: Campaign, *, partial: bool = False) -> tuple[tuple[Unit, dict[str, Any], Path], ...]:
    """Each unit with its result and its folder, in the order of the units.

    Raises
    ------
    InputError
        A unit has no result (only the others are given where `partial` is true), or the campaign could not
        be run as it stands.
    """
    check(campaign)
    key = keys(campaign)
    read = [
        (unit, folders.read_result(campaign.folder, unit.name, key[unit.name]), unit.name)
        for unit in campaign.units
    ]
    missing = [unit.name for unit, result, _ in read if result is None]
    if missing and not partial:
        raise InputError(_missing(campaign, missing))
    return tuple(
        (unit, result, folders.folder_of(campaign.folder, name))
        for unit, result, name in read
        if result is not None
    )


def _missing(campaign: Campaign, names: Iterable[str]) -> Fault:
    first, *rest = [*names]
    others = f" and {len(rest)} more" if rest else ""
    return Fault(
        where=shown(campaign.folder),
        what="unit without a result",
        value=first + others,
        rule="every unit must be done before the results are read",
        remedy="Run the campaign again, which makes only what is missing",
    )


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _seconds(left: list[float], workers: int) -> float | None:
    """Wall time of some pieces of work: never less than the longest of them."""
    if not left:
        return 0.0
    return max(sum(left) / workers, max(left)) if workers else None
