"""Simulated distillation worlds for back-tests: the law, and worlds that leave it, or whose rows are spoilt.

Fixed here before any table of the record was sampled. A table has 60 supervised runs, seven of which teach twenty
students each (140 distilled runs, up to 3e20 FLOPs), and coefficients of its own, scattered about the published ones.
Its held-out runs: two students at 8 to 16 times the largest student's compute with teachers of the table, two whose
teacher is given by a size at 8 to 16 times the largest supervised compute, and one each with a teacher whose loss is
1.1 and 1.2 times lower than that of the table's strongest. A target whose true gap is at most .03 nats asks nothing
(the student has all but reached its teacher) and is drawn again, after twenty times with the whole table. Equations
in NumPy, apart from the package's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy import stats

from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.published import published
from bayes_dsl.runs.table import RunTable
from benchmarks.simulated import LN10, Floats, Simulated, Study, Target, Warp, signed, wandering

SIZES = np.round(np.geomspace(1e8, 1.3e10, 10))
RATIOS, LONG_RATIOS = (5.0, 10.0, 20.0), (40.0, 80.0, 160.0, 320.0, 640.0, 1280.0)
LONG = slice(0, 5)
TEACHERS = (0, 2, 4, 6, 7, 8, 9)
TEACHER_RATIO = 20.0
STUDENT_BUDGETS = np.geomspace(3e18, 3e20, 5)
STUDENT_RATIOS = (10.0, 40.0, 160.0, 640.0)
SCALE, DEGREES_OF_FREEDOM = 0.005, 5.0
TEACHER_EFFECT = 0.004
EXCHANGED = 3
BEYOND = (8.0, 16.0)
ASKED_RATIOS = (10.0, 80.0)
STRONGEST = 3
STRONGER = (1.1, 1.2)
LEAST_GAP = 0.03
MOST_TARGETS, MOST_TRIES = 20, 1000
# Where the student's exponents and the power of the teacher's loss bend: within the data, a little before their end.
BEND_DECADES, BEND_LOG_LOSS = 0.5, 0.03
# The logistic whose slope is nearest to a normal distribution's.
LOGISTIC = 1.702
SPREADS = {
    **{"log_L_center": 0.05, "log_m_over_E": 0.3, "logit_w": 0.5, "log_slope_N": 0.2, "log_slope_D": 0.2},
    **{"log_gamma": 0.2, "log_gap_center": 0.3, "slope_L_T": 0.5, "log_r_1": 0.04, "log_s_1": 0.25},
    **{"log_eta": 0.7, "logit_w_prime": 0.5, "log_slope_N_S": 0.2, "log_slope_D_S": 0.2},
    "log_gamma_prime": 0.2,
}


def _unmoved(values: Floats) -> Floats:
    return values


@dataclass(frozen=True, kw_only=True)
class World:
    """How a world leaves the law; defaults are the law.

    `size`, `tokens` warp the logarithms over their middles in the supervised law, `student_size`, `student_tokens`
    and `teacher` those in the gap; `bend` is the relative loss of the student's exponents beyond the data's edge,
    `teacher_bend` of c_0; `normal` exchanges the transition's logistic for a normal distribution.
    """

    size: Warp = _unmoved
    tokens: Warp = _unmoved
    student_size: Warp = _unmoved
    student_tokens: Warp = _unmoved
    teacher: Warp = _unmoved
    bend: float = 0.0
    teacher_bend: float = 0.0
    normal: bool = False
    degrees_of_freedom: float = DEGREES_OF_FREEDOM
    exchanged: int = 0
    teacher_effect: float = 0.0


def _drift(rng: np.random.Generator) -> World:
    """Every exponent wanders by 5 to 10 % in a decade, c_0 by as much in a tenth of ln L_T."""
    return World(
        size=wandering(rng, rng.uniform(0.05, 0.10)),
        tokens=wandering(rng, rng.uniform(0.05, 0.10)),
        student_size=wandering(rng, rng.uniform(0.05, 0.10)),
        student_tokens=wandering(rng, rng.uniform(0.05, 0.10)),
        teacher=wandering(rng, rng.uniform(0.05, 0.10), unit=0.1),
    )


def _bend(rng: np.random.Generator) -> World:
    """The student's exponents change by 12 to 42 % at the data's edge, c_0 by 7 to 25 %."""
    return World(bend=signed(rng, 0.12, 0.42), teacher_bend=signed(rng, 0.07, 0.25))


WORLDS: Mapping[str, Callable[[np.random.Generator], World]] = {
    "right law": lambda rng: World(),
    "drifting exponents": _drift,
    "other transition": lambda rng: World(normal=True),
    "heavy tails": lambda rng: World(degrees_of_freedom=2.0),
    "exchanged labels": lambda rng: World(exchanged=EXCHANGED),
    "teacher effects": lambda rng: World(teacher_effect=TEACHER_EFFECT),
    "bend at the edge": _bend,
}


def _runs() -> tuple[Floats, Floats, Floats, Floats, np.ndarray]:
    """Sizes and tokens of the supervised runs and of the students, and the supervised run that teaches each."""
    grid = [(n, r) for n in SIZES for r in RATIOS] + [(n, r) for n in SIZES[LONG] for r in LONG_RATIOS]
    params, ratio = np.array(grid).T
    teachers = [grid.index((SIZES[i], TEACHER_RATIO)) for i in TEACHERS]
    students = np.array([(c, r) for c in STUDENT_BUDGETS for r in STUDENT_RATIOS])
    sizes = np.round(np.sqrt(students[:, 0] / (6.0 * students[:, 1])))
    tokens = np.round(sizes * students[:, 1])
    count = len(teachers)
    return (
        params,
        np.round(ratio * params),
        np.tile(sizes, count),
        np.tile(tokens, count),
        np.repeat(teachers, len(sizes)),
    )


N, D, N_S, D_S, TAUGHT_BY = _runs()
CENTER = {
    **{"log_N": float(np.log(N).mean()), "log_D": float(np.log(D).mean())},
    **{"log_N_S": float(np.log(N_S).mean()), "log_D_S": float(np.log(D_S).mean())},
    "log_L_T": float(np.log(2.2)),
}


def coefficients(rng: np.random.Generator) -> dict[str, float]:
    """The published coefficients, each coordinate of the law moved by a normal deviate of its spread."""
    here = coordinates_of(DISTILLATION)
    with jax.enable_x64(True):
        center = {name: jnp.asarray(value) for name, value in CENTER.items()}
        known = published("busbridge_corrected").parameters
        z = here.from_parameters({name: jnp.asarray(value) for name, value in known.items()}, center)
        moved = {name: z[name] + SPREADS[name] * rng.standard_normal() for name in here.names}
        return {name: float(value) for name, value in here.to_parameters(moved, center).items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """A world with its coefficients: expected losses, and the edge at which it bends."""

    p: Mapping[str, float]
    world: World

    def log_supervised(self, params: Floats, tokens: Floats) -> Floats:
        """ln(expected loss) of supervised runs, nats per token."""
        p = self.p
        x = CENTER["log_N"] + self.world.size(np.log(params) - CENTER["log_N"])
        y = CENTER["log_D"] + self.world.tokens(np.log(tokens) - CENTER["log_D"])
        inner = np.logaddexp(np.log(p["A"]) - p["alpha"] * x, np.log(p["B"]) - p["beta"] * y)
        return np.asarray(np.log(p["E"] + np.exp(p["gamma"] * inner)))

    def gap(self, params: Floats, tokens: Floats, teacher_loss: Floats) -> Floats:
        """Nats per token by which students stay above their teachers."""
        p, world = self.p, self.world
        log_teacher = np.log(teacher_loss)
        x = CENTER["log_N_S"] + world.student_size(np.log(params) - CENTER["log_N_S"])
        y = CENTER["log_D_S"] + world.student_tokens(np.log(tokens) - CENTER["log_D_S"])
        t = CENTER["log_L_T"] + world.teacher(log_teacher - CENTER["log_L_T"])
        size, token = np.log(p["A_prime"]) - p["alpha_prime"] * x, np.log(p["B_prime"]) - p["beta_prime"] * y
        level = p["gamma_prime"] * np.logaddexp(size, token)
        u = (log_teacher - self.log_supervised(params, tokens) - np.log(p["d_1"])) / p["f_1"]
        cost = np.logaddexp(u, 0.0)
        if world.normal:
            v = u / LOGISTIC
            cost = LOGISTIC * (v * stats.norm.cdf(v) + stats.norm.pdf(v))
        level = level - p["c_1"] * p["f_1"] * cost - p["c_0"] * t
        if world.bend or world.teacher_bend:
            share = np.exp(size - np.logaddexp(size, token))
            slope = p["gamma_prime"] * (share * p["alpha_prime"] + (1.0 - share) * p["beta_prime"]) / 2.0
            decades = np.log10(6.0 * params * tokens / STUDENT_BUDGETS[-1]) + BEND_DECADES
            level = level + world.bend * slope * LN10 * np.maximum(decades, 0.0)
            strongest = self.log_supervised(N[TAUGHT_BY], D[TAUGHT_BY]).min()
            level = level + world.teacher_bend * p["c_0"] * np.minimum(
                log_teacher - strongest - BEND_LOG_LOSS, 0.0
            )
        return np.asarray(np.exp(level))


def simulated(name: str, number: int, *, seed: int) -> Simulated:
    """One table of a world, and the runs that it does not show."""
    rng = np.random.default_rng((seed, 100 + list(WORLDS).index(name), number))
    for _ in range(MOST_TRIES):
        truth = Truth(p=coefficients(rng), world=WORLDS[name](rng))
        known = _table(truth, rng)
        targets = _targets(truth, known, rng)
        if targets is not None:
            return Simulated(known=RunTable.from_pandas(known), targets=targets)
    raise ValueError(
        f"{name}, table {number}: no coefficients leave a gap above {LEAST_GAP} nats to all targets"
    )


def _table(truth: Truth, rng: np.random.Generator) -> pd.DataFrame:
    def noise(count: int) -> Floats:
        return SCALE * rng.standard_t(truth.world.degrees_of_freedom, count)

    loss = np.exp(truth.log_supervised(N, D) + noise(len(N)))
    teacher_loss = loss[TAUGHT_BY]
    of_teacher = truth.world.teacher_effect * rng.standard_normal(len(N))
    expected = teacher_loss + truth.gap(N_S, D_S, teacher_loss)
    taught = np.exp(np.log(expected) + noise(len(N_S)) + of_teacher[TAUGHT_BY])
    labels = np.arange(len(N_S))
    for pair in rng.choice(len(N_S), (truth.world.exchanged, 2), replace=False):
        labels[pair] = labels[pair[::-1]]
    names = np.array([f"supervised-{row:02d}" for row in range(len(N))])
    supervised = pd.DataFrame({"run_id": names, "role": "supervised", "params": N, "tokens": D, "loss": loss})
    distilled = pd.DataFrame(
        {
            "run_id": [f"distilled-{row:03d}" for row in range(len(N_S))],
            "role": "distilled",
            "params": N_S[labels],
            "tokens": D_S,
            "loss": taught,
            "teacher_id": names[TAUGHT_BY],
            "teacher_loss": teacher_loss,
            "teacher_params": N[TAUGHT_BY],
            "teacher_tokens": D[TAUGHT_BY],
        }
    )
    return pd.concat([supervised, distilled], ignore_index=True)


def _targets(truth: Truth, known: pd.DataFrame, rng: np.random.Generator) -> tuple[Target, ...] | None:
    """The held-out runs; None where these coefficients leave too small a gap to one of them."""
    losses = np.sort(known["teacher_loss"].dropna().unique())
    largest = float(6.0 * (N * D).max())
    found = []
    for kind in ("student", "student again", "teacher by size", "teacher by size again", *STRONGER):
        for _ in range(MOST_TARGETS):
            params, tokens = _student(rng)
            of_teacher: dict[str, float] = {}
            if isinstance(kind, float):
                teacher_loss = losses[0] / kind
            elif kind.startswith("student"):
                teacher_loss = rng.choice(losses[:STRONGEST])
            else:
                flops = largest * np.exp(rng.uniform(*np.log(BEYOND)))
                size = np.round(np.sqrt(flops / (6.0 * TEACHER_RATIO)))
                of_teacher = {"teacher_params": size, "teacher_tokens": np.round(TEACHER_RATIO * size)}
                luck = SCALE * rng.standard_t(truth.world.degrees_of_freedom)
                teacher_loss = np.exp(truth.log_supervised(*np.array([*of_teacher.values()])) + luck)
            gap = float(truth.gap(params, tokens, np.asarray(teacher_loss)))
            if gap > LEAST_GAP:
                break
        else:
            return None
        scatter = SCALE * rng.standard_t(truth.world.degrees_of_freedom)
        scatter += truth.world.teacher_effect * rng.standard_normal()
        found.append(
            Target(
                kind=f"teacher {kind:g}x stronger" if isinstance(kind, float) else kind,
                params=float(params),
                tokens=float(tokens),
                loss=float(np.exp(np.log(teacher_loss + gap) + scatter)),
                teacher_loss=None if of_teacher else float(teacher_loss),
                **of_teacher,
            )
        )
    return tuple(found)


def _student(rng: np.random.Generator) -> tuple[Floats, Floats]:
    flops = STUDENT_BUDGETS[-1] * np.exp(rng.uniform(*np.log(BEYOND)))
    ratio = np.exp(rng.uniform(*np.log(ASKED_RATIOS)))
    params = np.round(np.sqrt(flops / (6.0 * ratio)))
    return params, np.round(ratio * params)


STUDY = Study(
    law="distillation",
    simulated=simulated,
    worlds=tuple(WORLDS),
    tables=dict.fromkeys(WORLDS, 100),
    methods={"bare law": None, "misfit": Misfit(students=True)},
    floor={name: 0.80 if name == "bend at the edge" else 0.85 for name in WORLDS if name != "right law"},
    off=(0.86, 0.94),
    on=(0.88, 0.98),
    wider=1.4,
    worse=1.12,
    sampler=Settings(chains=2, warmup=500, draws=500, most_draws=500, target_accept=0.95, max_tree_depth=8),
    seconds=15.0,
    apart=tuple(f"teacher {stronger:g}x stronger" for stronger in STRONGER),
)
