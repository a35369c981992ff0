"""The best split of a budget at every draw of a law: tokens for the student, its teacher, its size.

The teacher enters a student's loss by its own loss alone, and more tokens never harm a student. So the search
has one dimension: for each teacher's loss, the cheapest way to such a teacher leaves the most tokens for the
student, and that way is a quasi-convex problem of one variable (`teachers`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.cores import workers
from bayes_dsl.costs.flops import CostModel
from bayes_dsl.decisions.search import Bracket, brackets, golden_sections, in_turn, tangents
from bayes_dsl.decisions.teachers import Box, Curve, cheapest_r, curve_of, log_forward
from bayes_dsl.decisions.world import World, of_draws
from bayes_dsl.laws.base import Law

Floats = jax.Array
Paid = Literal["nothing", "logits", "training", "both"]

# Points of the scan over teachers' losses: the capacity transition of plausible laws spans several.
SCAN = 24
SIZE_SCAN = 64
# Draws that one call of a compiled search takes.
WIDTH = 512
SIZE_SECTIONS = 28
STEPS = 40
BASINS = 2
# Newton's steps towards the best shape of a teacher: to choose the basins, to search them, to report.
COARSE, FINE, EXACT = 1, 3, 8
# In nats for all of the least tokens: above any slope by which a stronger teacher could pay for too few.
PUNISHMENT = 1e4


class Prices(NamedTuple):
    """What is charged: weights of the teacher's logits and training, and tokens served; scalars."""

    logits: Floats
    training: Floats
    serving: Floats


class Limits(NamedTuple):
    """Bounds of the search: logarithms of teachers (a `Box`) and of students, (least, greatest)."""

    teacher: Box
    log_student_params: tuple[Floats, Floats]
    student_tokens: tuple[Floats, Floats]


