"""Which unit comes next, and what a report about one changes."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from dataclasses import replace

from bayes_dsl.campaign import folders
from bayes_dsl.campaign.making import Job, Report
from bayes_dsl.campaign.picture import Status, survey
from bayes_dsl.campaign.units import Campaign, keys, settings_of_units

_TRIES = 2


class Schedule:
    """The units of a campaign from what is on disk to the last one settled.

    A unit is ready when all that it needs is done. Earlier stages come first and dearer units within a
    stage, so that workers end at about the same time. A unit whose worker died is tried once more.
    """

    def __init__(self, campaign: Campaign, *, retry_failed: bool = False) -> None:
        self._campaign, self._keys = campaign, keys(campaign)
        self._tally = survey(campaign)
        if retry_failed:
            for name, found in self._tally.found.items():
                if found.state == "failed":
                    self._tally.found[name] = replace(found, state="none")
        self._units = {unit.name: unit for unit in campaign.units}
        ranked = sorted(campaign.units, key=lambda unit: (unit.stage, -unit.cost))
        self._rank = {unit.name: place for place, unit in enumerate(ranked)}
        self._tries: Counter[str] = Counter()
        self._started: dict[str, float] = {}
        self._lacks = {
            unit.name: {n for n in unit.needs if self._tally.found[n].state != "done"}
            for unit in campaign.units
        }
        self._needed_by: dict[str, list[str]] = {unit.name: [] for unit in campaign.units}
        for unit in campaign.units:
            for need in unit.needs:
                self._needed_by[need].append(unit.name)
        self._ready: list[tuple[int, str]] = []
        for name, found in self._tally.found.items():
            if found.state == "none" and not self._lacks[name]:
                heapq.heappush(self._ready, (self._rank[name], name))

    @property
    def to_make(self) -> int:
        """How many units are neither done, failed nor blocked."""
        none = sum(found.state == "none" for found in self._tally.found.values())
        return none - len(self._tally.blocked())

    @property
    def going(self) -> bool:
        """Whether a unit runs or could."""
        return bool(self._ready or self._started)

    def take(self, most: int) -> list[tuple[int, Job]]:
        """At most so many units to start now, each with its rank (the least goes first)."""
        taken: list[tuple[int, Job]] = []
        while self._ready and len(taken) < most:
            rank, name = heapq.heappop(self._ready)
            self._started[name] = time.monotonic()
            self._tries[name] += 1
            taken.append((rank, self._job(name)))
        return taken

    def settle(self, report: Report) -> None:
        """Take note of what became of a unit."""
        name = report.name
        self._started.pop(name, None)
        root, key = self._campaign.folder, self._keys[name]
        if report.kind in ("done", "died"):  # a worker may die between its last write and its report
            found = folders.look(root, name, key)
            if found.state == "done":
                self._done(name, found)
                return
        if report.kind != "failed" and self._tries[name] < _TRIES:
            heapq.heappush(self._ready, (self._rank[name], name))
            return
        sentence = report.sentence
        if report.kind != "failed":
            sentence = f"{sentence or 'its result cannot be read back'}; this happened {_TRIES} times"
            folders.write_failure(root, name, key, sentence)
        self._tally.found[name] = replace(self._tally.found[name], state="failed", sentence=sentence)

    def status(self, workers: int) -> Status:
        """Where the campaign stands, with so many workers."""
        now = time.monotonic()
        self._tally.running = {name: now - start for name, start in self._started.items()}
        return self._tally.status(workers)

    def _done(self, name: str, found: folders.Found) -> None:
        self._tally.found[name] = found
        for other in self._needed_by[name]:
            self._lacks[other].discard(name)
            if not self._lacks[other] and self._tally.found[other].state == "none":
                heapq.heappush(self._ready, (self._rank[other], other))

    def _job(self, name: str) -> Job:
        unit = self._units[name]
        return Job(
            root=str(self._campaign.folder),
            name=name,
            key=self._keys[name],
            work=self._campaign.work,
            payload=dict(unit.payload),
            settings=settings_of_units(self._campaign),
            needs=list(unit.needs),
        )
