"""The part of `summary` that says whether the model looks like the runs, and whether its prior expected them."""

from __future__ import annotations

from dataclasses import asdict

from bayes_dsl.cli.json_keys import PredictiveKeys, PriorCheckKeys, RowCalibrationKeys, StatisticKeys
from bayes_dsl.cli.output import number, percent, say, say_all, show_table
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.log_prior import can_be_reweighed
from bayes_dsl.validation.loo import LeaveOneOut
from bayes_dsl.validation.predictive import RowCalibration, predictive_check

HEADING = "Does the model look like the runs?"


def predictive_of(posterior: Posterior, loo: LeaveOneOut) -> PredictiveKeys | None:
    """Return the predictive checks; None where the posterior does not hold the coordinates that were sampled."""
    if not can_be_reweighed(posterior):
        return None
    found = predictive_check(posterior, seed=posterior.seed, loo=loo)
    return PredictiveKeys(
        statistics=[StatisticKeys(**asdict(one)) for one in found.statistics],
        calibration=[_calibration(one) for one in found.calibration],
        prior=[PriorCheckKeys(**asdict(one)) for one in found.prior],
        surprises=list(found.surprises),
        sentences=list(found.sentences()),
    )


def _calibration(one: RowCalibration) -> RowCalibrationKeys:
    """What is no number is null in JSON."""
    found = {name: None if value != value else value for name, value in asdict(one).items()}
    return RowCalibrationKeys.model_validate(found)


def show_predictive(found: PredictiveKeys | None) -> None:
    """Print the statistics and the sentences."""
    if found is None:
        say()
        say(f"{HEADING} Not told: this posterior does not hold the coordinates that were sampled")
        return
    if found.statistics:
        prob = percent(found.statistics[0].prob)
        rows = [
            (
                one.role,
                one.name,
                *(f"{value:.2f}" for value in (one.observed, one.lower, one.upper)),
                number(one.p, 2),
            )
            for one in found.statistics
        ]
        rows += [
            (
                one.role,
                f"inside {percent(one.prob)} when left out",
                number(one.inside, 2),
                "",
                "",
                number(one.p, 2),
            )
            for one in found.calibration
        ]
        header = ("role", "statistic", "observed", "lower", "upper", "p")
        title = f"{HEADING} Rows made anew by it, {prob} equal-tailed intervals; p before Holm's correction"
        show_table(title, header, rows, left=2)
    say_all("In words", found.sentences)
