"""Allocation the slow and plain way: SciPy's SLSQP from many starts, and a grid that is zoomed into.

Nothing here is shared with the solver: the laws and the bill are written out again in plain floats, with
their gradients by hand, in the variables that the paper's own allocations use (appendix D of arXiv
2502.08606): ln N_T, ln D_T, ln D_S, and ln N_S where the size is free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, isfinite, log, log1p
from typing import Any

import numpy as np
from scipy.optimize import minimize


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One draw of the distillation law, one budget, one bill; ranges are (least, greatest)."""

    parameters: Mapping[str, float]
    terms: tuple[tuple[float, float], ...]
    logits: float
    training: float
    serving: float
    budget: float
    student_params: float | None
    params: tuple[float, float]
    teacher_tokens: tuple[float, float]
    student_tokens: tuple[float, float]


def softplus(x: float) -> float:
    return x + log1p(exp(-x)) if x > 0 else log1p(exp(x))


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + exp(-x)) if x > 0 else exp(x) / (1.0 + exp(x))


class Objective:
    """ln L_S and the logarithm of the bill over the budget, each with its gradient."""

    def __init__(self, problem: Problem) -> None:
        p = problem.parameters
        self.problem = problem
        self.E, self.alpha, self.beta, self.gamma = p["E"], p["alpha"], p["beta"], p["gamma"]
        self.log_A, self.log_B = log(p["A"]), log(p["B"])
        self.log_A_prime, self.log_B_prime = log(p["A_prime"]), log(p["B_prime"])
        self.alpha_prime, self.beta_prime = p["alpha_prime"], p["beta_prime"]
        self.gamma_prime, self.c_0, self.c_1 = p["gamma_prime"], p["c_0"], p["c_1"]
        self.log_d_1, self.f_1 = log(p["d_1"]), p["f_1"]
        fixed = problem.student_params
        self.log_N_S = None if fixed is None else log(fixed)
        self.F_S = None if fixed is None else self.forward(log(fixed))

    def supervised(self, log_N: float, log_D: float) -> tuple[float, float, float]:
        """L, dL / d ln N and dL / d ln D."""
        size, tokens = exp(self.log_A - self.alpha * log_N), exp(self.log_B - self.beta * log_D)
        total = size + tokens
        above = exp(self.gamma * log(total))
        slope = -self.gamma * above / total
        return self.E + above, slope * self.alpha * size, slope * self.beta * tokens

    def forward(self, log_N: float) -> tuple[float, float]:
        """F(N) and dF / d ln N."""
        parts = [(factor * exp(power * log_N), power) for factor, power in self.problem.terms]
        return sum(part for part, _ in parts), sum(part * power for part, power in parts)

    def log_loss(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        log_N_T, log_D_T, log_D, log_N = self._unpacked(x)
        teacher, teacher_N, teacher_D = self.supervised(log_N_T, log_D_T)
        student, student_N, student_D = self.supervised(log_N, log_D)
        log_teacher = log(teacher)
        bend = (log_teacher - log(student) - self.log_d_1) / self.f_1
        size = exp(self.log_A_prime - self.alpha_prime * log_N)
        tokens = exp(self.log_B_prime - self.beta_prime * log_D)
        total = size + tokens
        fall = self.c_1 * self.f_1 * softplus(bend)
        gap = exp(-self.c_0 * log_teacher - fall + self.gamma_prime * log(total))
        loss = teacher + gap
        turn = self.c_1 * sigmoid(bend)
        by_teacher = (1.0 - gap * (self.c_0 + turn) / teacher) / loss
        by_student = gap * turn / student / loss
        by_total = -gap * self.gamma_prime / total / loss
        gradient = [
            by_teacher * teacher_N,
            by_teacher * teacher_D,
            by_student * student_D + by_total * self.beta_prime * tokens,
        ]
        if self.log_N_S is None:
            gradient.append(by_student * student_N + by_total * self.alpha_prime * size)
        return log(loss), np.array(gradient)

    def log_bill(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """ln(bill / budget)."""
        q = self.problem
        log_N_T, log_D_T, log_D, log_N = self._unpacked(x)
        F_S, slope_S = self.F_S if self.F_S is not None else self.forward(log_N)
        F_T, slope_T = self.forward(log_N_T)
        D, D_T = exp(log_D), exp(log_D_T)
        per_token = 3.0 * F_S + q.logits * F_T
        bill = per_token * D + F_S * q.serving + 3.0 * q.training * F_T * D_T
        gradient = [
            slope_T * (q.logits * D + 3.0 * q.training * D_T),
            3.0 * q.training * F_T * D_T,
            per_token * D,
        ]
        if self.log_N_S is None:
            gradient.append(slope_S * (3.0 * D + q.serving))
        return log(bill / q.budget), np.array(gradient) / bill

    def box(self) -> list[tuple[float, float]]:
        q = self.problem
        ranges = [q.params, q.teacher_tokens, q.student_tokens]
        if self.log_N_S is None:
            ranges.append(q.params)
        return [(log(low), log(high)) for low, high in ranges]

    def repaired(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """ln L_S of the same teacher and size with what tokens the budget leaves; infinite where too few."""
        q = self.problem
        x = np.clip(x, *np.array(self.box()).T)
        log_N_T, log_D_T, _, log_N = self._unpacked(x)
        F_S, F_T = self.forward(log_N)[0], self.forward(log_N_T)[0]
        money = q.budget - F_S * q.serving - 3.0 * q.training * F_T * exp(log_D_T)
        tokens = min(money / (3.0 * F_S + q.logits * F_T), q.student_tokens[1])
        if tokens < q.student_tokens[0]:
            return inf, x
        x[2] = log(tokens)
        return self.log_loss(x)[0], x

    def _unpacked(self, x: np.ndarray) -> tuple[float, float, float, float]:
        v = x.tolist()
        return v[0], v[1], v[2], v[3] if self.log_N_S is None else self.log_N_S


def slsqp(
    objective: Objective, start: np.ndarray, *, ftol: float = 1e-12, equality: bool = True, maxiter: int = 300
) -> tuple[float, np.ndarray, Any]:
    """ln L_S, where, and SciPy's own result of one start; the bill is met exactly at what is returned."""
    last: tuple[bytes, float, np.ndarray] = (b"", 0.0, start)

    def bill(x: np.ndarray) -> tuple[bytes, float, np.ndarray]:
        # SciPy asks for value and gradient at the same point, one after the other.
        nonlocal last
        if x.tobytes() != last[0]:
            last = (x.tobytes(), *objective.log_bill(x))
        return last

    constraint = {
        "type": "eq" if equality else "ineq",
        "fun": lambda x: -bill(x)[1],
        "jac": lambda x: -bill(x)[2],
    }
    result = minimize(
        objective.log_loss,
        start,
        jac=True,
        method="SLSQP",
        bounds=objective.box(),
        constraints=[constraint],
        options={"ftol": ftol, "maxiter": maxiter},
    )
    if not np.isfinite(result.x).all():
        return inf, start, result
    return *objective.repaired(result.x), result


def middle(objective: Objective) -> np.ndarray:
    """A start that needs no thought: a teacher twice the student, each with half of the budget's tokens."""
    q = objective.problem
    log_N = objective.log_N_S
    if log_N is None:
        log_N = 0.5 * log(q.budget / 6.0 / 20.0)
    F = objective.forward(log_N)[0]
    log_D = log(q.budget / (12.0 * F))
    start = np.array([log_N + log(2.0), log_D - log(2.0), log_D, log_N])[: len(objective.box())]
    return np.clip(start, *np.array(objective.box()).T)


def best_of_slsqp(problem: Problem, *, starts: int = 8, seed: int = 0) -> tuple[float, np.ndarray]:
    """ln L_S and where, the best of SLSQP from random starts around the scale of student and budget."""
    objective = Objective(problem)
    low, high = np.array(objective.box()).T
    rng = np.random.default_rng(seed)
    centre = middle(objective)
    best, where = inf, centre
    for _ in range(starts):
        start = np.clip(centre + rng.uniform(-4.0, 4.0, len(centre)), low, high)
        for equality in (True, False):
            try:
                value, x, _ = slsqp(objective, start, equality=equality)
            except (OverflowError, ValueError, ZeroDivisionError):
                continue
            if isfinite(value) and value < best:
                best, where = value, x
    return best, where


def best_of_grid(problem: Problem, *, points: int = 121, rounds: int = 9) -> tuple[float, np.ndarray]:
    """ln L_S and where, the best of a grid over the whole box and of finer ones around its best point."""
    objective = Objective(problem)
    box = np.array(objective.box())
    free = np.delete(np.arange(len(box)), 2)
    low, high = box[free].T
    counts = [points, points] if len(free) == 2 else [points // 2, points // 2, points // 2]
    best, where = inf, np.array([])
    for _ in range(rounds + 1):
        axes = [np.linspace(a, b, n) for a, b, n in zip(low, high, counts, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(free))
        values = grid_values(problem, grid)
        at = int(np.argmin(values))
        if values[at] < best:
            best, where = float(values[at]), grid[at]
        if not isfinite(best):
            break
        half = np.array([2.0 * (axis[1] - axis[0]) for axis in axes])
        low, high = np.maximum(where - half, box[free, 0]), np.minimum(where + half, box[free, 1])
        counts = [25 if len(free) == 2 else 15] * len(free)
    return best, where


def grid_values(problem: Problem, grid: np.ndarray) -> np.ndarray:
    """ln L_S of teachers (and sizes), (point, ln N_T and ln D_T and maybe ln N_S), the rest into tokens."""
    p, q = problem.parameters, problem
    log_N_T, log_D_T = grid[:, 0], grid[:, 1]
    log_N = grid[:, 2] if grid.shape[1] == 3 else np.full(len(grid), log(problem.student_params or 1.0))

    def forward(log_size: np.ndarray) -> np.ndarray:
        return sum((f * np.exp(e * log_size) for f, e in q.terms), start=np.zeros_like(log_size))

    def supervised(log_size: np.ndarray, log_tokens: np.ndarray) -> np.ndarray:
        inner = p["A"] * np.exp(-p["alpha"] * log_size) + p["B"] * np.exp(-p["beta"] * log_tokens)
        return p["E"] + inner ** p["gamma"]

    F_S, F_T = forward(log_N), forward(log_N_T)
    money = q.budget - F_S * q.serving - 3.0 * q.training * F_T * np.exp(log_D_T)
    tokens = np.minimum(money / (3.0 * F_S + q.logits * F_T), q.student_tokens[1])
    feasible = tokens >= q.student_tokens[0]
    log_D = np.log(np.where(feasible, tokens, q.student_tokens[0]))
    L_T, student = supervised(log_N_T, log_D_T), supervised(log_N, log_D)
    bend = np.logaddexp(0.0, np.log(L_T / student / p["d_1"]) / p["f_1"])
    inner = p["A_prime"] * np.exp(-p["alpha_prime"] * log_N) + p["B_prime"] * np.exp(-p["beta_prime"] * log_D)
    gap = L_T ** -p["c_0"] * np.exp(-p["c_1"] * p["f_1"] * bend) * inner ** p["gamma_prime"]
    return np.where(feasible, np.log(L_T + gap), np.inf)
