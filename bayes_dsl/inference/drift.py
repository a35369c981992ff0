"""Monotone paths: x -> x + drift, whose slope starts at 1 and wanders as the exponential of a Brownian motion.

A path warps one logarithm (of size, tokens or loss). Knots stand `step` decades apart, knot 0 at the origin, where
the path neither moves nor turns; with innovations v ~ N(0, 1) between neighbouring knots and a scale rho,

    ln c_k = rho sqrt(step) (sum of the v from knot 0 to knot k),      slope(t) = sum_k c_k b(t / step - k),

b being the quadratic B-spline. So rho is the relative standard deviation of a local exponent after one decade, the
slope is positive everywhere, and a path has two continuous derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

LN10 = float(np.log(10.0))
# Steps of Newton's within a cell: its slope hardly changes there.
NEWTON = 5


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Knots of one path.

    A logarithm u stands at t = (u - origin) / unit decades. `low` and `high` are the data's smallest and largest t;
    the knots first..last bear on them and are sampled with the law, those out to lowest and highest, `reach` decades
    beyond the data, are drawn.
    """

    origin: float
    unit: float
    step: float
    low: float
    high: float
    first: int
    last: int
    lowest: int
    highest: int
    reach: float

    def __post_init__(self) -> None:
        order = (self.lowest, self.first, -1), (1, self.last, self.highest)
        if any(sorted(knots) != list(knots) for knots in order) or not self.step > 0 or self.unit == 0:
            raise ValueError(f"no grid of knots: {asdict(self)}")

    @property
    def sampled(self) -> int:
        """Innovations that are sampled with the law."""
        return self.last - self.first

    @property
    def below(self) -> int:
        """Innovations drawn below the data's knots."""
        return self.first - self.lowest

    @property
    def above(self) -> int:
        """Innovations drawn above the data's knots."""
        return self.highest - self.last

    def edged(self, first: int, last: int) -> np.ndarray:
        """Which innovations between knots first and last lie above the data, (knot - 1,)."""
        knots = np.arange(first, last + 1)
        return np.asarray(knots[knots != 0] * self.step > self.high)

    def ends(self) -> tuple[float, float]:
        """The smallest and largest value (of size or tokens) within reach."""
        low, high = ((t * self.unit + self.origin) for t in (self.low - self.reach, self.high + self.reach))
        return float(np.exp(min(low, high))), float(np.exp(max(low, high)))

    def numbers(self, first: int, last: int) -> dict[str, Any]:
        """What `log_rates` and `path_of` read of a path whose knots are first..last, as arrays."""
        return {
            **{"origin": self.origin, "unit": self.unit, "step": self.step, "lowest": first},
            "sums": sums(first, last - first),
            "starts": self.step * starts(first, last - first),
        }

    def to_record(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Grid:
        knots = ("first", "last", "lowest", "highest")
        numbers: dict[str, Any] = {name: float(value) for name, value in record.items()}
        return cls(**{**numbers, **{name: int(record[name]) for name in knots}})


def grid_over(
    logs: np.ndarray,
    *,
    origin: float,
    unit: float,
    least_step: float,
    cells: int,
    spare: int,
    reach: float,
    also: np.ndarray | None = None,
    filled: bool = False,
) -> Grid:
    """Knots over the data's logarithms, with `spare` more at each end, and on to `reach` decades beyond.

    `also` are logarithms that are no data of the path's own, where the program evaluates it nevertheless. `filled`:
    as many knots are sampled where fewer than `cells` would do, so that most tables share one compiled sampler.
    """
    t = (np.asarray(logs, dtype=np.float64) - origin) / unit
    low, high = min(float(t.min()), 0.0), max(float(t.max()), 0.0)
    step = max(least_step, (high - low) / cells)
    others = t if also is None else (np.asarray(also, dtype=np.float64) - origin) / unit
    least, most = min(low, float(others.min())), max(high, float(others.max()))
    first, last = round(least / step) - 1 - spare, round(most / step) + 1 + spare
    last = max(last, first + cells + 2 * (1 + spare)) if filled else last
    return Grid(
        origin=origin,
        unit=unit,
        step=step,
        low=low,
        high=high,
        first=first,
        last=last,
        lowest=round((least - reach) / step) - 1 - spare,
        highest=max(last, round((most + reach) / step) + 1 + spare),
        reach=reach,
    )


def log_rates(numbers: Mapping[str, Any], innovations: jax.Array, scales: jax.Array) -> jax.Array:
    """ln c_k of all knots from innovations (..., knots - 1), one for each knot but 0, and their scales."""
    logs: jax.Array = (innovations * scales) @ numbers["sums"].T
    return logs


def sums(first: int, steps: int) -> np.ndarray:
    """Which innovations lie between knot 0 and each knot, (knot, step) of 0 and 1."""
    knots = np.arange(first, first + steps + 1)
    crossed = knots[knots != 0]
    outward = np.sign(knots)[:, None] == np.sign(crossed)
    return np.asarray(outward & (np.abs(crossed) <= np.abs(knots)[:, None]), dtype=np.float64)


def starts(first: int, steps: int) -> np.ndarray:
    """What each knot's c adds to the path, in steps, where the cells begin, half a step before each inner knot.

    (knot, knot - 2), knots being first..first + steps.
    """
    cells = steps - 1
    whole = sum(np.eye(cells + 2, cells, -i) * share for i, share in enumerate((1 / 6, 4 / 6, 1 / 6)))
    climbed = whole @ np.tri(cells, k=-1).T
    at_zero = climbed[:, -first - 1].copy()
    at_zero[-first - 1 : -first + 2] += np.array([0.875, 2.0, 0.125]) / 6.0
    return np.asarray(climbed - at_zero[:, None])


def risen(v: np.ndarray) -> np.ndarray:
    """The integral of the quadratic B-spline on (-3/2, 3/2) up to v: 0 before it, 1 after it."""
    far = np.minimum(np.abs(v), 1.5)
    half = np.where(far <= 0.5, far * (0.75 - far * far / 3.0), 0.5 - (1.5 - far) ** 3 / 6.0)
    return np.asarray(0.5 + np.sign(v) * half)


def climbs(t: np.ndarray, first: int, knots: int, step: float) -> np.ndarray:
    """What each knot's c adds to the path at t, (..., knot), where t lies among the knots."""
    k = first + np.arange(knots)
    return np.asarray(step * (risen(t[..., None] / step - k) - risen(-k.astype(np.float64))))


class AtRuns(NamedTuple):
    """A path at places that never change: `climbs` (run, knot), in units of the logarithm, times `rates` (knot,)."""

    origin: jax.Array
    climbs: jax.Array
    rates: jax.Array

    def __call__(self, _: jax.Array) -> jax.Array:
        return self.origin + self.climbs @ self.rates


class Path(NamedTuple):
    """A path at any places: `rates` (..., knot) are its slopes at the knots from `lowest` on.

    `climbed` (..., knot - 2) is the path where each inner knot's cell begins, half a step before the knot. Each
    place reads the three knots around it; beyond the knots the slope is held, so that a path is somewhere everywhere.
    """

    origin: jax.Array
    unit: jax.Array
    step: jax.Array
    lowest: jax.Array
    rates: jax.Array
    climbed: jax.Array

    def __call__(self, log_value: jax.Array) -> jax.Array:
        place, inside, cell, u = _cell_of(self, log_value)
        climbed, before, here, after = _read(self, cell)
        beyond = place - inside
        held = _held(beyond < 0, before, here, after)
        partial = _risen_in(u, before, here, after)
        return self.origin + self.unit * (climbed + self.step * (partial + beyond * held))

    def slope(self, log_value: jax.Array) -> jax.Array:
        """How fast the path rises at a place."""
        place, inside, cell, u = _cell_of(self, log_value)
        _, before, here, after = _read(self, cell)
        return jnp.where(
            place == inside, _rise(u, before, here, after), _held(place < inside, before, here, after)
        )

    def inverse(self, log_value: jax.Array) -> jax.Array:
        """Where the path reaches a value; differentiable by it, and by nothing else."""
        height = (log_value - self.origin) / self.unit
        height = jnp.broadcast_to(height, jnp.broadcast_shapes(height.shape, self.rates.shape[:-1]))
        cells = self.rates.shape[-1] - 2
        cell = jnp.clip(jnp.sum(self.climbed <= height[..., None], axis=-1) - 1, 0, cells - 1)
        climbed, before, here, after = _read(self, cell)
        goal = (height - climbed) / self.step
        whole = (before + 4.0 * here + after) / 6.0
        fixed = jax.lax.stop_gradient(goal)
        u = jnp.clip(fixed / whole, 0.0, 1.0)

        def newton(_: int, u: jax.Array) -> jax.Array:
            miss = _risen_in(u, before, here, after) - fixed
            better: jax.Array = jnp.clip(u - miss / _rise(u, before, here, after), 0.0, 1.0)
            return better

        u = jax.lax.fori_loop(0, NEWTON, newton, u)
        # Beyond the knots the slope is held; inside, this is one more step of Newton's.
        beyond = jnp.where(u <= 0.0, goal, goal - whole)
        outside = ((cell == 0) & (fixed < 0)) | ((cell == cells - 1) & (fixed > whole))
        step = (goal - _risen_in(u, before, here, after)) / _rise(u, before, here, after)
        u = u + jnp.where(outside, beyond / _held(u <= 0.0, before, here, after), step)
        found: jax.Array = self.origin + self.unit * self.step * (cell + self.lowest + 0.5 + u)
        return found


def _cell_of(path: Path, log_value: jax.Array) -> tuple[jax.Array, ...]:
    """Where a value stands, in steps: there, within the knots, in which cell, and how far into it (0 to 1)."""
    rates = path.rates
    place = (log_value - path.origin) / path.unit / path.step
    place = jnp.broadcast_to(place, jnp.broadcast_shapes(place.shape, rates.shape[:-1]))
    inside = jnp.clip(place, path.lowest + 0.5, path.lowest + rates.shape[-1] - 1.5)
    cell = jnp.floor(inside + 0.5).astype(jnp.int32) - path.lowest - 1
    cell = jnp.clip(cell, 0, rates.shape[-1] - 3)
    return place, inside, cell, inside + 0.5 - (cell + path.lowest + 1)


def _read(path: Path, cell: jax.Array) -> tuple[jax.Array, ...]:
    """What the cells of some places start from, and the slopes of the three knots that bear on each."""
    tables = path.climbed, path.rates[..., :-2], path.rates[..., 1:-1], path.rates[..., 2:]
    front = (1,) * (cell.ndim + 1 - path.rates.ndim)
    return tuple(
        jnp.take_along_axis(table.reshape(front + table.shape), cell[..., None], axis=-1)[..., 0]
        for table in tables
    )


def _risen_in(u: jax.Array, before: jax.Array, here: jax.Array, after: jax.Array) -> jax.Array:
    """The rise from a cell's start to `u` of it, in steps."""
    rise: jax.Array = (
        before * (1.0 - (1.0 - u) ** 3) + here * u * (3.0 + u * (3.0 - 2.0 * u)) + after * u**3
    ) / 6.0
    return rise


def _rise(u: jax.Array, before: jax.Array, here: jax.Array, after: jax.Array) -> jax.Array:
    """The slope at `u` of a cell."""
    slope: jax.Array = (before * (1.0 - u) ** 2 + here * (1.0 + 2.0 * u * (1.0 - u)) + after * u**2) / 2.0
    return slope


def _held(low_end: jax.Array, before: jax.Array, here: jax.Array, after: jax.Array) -> jax.Array:
    """The slope beyond the first (`low_end`) or the last cell."""
    return jnp.where(low_end, before + here, here + after) / 2.0


def path_of(numbers: Mapping[str, Any], rates: jax.Array) -> Path:
    """The path with these slopes at its knots, (..., knot); `numbers` are those of its grid."""
    places = {name: jnp.asarray(numbers[name]) for name in ("origin", "unit", "step", "lowest")}
    return Path(**places, rates=rates, climbed=rates @ numbers["starts"])
