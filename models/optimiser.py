"""AdamW with muP's rates and a schedule, every number of which is a traced argument."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from models.recipe import Recipe


class Settings(NamedTuple):
    """The numbers of one run, as scalars (float32 or int32): changing them compiles nothing anew."""

    steps: Any
    warmup: Any
    cooldown_start: Any
    is_wsd: Any
    peak_rate: Any
    final_rate: Any
    weight_decay: Any
    beta1: Any
    beta2: Any
    epsilon: Any
    clip: Any
    z_weight: Any
    mixing: Any
    temperature: Any


def settings(recipe: Recipe, *, steps: int, mixing: float = 1.0, temperature: float = 1.0) -> Settings:
    """The numbers of a run of `steps` steps.

    `mixing` and `temperature` are lambda and tau of the student's loss; without a teacher nothing reads them.
    """
    return Settings(
        steps=np.int32(steps),
        warmup=np.int32(recipe.warmup(steps)),
        cooldown_start=np.int32(recipe.cooldown_start(steps)),
        is_wsd=np.bool_(recipe.schedule == "wsd"),
        peak_rate=np.float32(recipe.peak_rate),
        final_rate=np.float32(recipe.final_rate),
        weight_decay=np.float32(recipe.weight_decay),
        beta1=np.float32(recipe.beta1),
        beta2=np.float32(recipe.beta2),
        epsilon=np.float32(recipe.epsilon),
        clip=np.float32(recipe.clip),
        z_weight=np.float32(recipe.z_weight),
        mixing=np.float32(mixing),
        temperature=np.float32(temperature),
    )


def rate(step: Any, numbers: Settings) -> jax.Array:
    """Learning rate of the update that follows `step` earlier ones.

    Linear warm-up: (step + 1) / warmup of the peak. Then, with x running from 0 to 1 at the last step,
    final + (1 - final) (1 + cos(pi x)) / 2 of the peak; or, in a WSD run, the peak until `cooldown_start` and
    1 - (1 - final) x from there.
    """
    last = numbers.steps - 1
    begins = jnp.where(numbers.is_wsd, numbers.cooldown_start - 1, numbers.warmup - 1)
    # A run that is all warm-up, or has one step, has no decay: the length only keeps the share finite.
    share = jnp.clip((step - begins) / jnp.maximum(1, last - begins), 0.0, 1.0)
    cosine = numbers.final_rate + (1 - numbers.final_rate) * 0.5 * (1 + jnp.cos(jnp.pi * share))
    straight = 1 - (1 - numbers.final_rate) * share
    warm = jnp.minimum(1.0, (step + 1) / numbers.warmup)
    return jnp.asarray(numbers.peak_rate * warm * jnp.where(numbers.is_wsd, straight, cosine))


def optimiser(
    numbers: Settings, learning_rate: Any, *, multipliers: Any, decays: Any, flat: bool = False
) -> optax.GradientTransformation:
    """Clip by the global norm, then AdamW, each parameter's update times its muP multiplier.

    The decay is AdamW's as optax has it: an update takes learning_rate * multiplier * weight_decay of a
    parameter away, where `decays` says so.

    Parameters
    ----------
    numbers, learning_rate
        Plain or traced numbers: the state does not depend on them.
    multipliers, decays
        Trees like the parameters, of floats and of bools.
    flat
        Whether the moments are one vector in place of an array for each parameter: less to compile and to
        dispatch, at the price of a copy of the gradient.
    """
    clipped_adam = optax.chain(
        optax.clip_by_global_norm(numbers.clip),
        optax.scale_by_adam(b1=numbers.beta1, b2=numbers.beta2, eps=numbers.epsilon),
    )
    return optax.chain(
        optax.flatten(clipped_adam) if flat else clipped_adam,
        optax.add_decayed_weights(numbers.weight_decay, mask=decays),
        optax.stateless(lambda updates, _: jax.tree.map(jnp.multiply, updates, multipliers)),
        optax.scale_by_learning_rate(learning_rate),
    )
