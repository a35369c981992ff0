"""Whether a posterior's draws can be used: R-hat, effective sample sizes, divergences and energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats import bfmi, ess, rhat

from bayes_dsl.inference.settings import CAREFUL

MOST_RHAT = 1.01
LEAST_ESS = 400.0
LEAST_EBFMI = 0.3
# Chains that disagree by more than this are in different places: more draws of them do not help.
HOPEFUL_RHAT = 1.1


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """The worst of each diagnostic over everything sampled and everything reported; empty `problems()` is usable.

    `worst` names the quantity behind each worst value.
    """

    rhat: float
    bulk_ess: float
    tail_ess: float
    divergences: int
    ebfmi: float
    draws: int
    at_most_depth: int
    worst: Mapping[str, str]

    def problems(self) -> tuple[str, ...]:
        """A sentence for every gate that is not passed, with what to do next."""
        found = []
        if not self.rhat < MOST_RHAT:
            found.append(
                f"R-hat = {self.rhat:.3f} at {self.worst['rhat']}; must be below {MOST_RHAT}: the chains "
                "disagree. Double --warmup and --draws, or look at `summary --plot`."
            )
        for name, value in (("bulk", self.bulk_ess), ("tail", self.tail_ess)):
            if not value > LEAST_ESS:
                found.append(
                    f"{name} ESS = {value:.0f} at {self.worst[name + '_ess']}; must be above {LEAST_ESS:.0f}: "
                    "too few independent draws. Double --draws."
                )
        if self.divergences:
            found.append(
                f"divergences = {self.divergences} of {self.draws} draws; must be 0: a region was not "
                f"explored, though fit takes smaller steps by itself (--target-accept up to {CAREFUL[-1]:g}). "
                "Look for odd rows (`bayes-dsl summary` names them), or fit a law of fewer coefficients."
            )
        if not self.ebfmi > LEAST_EBFMI:
            found.append(
                f"E-BFMI = {self.ebfmi:.2f}; must be above {LEAST_EBFMI}: the energy is explored slowly. "
                "Double --warmup, or give the noise a tighter prior."
            )
        return tuple(found)

    @property
    def short(self) -> bool:
        """Whether R-hat or ESS alone fall short, by so little that longer chains are likely to mend it."""
        enough = self.rhat < MOST_RHAT and min(self.bulk_ess, self.tail_ess) > LEAST_ESS
        sound = self.rhat < HOPEFUL_RHAT and self.divergences == 0 and self.ebfmi > LEAST_EBFMI
        return sound and not enough

    def line(self) -> str:
        """The diagnostics in one line."""
        return (
            f"R-hat {self.rhat:.3f}, ESS {self.bulk_ess:,.0f} bulk / {self.tail_ess:,.0f} tail, "
            f"{self.divergences} divergences in {self.draws:,} draws, E-BFMI {self.ebfmi:.2f}"
        )

    def __str__(self) -> str:
        return "\n".join((self.line(), *self.problems()))

    def to_record(self) -> dict[str, Any]:
        return {**asdict(self), "worst": dict(self.worst)}


def diagnose(sampled: xr.Dataset, reported: xr.Dataset, stats: xr.Dataset) -> Diagnostics:
    """Diagnostics of draws with dimensions chain and draw; `stats` holds diverging and energy."""
    rhats = {**_flat(rhat(sampled)), **_flat(rhat(reported))}
    bulk = {**_flat(ess(sampled, method="bulk")), **_flat(ess(reported, method="bulk"))}
    tail = {
        **_flat(ess(sampled, method="tail", prob=(0.05, 0.95))),
        **_flat(ess(reported, method="tail", prob=(0.05, 0.95))),
    }
    energy = float(np.min(np.asarray(bfmi(stats[["energy"]])["energy"])))
    worst_rhat = max(rhats, key=lambda name: _or(rhats[name], np.inf))
    worst_bulk = min(bulk, key=lambda name: _or(bulk[name], 0.0))
    worst_tail = min(tail, key=lambda name: _or(tail[name], 0.0))
    return Diagnostics(
        rhat=_or(rhats[worst_rhat], float("inf")),
        bulk_ess=_or(bulk[worst_bulk], 0.0),
        tail_ess=_or(tail[worst_tail], 0.0),
        divergences=int(stats["diverging"].sum()),
        ebfmi=energy,
        draws=int(stats["diverging"].size),
        at_most_depth=int(stats["reached_max_tree_depth"].sum()),
        worst={"rhat": worst_rhat, "bulk_ess": worst_bulk, "tail_ess": worst_tail},
    )


def _or(value: float, instead: float) -> float:
    """A diagnostic that cannot be computed (constant or infinite draws) counts as a failure."""
    return value if np.isfinite(value) else instead


def _flat(dataset: xr.Dataset) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, array in dataset.data_vars.items():
        values = np.atleast_1d(np.asarray(array))
        if array.ndim == 0:
            flat[str(name)] = float(values[0])
        else:
            labels = np.asarray(array[array.dims[0]])
            flat.update({f"{name}[{label}]": float(v) for label, v in zip(labels, values, strict=True)})
    return flat