class Split(NamedTuple):
    """One split a draw, each (draw,): the teacher's logarithms, the student's, and ln(expected loss)."""

    log_student_params: Floats
    student_tokens: Floats
    log_teacher_params: Floats
    log_teacher_tokens: Floats
    teacher_loss: Floats
    log_loss: Floats


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What makes two problems the same program: the law, the cost model, the role, and what is paid."""

    law: Law
    cost: CostModel
    role: str
    paid: Paid


class _Teachers(NamedTuple):
    log_s: Floats
    r: tuple[Floats, Floats]
    cheapest: Floats
    loss: Floats


class _Search:
    """One problem on all draws: `budget` FLOPs, `log_N` of the student, both broadcast against (draw,)."""

    def __init__(self, kind: Kind, world: World, prices: Prices, limits: Limits, budget: Floats) -> None:
        self.kind, self.world, self.prices, self.limits = kind, world, prices, limits
        self.curve: Curve = curve_of(world)
        self.budget = budget

    def teachers(self, log_s: Floats) -> _Teachers:
        low, high = self.curve.r_range(log_s, self.limits.teacher)
        cheapest = high if self.kind.paid == "logits" else cheapest_r(self.curve, self.kind.cost, log_s)
        return _Teachers(log_s, (low, high), jnp.clip(cheapest, low, high), self.curve.loss(log_s))

    def student_tokens(self, teachers: _Teachers, r: Floats, log_N: Floats) -> tuple[Floats, Floats]:
        """Tokens that the budget leaves for the student (negative: none), and the teacher's ln tokens."""
        student = jnp.exp(log_forward(self.kind.cost, log_N))
        money = self.budget - student * self.prices.serving
        if self.kind.paid == "nothing":
            return jnp.broadcast_to(money / (3.0 * student), r.shape), r
        log_F = log_forward(self.kind.cost, self.curve.log_params(teachers.log_s, r))
        log_D = self.curve.log_tokens(teachers.log_s, r)
        per_token = 3.0 * student
        if self.kind.paid in ("logits", "both"):
            per_token = per_token + self.prices.logits * jnp.exp(log_F)
        if self.kind.paid in ("training", "both"):
            money = money - 3.0 * self.prices.training * jnp.exp(log_F + log_D)
        return money / per_token, log_D

    def shape(self, teachers: _Teachers, log_N: Floats, steps: int) -> Floats:
        """The teacher's r that leaves the student the most tokens, by Newton where logits and training are paid.

        There (beta/alpha) elasticity (1 + logits D_S / (3 training D_T)) = e^r: the student's tokens stand
        still along the curve, so their slope drops out of the step.
        """
        r = teachers.cheapest
        if self.kind.paid != "both":
            return r
        base = jnp.log(self.curve.beta / self.curve.alpha)
        ratio = jnp.log(self.prices.logits / (3.0 * self.prices.training))
        most = self.limits.student_tokens[1]

        def step(_: int, r: Floats) -> Floats:
            tokens, log_D = self.student_tokens(teachers, r, log_N)
            extra = ratio + jnp.log(jnp.clip(tokens, 1e-300, most)) - log_D
            wanted = base + jnp.log(self.curve.elasticity(self.kind.cost, teachers.log_s, r))
            miss = r - wanted - jax.nn.softplus(extra)
            slope = 1.0 + jax.nn.sigmoid(extra) * jax.nn.sigmoid(r) / self.curve.beta
            return jnp.clip(r - miss / slope, *teachers.r)

        found: Floats = jax.lax.fori_loop(0, steps, step, r)
        return found

    def log_loss(self, teachers: _Teachers, log_N: Floats, tokens: Floats) -> Floats:
        """ln(expected loss) of the student of each teacher, who gets `tokens` as far as the limits let it."""
        inputs = {
            "N_S": jnp.exp(log_N),
            "D_S": jnp.clip(tokens, *self.limits.student_tokens),
            "L_T": teachers.loss,
        }
        return self.world.log_loss(self.kind.law, "distilled", inputs)

    def objective(self, teachers: _Teachers, log_N: Floats, r: Floats) -> Floats:
        """`log_loss`, and far above it where the budget is too small for the least student.

        What lacks to the least tokens is punished so hard that the search stands on that edge, from where it
        sees on which side the feasible teachers are: an infinite value would have no slope.
        """
        tokens, _ = self.student_tokens(teachers, r, log_N)
        lacking = jnp.maximum(0.0, 1.0 - tokens / self.limits.student_tokens[0])
        return self.log_loss(teachers, log_N, tokens) + PUNISHMENT * lacking

    def value_and_slope(self, log_s: Floats, log_N: Floats) -> tuple[Floats, Floats]:
        """`objective` of the best teachers of `log_s`, and its derivative by `log_s`.

        The teacher's shape is the best one or on a bound: only a bound that moves along adds to the slope.
        """

        def of(log_s: Floats) -> Floats:
            teachers = self.teachers(log_s)
            low, high = teachers.r
            r = jax.lax.stop_gradient(self.shape(jax.lax.stop_gradient(teachers), log_N, FINE))
            r = jnp.where(r >= high, high, jnp.where(r <= low, low, r))
            return self.objective(teachers, log_N, r)

        return jax.jvp(of, (log_s,), (jnp.ones_like(log_s),))

    def best(self, scan: _Teachers, log_N: Floats) -> tuple[Floats, Floats]:
        """ln s of the best teacher and ln of its student's loss, (draw,), for students of `log_N`."""
        found = brackets(scan.log_s, self.objective(scan, log_N, self.shape(scan, log_N, COARSE)), BASINS)
        return tangents(lambda log_s: self.value_and_slope(log_s, log_N), found, STEPS)

    def split(self, log_s: Floats, log_N: Floats) -> Split:
        teachers = self.teachers(log_s)
        r = self.shape(teachers, log_N, EXACT)
        tokens, _ = self.student_tokens(teachers, r, log_N)
        (low_N, high_N), (low_D, high_D) = self.limits.teacher
        enough = tokens >= self.limits.student_tokens[0] * (1.0 - 1e-9)
        return Split(
            log_student_params=jnp.broadcast_to(log_N, log_s.shape),
            student_tokens=jnp.clip(tokens, *self.limits.student_tokens),
            log_teacher_params=jnp.clip(self.curve.log_params(log_s, r), low_N, high_N),
            log_teacher_tokens=jnp.clip(self.curve.log_tokens(log_s, r), low_D, high_D),
            teacher_loss=teachers.loss,
            log_loss=jnp.where(enough, self.log_loss(teachers, log_N, tokens), jnp.inf),
        )


