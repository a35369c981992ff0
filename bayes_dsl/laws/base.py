"""What a law is: an equation with named parameters, for one or more roles of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from bayes_dsl.errors import Fault, InputError

Support = Literal["positive", "real"]
Values = Mapping[str, jax.Array]
LogLoss = Callable[[Values, Values], jax.Array]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One coefficient of a law: its name in code, tables and plots, and what it means."""

    name: str
    symbol: str
    support: Support
    unit: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a law says about the runs of one role.

    `log_loss(parameters, inputs)` is a pure JAX function of two dicts, the inputs named as in `inputs`;
    it returns ln(loss in nats per token) and broadcasts over every array it is given.
    """

    name: str
    inputs: tuple[str, ...]
    log_loss: LogLoss


@dataclass(frozen=True, kw_only=True)
class Law:
    """An equation with named parameters: no probability, no data, no defaults. Hashable, never traced.

    `limits` states in words what the equation becomes at its edges; each is a test of the conformance
    suite. `tests/laws/test_conformance.py` runs over every registered law.
    """

    name: str
    parameters: tuple[Parameter, ...]
    roles: tuple[Role, ...]
    source: str
    limits: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    def explains(self, role: str) -> bool:
        return any(known.name == role for known in self.roles)

    def role(self, name: str) -> Role:
        for known in self.roles:
            if known.name == name:
                return known
        explained = ", ".join(role.name for role in self.roles)
        raise InputError(
            Fault(
                where=f"law {self.name}",
                what="role",
                value=name,
                rule=f"this law explains {explained} runs only",
                remedy="Choose a law that explains it, such as distillation",
            )
        )

    def log_loss(self, role: str, parameters: Values, inputs: Values) -> jax.Array:
        """ln(loss / (nats per token)) of runs of one role; arrays broadcast against each other."""
        return self.role(role).log_loss(parameters, inputs)

    def loss(self, role: str, parameters: Values, inputs: Values) -> jax.Array:
        """Loss in nats per token of runs of one role; arrays broadcast against each other."""
        return jnp.exp(self.log_loss(role, parameters, inputs))
