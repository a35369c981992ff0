"""A joint density of a law's centred coordinates, which one study leaves to the next, whatever the next one's table.

The density p_0 stands on the coordinates z_0 about the centre of the study that it comes from. Another table has
another centre and samples other coordinates z of the same coefficients. What is believed about the coefficients must
not depend on that, so the density of z is

    p(z) = p_0(z_0(z)) |det dz_0/dz|,        z_0(z) = coordinates about the old centre of the coefficients at z.

For the package's laws the determinant is 1. From phi = (ln E, ln A, ln B, ln alpha, ln beta, ln gamma) to z every
coordinate is one of (ln E, ln m, logit w, ln alpha, ln beta, ln gamma) shifted by others, in an order without a circle,
and d(ln m, logit w) / d(ln A, ln B) has the determinant gamma up to its sign, about any centre. So |det dz/dphi| =
gamma for both centres and cancels; the distilled block is alike with gamma'. Coordinates of a law of your own have no
centre. The tests differentiate the map for every law. A normal or Student-t density of some of the coordinates has the
sub-block as its marginal, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import lgamma, log, pi
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.coordinates import Arrays, Coordinates, coordinates_of
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.supervised import SUPERVISED

JointFamily = Literal["normal", "student_t"]


@dataclass(frozen=True, kw_only=True)
class Joint:
    """A multivariate normal or Student-t density of coordinates about the centre of one study (a hashable value).

    Attributes
    ----------
    names : tuple of str
        The k coordinates, in the law's order.
    mean : tuple of float
        Where it is centred, (k,).
    covariance : tuple of tuple of float
        Of the density itself, (k, k): a Student-t's scale matrix is (df - 2) / df of it, so that the standard
        deviations are those stated, whatever the family.
    center : tuple of (str, float)
        The centre that the coordinates are about (`coordinates.CENTER_NAMES`).
    origin : str
        Where it comes from, in a line.
    family, df
        "normal", or "student_t" with `df` degrees of freedom, above 2.
    seen : tuple of int
        Digests of the runs that it was learnt from (`seen.py`).

    Raises
    ------
    InputError
        The covariance is not that of a density, or the numbers do not fit together.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    center: tuple[tuple[str, float], ...]
    origin: str
    family: JointFamily = "normal"
    df: float = 0.0
    seen: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        k = len(self.names)
        if len(self.mean) != k or np.shape(self.covariance) != (k, k) or k == 0:
            shape = f"{len(self.mean)} means, covariance {np.shape(self.covariance)}"
            raise _refused(
                self, "shape", shape, f"{k} coordinates have as many means and a square covariance"
            )
        if self.family not in ("normal", "student_t") or (self.family == "student_t" and not self.df > 2):
            value = f"{self.family}, df {self.df:g}"
            raise _refused(self, "family", value, "it is normal, or student_t with df above 2")
        try:
            whole = bool(np.all(np.isfinite(self.mean)) and np.all(np.isfinite(self.root)))
        except np.linalg.LinAlgError:
            whole = False
        if not whole:
            rule = "its means are finite and its covariance positive definite"
            raise _refused(self, "covariance", "singular or not finite", rule)

    @property
    def root(self) -> np.ndarray:
        """Lower Cholesky factor of the scale matrix, (k, k)."""
        share = 1.0 if self.family == "normal" else (self.df - 2.0) / self.df
        return np.linalg.cholesky(share * np.array(self.covariance))

    def inflated(self, factor: float) -> Joint:
        """The same belief with every standard deviation multiplied by `factor`, correlations as they are."""
        if not 0 < factor < float("inf"):
            raise _refused(self, "inflate", f"{factor:g}", "it is a finite factor above 0")
        covariance = tuple(tuple(value * factor**2 for value in row) for row in self.covariance)
        return replace(self, covariance=covariance)

    def marginal(self, names: Sequence[str]) -> Joint:
        """What it says of these of its coordinates alone, the others integrated out."""
        places = [self.names.index(name) for name in names]
        return replace(
            self,
            names=tuple(names),
            mean=tuple(self.mean[i] for i in places),
            covariance=tuple(tuple(self.covariance[i][j] for j in places) for i in places),
        )

    def numbers(self, law: Law, center: Mapping[str, float]) -> dict[str, Any]:
        """What the program needs of it as arrays, and where the sampler starts about the new centre."""
        root = self.root
        k, log_det = len(self.names), float(np.sum(np.log(np.diag(root))))
        constant = -0.5 * k * log(2.0 * pi)
        if self.family == "student_t":
            constant = lgamma((self.df + k) / 2) - lgamma(self.df / 2) - 0.5 * k * log(self.df * pi)
        start = self.moved(law, np.array(self.mean)[None], center)
        return {
            "center": dict(self.center),
            "mean": np.array(self.mean),
            "whiten": np.linalg.inv(root),
            "constant": constant - log_det,
            "df": float(self.df),
            "start": {name: float(values[0]) for name, values in start.items()},
        }

    def draws(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Coordinates about its own centre, (count, k)."""
        normals = rng.standard_normal((count, len(self.names)))
        if self.family == "student_t":
            normals *= np.sqrt(self.df / rng.chisquare(self.df, count))[:, None]
        drawn: np.ndarray = np.array(self.mean) + normals @ self.root.T
        return drawn

    def moved(self, law: Law, z: np.ndarray, center: Mapping[str, float]) -> dict[str, np.ndarray]:
        """Coordinates (count, k) about its own centre, as coordinates (count,) about another."""
        coordinates = _own(law, self)
        with jax.enable_x64(True):
            found = dict(zip(self.names, jnp.asarray(z).T, strict=True))
            here, there = ({n: jnp.asarray(v) for n, v in c.items()} for c in (dict(self.center), center))
            moved = coordinates.from_parameters(coordinates.to_parameters(found, here), there)
            return {name: np.asarray(moved[name], np.float64) for name in self.names}

    def to_record(self) -> dict[str, Any]:
        """As plain numbers for a file; `seen` is kept apart."""
        return {
            "names": list(self.names),
            "mean": list(self.mean),
            "covariance": [list(row) for row in self.covariance],
            "center": dict(self.center),
            "origin": self.origin,
            "family": self.family,
            "df": self.df,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], seen: Sequence[int] = ()) -> Joint:
        return cls(
            names=tuple(str(name) for name in record["names"]),
            mean=tuple(float(value) for value in record["mean"]),
            covariance=tuple(tuple(float(value) for value in row) for row in record["covariance"]),
            center=tuple((str(name), float(value)) for name, value in record["center"].items()),
            origin=str(record["origin"]),
            family=record["family"],
            df=float(record["df"]),
            seen=tuple(int(value) for value in seen),
        )


def joint_log_density(
    law: Law, names: Sequence[str], family: JointFamily, numbers: Mapping[str, Any], parameters: Arrays
) -> jax.Array:
    """ln p of a draw's coordinates, by its coefficients (`numbers` as `Joint.numbers` gives them): no Jacobian."""
    z = coordinates_of(law).from_parameters(parameters, numbers["center"])
    standard = numbers["whiten"] @ (jnp.stack([z[name] for name in names]) - numbers["mean"])
    squares = standard @ standard
    if family == "normal":
        return jnp.asarray(numbers["constant"] - 0.5 * squares)
    df = numbers["df"]
    return jnp.asarray(numbers["constant"] - 0.5 * (df + len(names)) * jnp.log1p(squares / df))


def _own(law: Law, joint: Joint) -> Coordinates:
    """The coordinates of the part of a law that the density is about: all of it, or its supervised part."""
    whole, part = coordinates_of(law), coordinates_of(SUPERVISED)
    if set(joint.names) == set(whole.names):
        return whole
    if set(joint.names) == set(part.names) < set(whole.names):
        return part
    rule = (
        f"the {law.name} law takes a density of all its coordinates, or of all those of its supervised part"
    )
    raise _refused(joint, "coordinates", ", ".join(joint.names), rule)


def _refused(joint: Joint, what: str, value: str, rule: str) -> InputError:
    remedy = "Give a proper density, such as Posterior.as_prior() or prior_from_published(...) makes"
    return InputError(
        Fault(where=f"prior from {joint.origin}", what=what, value=value, rule=rule, remedy=remedy)
    )