def best_splits(
    kind: Kind,
    world: World,
    prices: Prices,
    limits: Limits,
    budgets: Floats,
    log_params: Floats | None,
) -> Split:
    """The best split of each problem at each draw, fields (problem, draw).

    Parameters
    ----------
    kind
        What is compiled; everything else are arrays.
    world
        Draws of the law's parameters, (draw,) each, with the paths of the misfit.
    prices, limits
        Scalars.
    budgets
        (problem,), FLOPs.
    log_params
        (problem,), ln of the student's parameters; None: the best size is searched, too.
    """
    shape = (len(budgets), len(next(iter(world.parameters.values()))))

    def solve(budgets: Floats, sizes: Floats) -> Split:
        return _in_parallel(kind, world, prices, limits, budgets, sizes)

    if log_params is not None:
        sizes = jnp.broadcast_to(log_params[:, None], shape)
        return solve(budgets, sizes)

    def value(sizes: Floats) -> Floats:
        flat = sizes.reshape(-1, shape[-1])
        each = jnp.tile(budgets, len(flat) // shape[0])
        return solve(each, flat).log_loss.reshape(sizes.shape)

    # Problems are last but one here: (point, problem, draw) are searched as (point, problem x draw).
    low, high = limits.log_student_params
    scan = jnp.broadcast_to(jnp.linspace(low, high, SIZE_SCAN)[:, None, None], (SIZE_SCAN, *shape))
    flat = (SIZE_SCAN, shape[0] * shape[1])
    found = brackets(scan.reshape(flat), value(scan).reshape(flat), BASINS)
    if not bool(jnp.any(found.point != found.point[:1])):
        found = Bracket(*(field[:1] for field in found))

    def flatly(points: Floats) -> Floats:
        return value(points.reshape(*points.shape[:-1], *shape)).reshape(points.shape)

    best, _ = golden_sections(flatly, found, SIZE_SECTIONS, loop=in_turn)
    return solve(budgets, best.reshape(shape))


def _in_parallel(
    kind: Kind, world: World, prices: Prices, limits: Limits, budgets: Floats, sizes: Floats
) -> Split:
    """One call a problem and block of draws of one compiled function, on every core; (problem, draw).

    Blocks have one width, the last one padded, so that any number of draws is served by one compilation.
    """
    solve = _compiled(kind)
    problems, draws = sizes.shape
    place = np.minimum(np.arange(-(-draws // WIDTH) * WIDTH), draws - 1).reshape(-1, WIDTH)
    names = tuple(world.parameters)
    everything = [np.asarray(array) for array in (*world.parameters.values(), *prices)]
    by_draw = [np.broadcast_to(array, (draws,)) for array in everything]
    blocks = [[jnp.asarray(array[block]) for array in by_draw] for block in place]
    drifts = [of_draws(world.drift, block) for block in place]
    money = np.broadcast_to(np.asarray(budgets).reshape(problems, -1), (problems, draws))
    log_sizes = np.asarray(sizes)

    def one(task: tuple[int, int]) -> list[np.ndarray]:
        problem, block = task
        with jax.enable_x64(True):
            values, charged = blocks[block][: len(names)], Prices(*blocks[block][len(names) :])
            split: Split = solve(
                World(dict(zip(names, values, strict=True)), drifts[block]),
                charged,
                limits,
                jnp.asarray(money[problem, place[block]]),
                jnp.asarray(log_sizes[problem, place[block]]),
            )
            return [np.asarray(field) for field in split]

    tasks = [(problem, block) for problem in range(problems) for block in range(len(place))]
    # Compiled here, so that two threads do not do it twice.
    first = one(tasks[0])
    with ThreadPoolExecutor(max_workers=workers(len(tasks))) as pool:
        results = [first, *pool.map(one, tasks[1:])]
    fields = (np.stack(field).reshape(problems, -1)[:, :draws] for field in zip(*results, strict=True))
    return Split(*(jnp.asarray(field) for field in fields))


@lru_cache(maxsize=64)
def _compiled(kind: Kind) -> Any:
    return jax.jit(_distilled(kind) if kind.role == "distilled" else _supervised(kind))


Solver = Callable[[World, Prices, Limits, Floats, Floats], Split]


def _distilled(kind: Kind) -> Solver:
    def solve(world: World, prices: Prices, limits: Limits, budget: Floats, log_N: Floats) -> Split:
        search = _Search(kind, world, prices, limits, budget)
        strongest, weakest = search.curve.log_s_range(limits.teacher)
        share = jnp.linspace(0.0, 1.0, SCAN)[:, None]
        scan = search.teachers(strongest + share * (weakest - strongest))
        return search.split(search.best(scan, log_N)[0], log_N)

    return solve


def _supervised(kind: Kind) -> Solver:
    def solve(world: World, prices: Prices, limits: Limits, budget: Floats, log_N: Floats) -> Split:
        least, most = limits.student_tokens
        forward = jnp.exp(log_forward(kind.cost, log_N))
        tokens = (budget - forward * prices.serving) / (3.0 * forward)
        inputs = {"N": jnp.exp(log_N), "D": jnp.clip(tokens, least, most)}
        value = world.log_loss(kind.law, "supervised", inputs)
        none = jnp.full_like(log_N, jnp.nan)
        value = jnp.where(tokens >= least * (1.0 - 1e-12), value, jnp.inf)
        return Split(log_N, jnp.clip(tokens, least, most), none, none, none, value)

    return solve
