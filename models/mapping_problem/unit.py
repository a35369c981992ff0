"""One perceptron of the mapping problem, trained on labels or on a teacher's logits: the work of a unit.

Every batch is a pure function of the seed of the data and the step, so that a run that was stopped goes on from
its checkpoint to the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

from bayes_dsl.campaign import UnitRefused
from models import checkpoints, mlp, objectives
from models.mapping_problem.task import Samples, sample

Json = dict[str, Any]
State = dict[str, Any]
"""`params` and optax's `adam`."""

PARAMETERS, CHECKPOINT = "parameters.npz", "checkpoint.npz"
STEPS_BETWEEN_CHECKPOINTS = 2048
WARMUP_SHARE = 0.05
_INIT, _TRAIN, _EVAL = range(3)

_ADAM = optax.scale_by_adam()
_TEACHING = objectives.Objective()


def work(payload: Json, settings: Json, folder: Path, needs: Mapping[str, Path]) -> Json:
    """Train one network and say how well it does; its parameters stay in the folder.

    Parameters
    ----------
    payload : dict
        `width`, `steps`, `seed` of the initial parameters, `data_seed`; `teacher_width` where there is a teacher,
        which is then the only unit needed.
    settings : dict
        What all units of a plan share: `classes`, `copy_share`, `batch`, `peak_rate`, `mixing`, `temperature`,
        `eval_samples`, `eval_seed`.

    Returns
    -------
    dict
        `params`, `samples` (seen), and over the held-out samples `cross_entropy` to the labels and its standard
        error in nats, `accuracy` in all, of copies and of matches, and `teacher_kl` (None without a teacher).

    Raises
    ------
    UnitRefused
        The training diverged.
    """
    teacher = None
    if needs:
        (place,) = needs.values()
        like = _start(0, width=payload["teacher_width"], classes=settings["classes"])["params"]
        teacher = checkpoints.read(place / PARAMETERS, like)[0]
    state = train(payload, settings, folder, teacher)
    result = evaluate(settings, state["params"], teacher)
    checkpoints.save(folder / PARAMETERS, state["params"], {})
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return {
        "params": sum(leaf.size for leaf in jax.tree.leaves(state["params"])),
        "samples": payload["steps"] * settings["batch"],
        **result,
    }


def train(payload: Json, settings: Json, folder: Path, teacher: mlp.Params | None) -> State:
    """The trained network, from the folder's checkpoint where there is one."""
    state: State = _start(payload["seed"], width=payload["width"], classes=settings["classes"])
    done = 0
    if (folder / CHECKPOINT).exists():
        state, meta = checkpoints.read(folder / CHECKPOINT, state)
        done = meta["step"]
    key = jax.random.fold_in(jax.random.key(payload["data_seed"]), _TRAIN)
    numbers = {name: settings[name] for name in ("copy_share", "peak_rate", "mixing", "temperature")}
    while done < payload["steps"]:
        stop = min(done + STEPS_BETWEEN_CHECKPOINTS, payload["steps"])
        state = _advance(
            state,
            teacher,
            key,
            done,
            stop,
            payload["steps"],
            numbers,
            batch=settings["batch"],
            classes=settings["classes"],
        )
        done = stop
        if done < payload["steps"]:
            checkpoints.save(folder / CHECKPOINT, state, {"step": done})
    return state


def evaluate(settings: Json, params: mlp.Params, teacher: mlp.Params | None) -> Json:
    """Measures of a network on the held-out samples that all units of a plan share. See `work`."""
    key = jax.random.fold_in(jax.random.key(settings["eval_seed"]), _EVAL)
    size = {"batch": settings["eval_samples"], "classes": settings["classes"]}
    measures = _measures(params, teacher, key, settings["copy_share"], **size)
    found = {name: float(value) for name, value in measures.items()}
    if not math.isfinite(found["cross_entropy"]):
        raise UnitRefused(f"the training diverged: the cross-entropy is {found['cross_entropy']}")
    # A kind that the held-out samples lack has no accuracy.
    known: Json = {name: value if math.isfinite(value) else None for name, value in found.items()}
    return known if teacher is not None else {**known, "teacher_kl": None}


def rate(step: jax.Array, steps: jax.Array | int, peak: jax.Array | float) -> jax.Array:
    """The learning rate of a step: linear warm-up over 5 % of the steps, then a cosine to 0."""
    warmup = jnp.maximum(1.0, jnp.floor(WARMUP_SHARE * steps))
    share = (step - warmup) / jnp.maximum(1.0, steps - warmup)
    return peak * jnp.where(step < warmup, (step + 1) / warmup, 0.5 * (1 + jnp.cos(jnp.pi * share)))


@partial(jax.jit, static_argnames=("batch", "classes"))
def _advance(
    state: State,
    teacher: mlp.Params | None,
    key: jax.Array,
    start: int,
    stop: int,
    steps: int,
    numbers: dict[str, float],
    *,
    batch: int,
    classes: int,
) -> State:
    """The state after steps `start` to `stop`; one program for any number of them."""

    def step(number: jax.Array, state: State) -> State:
        drawn = sample(jax.random.fold_in(key, number), batch, classes, numbers["copy_share"])
        gradient = jax.grad(_loss)(state["params"], teacher, drawn, numbers)
        update, adam = _ADAM.update(gradient, state["adam"])
        scale = rate(number, steps, numbers["peak_rate"])
        params = jax.tree.map(lambda old, change: old - scale * change, state["params"], update)
        return {"params": params, "adam": adam}

    reached: State = jax.lax.fori_loop(start, stop, step, state)
    return reached


def _loss(
    params: mlp.Params, teacher: mlp.Params | None, samples: Samples, numbers: dict[str, float]
) -> jax.Array:
    """Cross-entropy to the labels, or to a teacher mixed with it (Eqs 4-6 of the paper)."""
    taught = None if teacher is None else mlp.logits(teacher, samples.inputs_BxI)
    loss, _ = objectives.student_loss(
        _TEACHING,
        mlp.logits(params, samples.inputs_BxI),
        taught,
        samples.labels_B,
        mixing=numbers["mixing"],
        temperature=numbers["temperature"],
        z_weight=0.0,
    )
    return loss


@partial(jax.jit, static_argnames=("batch", "classes"))
def _measures(
    params: mlp.Params,
    teacher: mlp.Params | None,
    key: jax.Array,
    copy_share: float,
    *,
    batch: int,
    classes: int,
) -> dict[str, jax.Array]:
    samples = sample(key, batch, classes, copy_share)
    logits_BxK = mlp.logits(params, samples.inputs_BxI)
    nll_B = objectives.nll(logits_BxK, samples.labels_B)
    right_B = jnp.argmax(logits_BxK, axis=1) == samples.labels_B
    found = {
        "cross_entropy": jnp.mean(nll_B),
        "cross_entropy_se": jnp.std(nll_B) / nll_B.size**0.5,
        "accuracy": jnp.mean(right_B),
        "copy_accuracy": jnp.mean(right_B, where=samples.is_copy_B),
        "match_accuracy": jnp.mean(right_B, where=~samples.is_copy_B),
    }
    if teacher is not None:
        kl_B = objectives.kl(mlp.logits(teacher, samples.inputs_BxI), logits_BxK)
        found["teacher_kl"] = jnp.mean(kl_B)
    return found


@partial(jax.jit, static_argnames=("width", "classes"))
def _start(seed: int, *, width: int, classes: int) -> State:
    key = jax.random.fold_in(jax.random.key(seed), _INIT)
    params = mlp.init(key, inputs=2 * classes, width=width, outputs=classes)
    return {"params": params, "adam": _ADAM.init(params)}
