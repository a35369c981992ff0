"""The compiled program of training: some steps of all students of a group, with one teacher forward for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from models import transformer
from models.config import Network
from models.objectives import Objective, student_loss
from models.optimiser import Settings, optimiser, rate, settings
from models.recipe import Recipe

FLAT = 4_000_000
"""Parameters up to which the optimiser's moments are one vector."""

State = dict[str, Any]
"""One student's `params` and `optimiser`, plain trees."""


@dataclass(frozen=True, kw_only=True)
class Student:
    """What the compiled program needs to know of a run; runs that agree in this share the program.

    Attributes
    ----------
    network : Network
    objective : Objective or None
        None: the teacher plays no part.
    micro_windows : int
        Windows of a pass.
    """

    network: Network
    objective: Objective | None
    micro_windows: int


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """The teacher's shape, and the windows of a pass of its forward."""

    network: Network
    micro_windows: int


def start(key: jax.Array, student: Student) -> State:
    """The state before the first step; compiled once for a network."""
    state: State = _start(key, student.network)
    return state


@partial(jax.jit, static_argnames="network")
def _start(key: jax.Array, network: Network) -> State:
    params = transformer.init(key, network)
    return {"params": params, "optimiser": _optimiser(network, settings(Recipe(), steps=1), 0).init(params)}


def _optimiser(network: Network, numbers: Settings, step: Any) -> optax.GradientTransformation:
    return optimiser(
        numbers,
        rate(step, numbers),
        multipliers=transformer.rate_multipliers(network),
        decays=transformer.decays(network),
        flat=network.architecture.params_total <= FLAT,
    )


def gradient(
    student: Student, params: Any, windows_BxT1: jax.Array, teacher_BxTxV: jax.Array | None, numbers: Settings
) -> tuple[Any, jax.Array]:
    """Gradient of the mean loss of a batch, pass by pass, and its next-token loss (NaN where the loss is none).

    Passes are summed in order and divided by their number, so that micro-batches change rounding only.
    """

    def loss(params: Any, windows: jax.Array, teacher: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        logits = transformer.logits(params, windows[:, :-1], student.network)
        total, parts = student_loss(
            student.objective or Objective(),
            logits,
            teacher,
            windows[:, 1:],
            mixing=numbers.mixing,
            temperature=numbers.temperature,
            z_weight=numbers.z_weight,
        )
        return total, jnp.where(jnp.isfinite(total), parts["next_token"], jnp.nan)

    one_pass = jax.grad(loss, has_aux=True)
    teacher_BxTxV = None if student.objective is None else teacher_BxTxV
    passes = windows_BxT1.shape[0] // student.micro_windows
    if passes == 1:
        grads, next_token = one_pass(params, windows_BxT1, teacher_BxTxV)
        return grads, next_token

    def add(sums: Any, batch: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, one_pass(params, *batch)), None

    zeros = (jax.tree.map(jnp.zeros_like, params), jnp.zeros(()))
    sums, _ = jax.lax.scan(add, zeros, _cut((windows_BxT1, teacher_BxTxV), passes))
    grads, next_token = jax.tree.map(lambda x: x / passes, sums)
    return grads, next_token


def teacher_logits(teacher: Teacher, params: Any, windows_BxT1: jax.Array) -> jax.Array:
    """The teacher's logits for a batch, pass by pass."""

    def one_pass(windows: jax.Array) -> jax.Array:
        return transformer.logits(params, windows[:, :-1], teacher.network)

    passes = windows_BxT1.shape[0] // teacher.micro_windows
    if passes == 1:
        return one_pass(windows_BxT1)
    logits: jax.Array = jax.lax.map(one_pass, _cut(windows_BxT1, passes))
    return logits.reshape(-1, *logits.shape[2:])


def _cut(tree: Any, passes: int) -> Any:
    return jax.tree.map(lambda x: x.reshape(passes, -1, *x.shape[1:]), tree)


def update(
    student: Student,
    state: State,
    windows_BxT1: jax.Array,
    teacher_BxTxV: jax.Array | None,
    step: Any,
    numbers: Settings,
) -> tuple[State, jax.Array]:
    """One optimiser step: the next state, and the next-token loss before it. A pure function."""
    grads, next_token = gradient(student, state["params"], windows_BxT1, teacher_BxTxV, numbers)
    change = _optimiser(student.network, numbers, step)
    updates, inner = change.update(grads, state["optimiser"], state["params"])
    return {"params": optax.apply_updates(state["params"], updates), "optimiser": inner}, next_token


@cache
def program(students: tuple[Student, ...], teacher: Teacher | None) -> Callable[..., Any]:
    """The compiled program of a group.

    Returns
    -------
    callable
        (states, windows_SxBxT1, count, first, settings, teacher_params, logits_SxBxTxV) -> (states,
        losses_SxR): `count` steps, of at most S, of which the first is number `first`; R students. Rows of the
        losses from `count` on are NaN. `logits_SxBxTxV`, when not None, stands in for the teacher's forward.
        The states that are passed in are used up.
    """

    def run(
        states: tuple[State, ...],
        windows_SxBxT1: jax.Array,
        count: Any,
        first: Any,
        numbers: tuple[Settings, ...],
        teacher_params: Any,
        logits_SxBxTxV: jax.Array | None,
    ) -> tuple[tuple[State, ...], jax.Array]:
        def one_step(index: Any, carry: Any) -> Any:
            states, losses_SxR = carry
            windows_BxT1 = windows_SxBxT1[index].astype(jnp.int32)
            logits: jax.Array | None = None
            if logits_SxBxTxV is not None:
                logits = logits_SxBxTxV[index].astype(jnp.float32)
            elif teacher is not None:
                logits = teacher_logits(teacher, teacher_params, windows_BxT1)
            pairs = [
                update(student, state, windows_BxT1, logits, first + index, mine)
                for student, state, mine in zip(students, states, numbers, strict=True)
            ]
            losses = jnp.stack([loss for _, loss in pairs])
            return tuple(state for state, _ in pairs), losses_SxR.at[index].set(losses)

        empty = jnp.full((windows_SxBxT1.shape[0], len(students)), jnp.nan)
        # A traced number of steps: the last dispatch, and one cut short for a checkpoint, compile nothing.
        done: tuple[tuple[State, ...], jax.Array] = jax.lax.fori_loop(0, count, one_step, (states, empty))
        return done

    return jax.jit(run, donate_argnums=0)
