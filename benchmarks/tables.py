"""The tables that the sampling benchmarks run on: published rows of two sources, and a simulated study."""

from __future__ import annotations

from bayes_dsl.inference.design import busbridge_study_design
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.published import published
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.runs.table import RunTable
from benchmarks.bootstrap import COLUMNS, TABLE

PORIAN = TABLE.parents[1] / "porian" / "isoflop_points.csv"
PORIAN_ROWS = ("dataset=rw", "hparams=tuned", "param_count=standard", "ratio>=1")
NOISE = Noise(scale=0.005, scale_distilled=0.005, degrees_of_freedom=5.0)
WORDS = {
    "chinchilla_240": "the 240 Chinchilla rows, Chinchilla law",
    "supervised_240": "the 240 Chinchilla rows, supervised law",
    "porian_rw": "97 rows of Porian et al. (RefinedWeb, tuned), supervised law",
    "study": "a simulated study of 374 runs, distillation law",
}
PROBLEMS = tuple(WORDS)


def problem(name: str, *, seed: int = 0) -> tuple[RunTable, Law]:
    """A table with the law that explains it; `seed` is that of the simulated study."""
    if name == "study":
        truth = published("busbridge_corrected").parameters
        return simulate(DISTILLATION, truth, busbridge_study_design(), noise=NOISE, seed=seed), DISTILLATION
    if name == "porian_rw":
        return RunTable.read(PORIAN, columns=("params=n,tokens=t,ratio=t/n",), where=PORIAN_ROWS), SUPERVISED
    rows = RunTable.read(TABLE, columns=COLUMNS, where=("loss<3.44",))
    return rows, {"chinchilla_240": CHINCHILLA, "supervised_240": SUPERVISED}[name]
