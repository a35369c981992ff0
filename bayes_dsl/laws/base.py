"""What a law is: an equation with named parameters, for one or more roles of a run."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from bayes_dsl.errors import Fault, InputError

Support = Literal["positive", "real"]
Values = Mapping[str, jax.Array]
LogLoss = Callable[[Values, Values], jax.Array]


class GapInputs(NamedTuple):
    """What the gap between a student and its teacher depends on, in natural logarithms.

    The student's parameters and tokens, its teacher's loss in nats per token, and that loss over the one the student
    would reach without a teacher.
    """

    log_params: jax.Array
    log_tokens: jax.Array
    log_teacher_loss: jax.Array
    log_ratio: jax.Array


LogGap = Callable[[Values, GapInputs], jax.Array]

ROLES = ("supervised", "distilled")
"""How a run can have been trained, as the run table says it."""

INPUT_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "N": "params",
        "D": "tokens",
        "U": "unique_tokens",
        "N_S": "params",
        "D_S": "tokens",
        "L_T": "teacher_loss",
    }
)
"""The column of the run table that holds each input of a law: parameters, tokens, nats per token."""


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
    it returns ln(loss in nats per token) and broadcasts over every array it is given. `log_gap(parameters,
    inputs)` is, for distilled runs whose loss is their teacher's and a gap, ln(gap / (nats per token)).
    """

    name: str
    inputs: tuple[str, ...]
    log_loss: LogLoss
    log_gap: LogGap | None = None


@dataclass(frozen=True, kw_only=True)
class Law:
    """An equation with named parameters: no probability, no data, no defaults. Hashable, never traced.

    Attributes
    ----------
    name : str
        What tables and messages call it.
    parameters : tuple of Parameter
        Its coefficients; their names are those of every draw, table and plot.
    roles : tuple of Role
        The equation for each role of a run that the law explains.
    source : str
        Where the equation comes from.
    limits : tuple of str
        What the equation becomes at its edges; each is a test of the conformance suite, which runs over
        every registered law.

    Raises
    ------
    InputError
        No role, a repeated name, a parameter whose name cannot be a keyword argument, or a role or input that
        the run table does not have; every breach is listed.
    """

    name: str
    parameters: tuple[Parameter, ...]
    roles: tuple[Role, ...]
    source: str
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise InputError(faults)

    def _faults(self) -> Iterator[Fault]:
        where = f"law {self.name}"
        roles = tuple(role.name for role in self.roles)
        if not roles:
            rule = "a law explains the runs of at least one role"
            yield Fault(where=where, what="roles", value="()", rule=rule, remedy="Give it a Role")
        for what, given in (("parameter", self.names), ("role", roles)):
            for name in sorted({name for name in given if given.count(name) > 1}):
                rule = f"each {what} has a name of its own"
                yield Fault(where=where, what=what, value=name, rule=rule, remedy="Rename one of them")
        for name in self.names:
            if not name.isidentifier() or keyword.iskeyword(name):
                rule = "the name of a parameter is a Python name"
                remedy = "Use letters, digits and underscores, such as A_prime"
                yield Fault(where=where, what="parameter", value=repr(name), rule=rule, remedy=remedy)
        for what, given, known in (
            ("role", roles, ROLES),
            ("input", tuple(name for role in self.roles for name in role.inputs), tuple(INPUT_COLUMNS)),
        ):
            for name in dict.fromkeys(name for name in given if name not in known):
                rule = f"the run table has no such {what}"
                yield Fault(
                    where=where, what=what, value=name, rule=rule, remedy=f"Choose from {', '.join(known)}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in the law's order."""
        return tuple(parameter.name for parameter in self.parameters)

    def explains(self, role: str) -> bool:
        """Whether the law says anything about runs of this role."""
        return any(known.name == role for known in self.roles)

    def takes(self, name: str) -> bool:
        """Whether any role of the law has this input."""
        return any(name in role.inputs for role in self.roles)

    def role(self, name: str) -> Role:
        """The equation for the runs of one role.

        Raises
        ------
        InputError
            The law does not explain runs of that role.
        """
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

    def log_loss(
        self, role: str, parameters: Mapping[str, ArrayLike], inputs: Mapping[str, ArrayLike]
    ) -> jax.Array:
        """ln(loss / (nats per token)) of runs of one role; arrays broadcast against each other.

        In float64 only inside JAX's scoped context (`with jax.enable_x64(True)`). The registered laws and
        their gradients are finite for params 1e3 to 1e13, tokens 1e5 to 1e18 and teachers' losses from E to
        11 in both precisions; at published coefficients float32 is within 2e-6 of float64.

        Parameters
        ----------
        role : str
            A role that the law explains.
        parameters : mapping of str to array_like
            A value for each of the law's parameters; others are ignored, so that one set of draws serves
            a law and the laws inside it.
        inputs : mapping of str to array_like
            A value for each input of the role (`N`, `D`, `U`: parameters, tokens, distinct
            tokens; `L_T`: nats per token).
            Integers are taken as floats: 32-bit ones would overflow.

        Raises
        ------
        InputError
            The law lacks the role, or a parameter or input is missing.
        """
        known = self.role(role)
        return known.log_loss(
            _arrays(self.names, parameters, where=f"law {self.name}", what="parameters"),
            _arrays(known.inputs, inputs, where=f"law {self.name}, {role} runs", what="inputs"),
        )

    def loss(
        self, role: str, parameters: Mapping[str, ArrayLike], inputs: Mapping[str, ArrayLike]
    ) -> jax.Array:
        """Loss in nats per token of runs of one role: the exponential of `log_loss`, called the same way."""
        return jnp.exp(self.log_loss(role, parameters, inputs))


def _arrays(names: tuple[str, ...], given: Mapping[str, ArrayLike], *, where: str, what: str) -> Values:
    """The named values as floating-point arrays."""
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(
            Fault(
                where=where,
                what=what,
                value=", ".join(sorted(given)) or "none",
                rule=f"{', '.join(missing)} missing",
                remedy=f"Give {', '.join(names)}",
            )
        )
    return {name: _floating(given[name]) for name in names}


def _floating(value: ArrayLike) -> jax.Array:
    # Token counts come as 64-bit integers, which JAX in its default mode would cut to 32 bits.
    if isinstance(value, int):
        return jnp.asarray(float(value))
    if isinstance(value, np.ndarray | np.generic) and not np.issubdtype(value.dtype, np.floating):
        return jnp.asarray(value.astype(np.float64))
    return jnp.asarray(value)
