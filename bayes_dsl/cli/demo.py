"""`demo`: the main job on a table that ships with the package, each step in plain words."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bayes_dsl.cli.allocate import report_of as allocation_of
from bayes_dsl.cli.allocate import show_allocation
from bayes_dsl.cli.believed import health_of, intervals_of, show_health, show_intervals
from bayes_dsl.cli.check import report_of, show_check
from bayes_dsl.cli.compare import comparisons_of, show_comparison
from bayes_dsl.cli.fit import cost_of, end_unless_healthy, fitted
from bayes_dsl.cli.forecast import answer, show_forecast
from bayes_dsl.cli.output import say, say_all
from bayes_dsl.costs.scenarios import PRETRAINING_AND_INFERENCE, SCENARIOS, SUPERVISED_TRAINING
from bayes_dsl.decisions.basis import basis_of
from bayes_dsl.decisions.recommended import WITHIN
from bayes_dsl.files import refused_by_system
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.reporting.plots import plot_allocation, plot_diagnostics, plot_forecast
from bayes_dsl.runs import datasets
from bayes_dsl.runs.quantities import format_quantity
from bayes_dsl.runs.table import RunTable

TABLE = "trained_study"
BEYOND = 2.0
"""The target is this many times the params, and the tokens, of the student with the largest compute."""


def run_demo(out: Path, *, seed: int, prob: float, quiet: bool, settings: Settings | None = None) -> None:
    """Check, fit, forecast and decide on the table that ships with the package; results stay in a folder."""
    _make_folder(out)
    file = out / "posterior.nc"
    table = RunTable.read(datasets.path(TABLE))
    provenance = datasets.provenance(TABLE)
    made = "These runs were really trained" if provenance.details else "These runs are simulated"
    say(f"1. The table: {provenance.title}. {made}.")
    show_check(report_of(table), quiet=quiet)
    say()
    say("2. The fit: one posterior that explains the supervised and the distilled runs together.")
    say(
        "   To be done in a minute the law is taken to hold (--no-misfit); `bayes-dsl fit` lets the world leave it."
    )
    posterior = fitted(
        table,
        law=None,
        cost_model=cost_of(datasets.path(TABLE), None),
        settings=settings or Settings(),
        seed=seed,
        output=file,
        quiet=quiet,
        misfit=False,
    )
    show_health(health_of(posterior), problems=False)
    show_intervals(intervals_of(posterior, prob=prob, kind="eti"))
    say_all("Not identified by these runs", posterior.unidentified())
    end_unless_healthy(posterior, file)
    say()
    say(f"3. The forecast: {BEYOND:g} times the params and tokens of the student with the largest compute.")
    target = target_beyond(posterior)
    show_forecast(
        posterior, [answer(posterior, target, prob=prob, kind="eti").report], counting=None, quiet=True
    )
    say()
    say(
        "The expected loss is what the law says, on average over runs; "
        "the next run scatters about it, so its interval is wider."
    )
    plot_forecast(posterior, out / "forecast.png", **target, prob=prob, kind="eti")
    plot_diagnostics(posterior, out / "diagnostics.png")
    question = decide(posterior, target, out, prob=prob)
    _say_what_next(out, target, question)


def decide(posterior: Posterior, target: dict[str, float], out: Path, *, prob: float) -> str:
    """Split the budget of the target, ask whether to distil at all, and draw the split; returns what was asked."""
    basis = basis_of(posterior)
    scenario = PRETRAINING_AND_INFERENCE if posterior.law.explains("distilled") else SUPERVISED_TRAINING
    budget = _rounded(basis.cost.training(target["student_params"], target["student_tokens"]))
    student = target["student_params"]
    say()
    say(f"4. The budget: {format_quantity(budget)} FLOPs, what that student's own training costs.")
    report = allocation_of(
        posterior,
        basis,
        scenario,
        budget=budget,
        student=student,
        within=WITHIN,
        rule="mean",
        prob=prob,
        kind="eti",
    )
    show_allocation(report, scenario, quiet=True, health=False)
    if scenario.teacher:
        say()
        say("5. Distil, or just train? The same budget, the same draws, whoever pays for the teacher.")
        show_comparison(
            [
                comparison
                for one in SCENARIOS
                for comparison in comparisons_of(
                    posterior, basis, one, budgets=[budget], students=[student], prob=prob, kind="eti"
                )
            ],
            quiet=True,
            health=False,
        )
    plot_allocation(
        posterior, out / "allocation.png", scenario, budget_flops=[budget], student_params=student, prob=prob
    )
    return f"--budget {format_quantity(budget)} --student {format_quantity(student)}"


def target_beyond(posterior: Posterior) -> dict[str, float]:
    """Return a question about a run that is larger than the table's, with the table's best teacher."""
    used = posterior.table.used
    distilled = used.select(np.asarray(used.values("role") == "distilled"))
    asked = distilled if len(distilled) else used
    params, tokens = asked.values("params"), asked.values("tokens")
    # Among students of equal compute the largest one: there the strongest teachers still matter.
    largest = np.lexsort((params, np.round(np.log(params * tokens), 1)))[-1]
    target = {
        "student_params": _rounded(BEYOND * float(params[largest])),
        "student_tokens": _rounded(BEYOND * float(tokens[largest])),
    }
    if len(distilled):
        target["teacher_loss"] = float(np.round(np.min(asked.values("teacher_loss")), 2))
    return target


def _rounded(value: float) -> float:
    return float(f"{value:.1e}")


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused_by_system(out, "writing", error) from error


def _say_what_next(out: Path, target: dict[str, float], question: str) -> None:
    flags = {"student_params": "--student", "student_tokens": "--tokens", "teacher_loss": "--teacher-loss"}
    asked = " ".join(f"{flags[name]} {format_quantity(value)}" for name, value in target.items())
    say()
    say("Open these:")
    say(f"  {out / 'forecast.png'}     the loss with its interval, the runs on top, the extrapolation shaded")
    say(f"  {out / 'allocation.png'}   the best split against the budget, and every split nearly as good")
    say(f"  {out / 'diagnostics.png'}  whether the chains agree: rank and trace plots")
    say(f"  {out / 'posterior.nc'}     the posterior itself; arviz.from_netcdf opens it, too")
    say()
    say("Type next:")
    say(f"  bayes-dsl summary {out / 'posterior.nc'}")
    say(f"  bayes-dsl forecast {out / 'posterior.nc'} {asked}")
    say(f"  bayes-dsl allocate {out / 'posterior.nc'} {question}")
    say(f"  bayes-dsl risk {out / 'posterior.nc'} {question}")
    say("  bayes-dsl check runs.csv     with a table of your own, one row a finished run")
