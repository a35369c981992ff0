"""`calibrate`: are intervals right on worlds from the prior?"""

from __future__ import annotations

from pathlib import Path

from bayes_dsl.campaign import Status
from bayes_dsl.cli.calibrate_keys import CalibrateKeys, RankedKeys
from bayes_dsl.cli.output import number, percent, print_json, say, say_all, show_table
from bayes_dsl.cli.progress import problem_progress
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.validation.calibration import Calibration, calibrate, campaign_of

LEVEL = 0.01
"""p values at most this, after Holm's correction, are said to be wrong."""


def calibrate_law(
    law: str,
    *,
    replications: int,
    workers: int,
    misfit: bool,
    folder: Path,
    prob: float,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run or resume a calibration, and print what it found."""
    if replications < 10:
        rule = "fewer than 10 replications cannot tell a coverage"
        value, remedy = str(replications), "Ask for 100 or more"
        raise InputError(Fault(where="calibrate", what="--reps", value=value, rule=rule, remedy=remedy))
    campaign = campaign_of(law, replications=replications, folder=folder, misfit=misfit, seed=seed)
    with problem_progress("calibrating", wanted=not quiet) as report:

        def progress(status: Status) -> None:
            report(len(status.done), len(campaign.units))

        found = calibrate(campaign, workers=workers, progress=progress)
    keys = report_of(found, folder, prob)
    if as_json:
        print_json(keys)
        return
    show(keys)


def report_of(found: Calibration, folder: Path, prob: float) -> CalibrateKeys:
    """The calibration as it is printed."""
    judged = found.verdicts(prob=prob)
    quantities = [
        RankedKeys(
            quantity=str(name),
            coverage=row["coverage"],
            p_coverage=row["p_coverage_holm"],
            p_ecdf=row["p_ecdf_holm"],
        )
        for name, row in judged.table.to_dict("index").items()
    ]
    return CalibrateKeys(
        law=found.law,
        misfit=found.misfit,
        prob=prob,
        seed=found.seed,
        fingerprint=found.fingerprint,
        replications=found.replications,
        refused=found.refused,
        diverged=int((found.divergences > 0).sum()),
        quantities=quantities,
        folder=str(folder),
        notes=list(found.lines()),
    )


def show(keys: CalibrateKeys) -> None:
    """Print the report for people."""
    rows = [
        (one.quantity, f"{one.coverage:.3f}", number(one.p_coverage, 2), number(one.p_ecdf, 2))
        for one in keys.quantities
    ]
    title = f"Simulation-based calibration of the {keys.law} law{', with misfit' if keys.misfit else ''}"
    show_table(title, ("quantity", f"coverage of {percent(keys.prob)}", "p", "p of the ranks"), rows)
    say()
    say(
        f"Coverage of {percent(keys.prob)} equal-tailed intervals on {keys.replications:,} worlds from the prior; "
        "p values after Holm's correction over the quantities (exact binomial; ECDF of the ranks)."
    )
    wrong = [one.quantity for one in keys.quantities if min(one.p_coverage, one.p_ecdf) <= LEVEL]
    say(
        f"Not calibrated (p at most {LEVEL:g}): {', '.join(wrong)}."
        if wrong
        else f"No quantity is wrong at {LEVEL:g}."
    )
    say_all("Notes", keys.notes)
