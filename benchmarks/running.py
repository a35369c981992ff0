"""A campaign of a benchmark: its workers find this checkout, and a terminal sees how far it is."""

from __future__ import annotations

import os
import sys

from bayes_dsl.campaign import Campaign, Status, run
from benchmarks import ledger


def tell(status: Status) -> None:
    if sys.stderr.isatty():
        print(f"\r{len(status.done)} of {sum(status.counts.values())} units", end="", file=sys.stderr)


def run_here(campaign: Campaign, *, workers: int) -> None:
    """Run what is missing; units that failed before are tried again.

    Raises
    ------
    InputError
        The folder cannot be used, or a unit failed.
    """
    before = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ledger.ROOT), *before])
    run(campaign, workers=workers, progress=tell, retry_failed=True)
