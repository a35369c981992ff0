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
from models.devices import Devices
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
        Windows of a pass, on each device.
    devices : int
        Devices that share a batch.
    """

    network: Network
    objective: Objective | None
    micro_windows: int
    devices: int = 1


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """The teacher's shape, the windows of a pass of its forward on each device, and the devices."""

    network: Network
    micro_windows: int
    devices: int = 1


def start(key: jax.Array, student: Student) -> State:
    """The state before the first step; compiled once for a network."""
    state: State = _start(key, student.network, _is_flat(student))
    return state


@partial(jax.jit, static_argnames=("network", "flat"))
def _start(key: jax.Array, network: Network, flat: bool) -> State:
    params = transformer.init(key, network)
    first = _optimiser(network, settings(Recipe(), steps=1), 0, flat)
    return {"params": params, "optimiser": first.init(params)}


def _is_flat(student: Student) -> bool:
    # Over several devices one vector would have to be put together from all of them at each step.
    return student.network.architecture.params_total <= FLAT and student.devices == 1


def _optimiser(network: Network, numbers: Settings, step: Any, flat: bool) -> optax.GradientTransformation:
    return optimiser(
        numbers,
        rate(step, numbers),
        multipliers=transformer.rate_multipliers(network),
        decays=transformer.decays(network),
        flat=flat,
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
    passes = windows_BxT1.shape[0] // (student.micro_windows * student.devices)
    if passes == 1:
        grads, next_token = one_pass(params, windows_BxT1, teacher_BxTxV)
        return grads, next_token

    def add(sums: Any, batch: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, one_pass(params, *batch)), None

    zeros = (jax.tree.map(jnp.zeros_like, params), jnp.zeros(()))
    sums, _ = jax.lax.scan(add, zeros, _cut((windows_BxT1, teacher_BxTxV), passes, student.devices))
    grads, next_token = jax.tree.map(lambda x: x / passes, sums)
    return grads, next_token


def teacher_logits(teacher: Teacher, params: Any, windows_BxT1: jax.Array) -> jax.Array:
    """The teacher's logits for a batch, pass by pass."""

    def one_pass(windows: jax.Array) -> jax.Array:
        return transformer.logits(params, windows[:, :-1], teacher.network)

    passes = windows_BxT1.shape[0] // (teacher.micro_windows * teacher.devices)
    if passes == 1:
        return one_pass(windows_BxT1)
    logits: jax.Array = jax.lax.map(one_pass, _cut(windows_BxT1, passes, teacher.devices))
    return _join(logits, teacher.devices)


def _cut(tree: Any, passes: int, devices: int) -> Any:
    """A batch as passes, to each of which every device brings windows of its own share."""

    def cut(x: jax.Array) -> jax.Array:
        shares = x.reshape(devices, passes, -1, *x.shape[1:])
        return shares.swapaxes(0, 1).reshape(passes, -1, *x.shape[1:])

    return jax.tree.map(cut, tree)


def _join(passes_x: jax.Array, devices: int) -> jax.Array:
    """The batch that `_cut` made the passes of."""
    shares = passes_x.reshape(passes_x.shape[0], devices, -1, *passes_x.shape[2:])
    return shares.swapaxes(0, 1).reshape(-1, *passes_x.shape[2:])


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
    change = _optimiser(student.network, numbers, step, _is_flat(student))
    updates, inner = change.update(grads, state["optimiser"], state["params"])
    return {"params": optax.apply_updates(state["params"], updates), "optimiser": inner}, next_token


@cache
def program(
    students: tuple[Student, ...], teacher: Teacher | None, devices: Devices | None = None
) -> Callable[..., Any]:
    """The compiled program of a group, on one device or on several.

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
            losses_SxR = losses_SxR.at[index].set(jnp.stack([loss for _, loss in pairs]))
            states = tuple(state for state, _ in pairs)
            if devices is not None:
                states, losses_SxR = devices.hold(states), devices.copied(losses_SxR)
            return states, losses_SxR

        empty = jnp.full((windows_SxBxT1.shape[0], len(students)), jnp.nan)
        # A traced number of steps: the last dispatch, and one cut short for a checkpoint, compile nothing.
        done: tuple[tuple[State, ...], jax.Array] = jax.lax.fori_loop(0, count, one_step, (states, empty))
        return done

    return jax.jit(run, donate_argnums=0)
