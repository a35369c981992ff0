"""Is the sampler calibrated on worlds from its own prior? A gate of ten minutes, and a record of a thousand each.

`python -m benchmarks.sbc [--record] [--workers 2] [--case NAME ...] [--replications N]`. Without --record the gate:
each case at its few replications must pass, and both planted faults must fail the same test at 40. Units are kept
under `benchmarks/cache/sbc`: a run that was cut off goes on where it ended, and another program starts afresh.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayes_dsl.files import write_atomically
from bayes_dsl.validation.calibration import Calibration, calibrate, campaign_of, gathered
from benchmarks import ledger
from benchmarks.running import tell

CACHE = ledger.ROOT / "benchmarks" / "cache" / "sbc"
RESULTS = ledger.ROOT / "benchmarks" / "results" / "sbc"
SEED = 20261124
GATE_LEVEL = 0.001
RECORD_LEVEL = 0.01
RECORDED = 1000
CONTROLS = 40


@dataclass(frozen=True, kw_only=True)
class Case:
    """One calibration: a law, with misfit or without, and how many replications the gate takes."""

    name: str
    law: str
    replications: int
    misfit: bool = False
    wrong: str = ""


CASES = (
    Case(name="supervised", law="supervised", replications=100),
    Case(name="joint", law="distillation", replications=50),
    Case(name="misfit", law="supervised", replications=50, misfit=True),
)
FAULTS = (
    Case(name="wrong-prior", law="supervised", replications=CONTROLS, wrong="prior"),
    Case(name="shuffled-losses", law="supervised", replications=CONTROLS, wrong="shuffled"),
)


def found(case: Case, *, replications: int, workers: int, partial: bool = False) -> Calibration:
    """The calibration of a case, from its cache as far as it goes; `partial` runs nothing."""
    campaign = campaign_of(
        case.law,
        replications=replications,
        folder=CACHE / case.name,
        misfit=case.misfit,
        wrong=case.wrong,
        seed=SEED,
    )
    return (
        gathered(campaign, partial=True) if partial else calibrate(campaign, workers=workers, progress=tell)
    )


def gate(workers: int) -> bool:
    """Whether every case passes and every planted fault is found; says so."""
    fine = True
    for case in (*CASES, *FAULTS):
        calibration = found(case, replications=case.replications, workers=workers)
        wrong = calibration.verdicts().wrong(GATE_LEVEL)
        passed = bool(wrong) if case.wrong else not wrong
        fine = fine and passed
        show(case, calibration)
        says = f"coverage wrong at {GATE_LEVEL:.1%} after Holm: {', '.join(wrong) or 'none'}"
        print(f"  {says}: {'as it must be' if passed else 'FAILED'}\n")
    return fine


def record(case: Case, *, replications: int, workers: int, partial: bool) -> None:
    """Write what a thousand replications, or those that are there, have found."""
    calibration = found(case, replications=replications, workers=workers, partial=partial)
    show(case, calibration)
    told = {"asked": replications, "rule": RULE, **calibration.to_record()}
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_atomically(RESULTS / f"{case.name}.json", json.dumps(told, sort_keys=True) + "\n")


RULE = (
    "a draw of the prior is replaced where a parameter of the law is not finite or a positive one is 0 in float64, "
    "or an exponent is above 5, or an expected loss is not finite; posterior draws of that kind are dropped"
)


def show(case: Case, calibration: Calibration) -> None:
    print(f"{case.name}: {calibration.law} law{' with misfit' if calibration.misfit else ''}")
    for line in calibration.lines():
        print(f"  {line}")
    print(calibration.verdicts().table.to_string(float_format=lambda value: f"{value:.3g}"))


def recorded(name: str, folder: Path = RESULTS) -> dict[str, Any]:
    """A record as it was written."""
    told: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="run a thousand of each and keep the result")
    parser.add_argument("--partial", action="store_true", help="with --record: only what is there already")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    parser.add_argument("--replications", type=int, default=RECORDED)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args(arguments)
    if not asked.record:
        return 0 if gate(asked.workers) else 1
    for case in CASES:
        if asked.case is None or case.name in asked.case:
            record(case, replications=asked.replications, workers=asked.workers, partial=asked.partial)
    return 0


if __name__ == "__main__":
    sys.exit(main())
