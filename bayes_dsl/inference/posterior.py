"""The posterior: draws of a law's parameters with all that is needed to trust, save and question them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.errors import Fault, FileRefused, InputError, UnhealthyPosterior, UnknownName
from bayes_dsl.inference.carried import CarriedPrior, carried_posterior
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.diagnostics import Diagnostics
from bayes_dsl.inference.drift import Grid
from bayes_dsl.inference.identification import unidentified
from bayes_dsl.inference.intervals import interval
from bayes_dsl.inference.joint import Joint
from bayes_dsl.inference.misfit import BARE_LAW, DRIFT
from bayes_dsl.inference.paths import Drift, edges_of, paths
from bayes_dsl.inference.posterior_file import read_tree, write_tree
from bayes_dsl.inference.priors import Prior
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.registry import law as registered_law
from bayes_dsl.laws.registry import registered
from bayes_dsl.runs.table import RunTable

KEPT = ("seed", "counting", "prior", "center", "token_span", "notes", "diagnostics", "cost_model")
"""What every posterior's file holds, each readable by its name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """Draws of a law given a run table.

    `tree` is a plain ArviZ DataTree: groups `posterior` (the law's parameters under the law's names, noise,
    shared effects), `unconstrained_posterior` (the coordinates that were sampled), `sample_stats`,
    `log_likelihood`, `observed_data`, `constant_data` (with the table itself), `prior`, and `misfit` where the
    world may leave the law (its paths beyond the data); its root attributes say how it was made.
    Opens and forecasts without NumPyro.
    """

    law: Law
    tree: xr.DataTree

    @classmethod
    def load(cls, path: str | Path, *, law: Law | None = None) -> Posterior:
        """Open a saved posterior; `law` is needed only for a law of your own, which no file can hold.

        Raises
        ------
        FileRefused
            The file is damaged, hostile, of a foreign version, or of another law.
        """
        tree = read_tree(Path(path))
        name = str(tree.attrs.get("law", ""))
        if law is None:
            known = {known.name for known in registered()}
            if name not in known:
                raise FileRefused(
                    _fault(
                        Path(path).name,
                        "law",
                        name,
                        "is not one of the package's laws",
                        "Pass law=... to load",
                    )
                )
            law = registered_law(name)
        posterior = cls(law=law, tree=tree)
        missing = [p for p in law.names if p not in tree["posterior"].data_vars]
        if name != law.name or missing:
            raise FileRefused(
                _fault(
                    Path(path).name,
                    "law",
                    name,
                    f"is not the {law.name} law" + (f", it lacks {', '.join(missing)}" if missing else ""),
                    "Pass the law that the posterior was sampled with",
                )
            )
        posterior._refuse_incomplete(Path(path).name)
        return posterior

    def save(self, path: str | Path) -> None:
        """Write the posterior as netCDF, whole or not at all, with checksums; `arviz.from_netcdf` opens it."""
        write_tree(self.tree, Path(path))

    def draws(self, name: str) -> np.ndarray:
        """All draws of one quantity of the posterior group, shape (draws, ...), chain after chain."""
        group = self.tree["posterior"]
        if name not in group.data_vars:
            raise UnknownName(
                _fault(
                    "Posterior.draws",
                    "name",
                    name,
                    "is not in the posterior",
                    f"The names are {', '.join(str(n) for n in group.data_vars)}",
                )
            )
        return self._flat("posterior", name)

    def _flat(self, group: str, name: str) -> np.ndarray:
        """An array (chain, draw, ...) of a group, chain after chain."""
        values = np.asarray(self.tree[group][name])
        return values.reshape(-1, *values.shape[2:])

    def has(self, name: str) -> bool:
        """Whether the posterior group holds this quantity."""
        return name in self.tree["posterior"].data_vars

    def law_draws(self) -> dict[str, np.ndarray]:
        """Draws of the law's parameters, each (draws,)."""
        return {name: self.draws(name) for name in self.law.names}

    def interval(
        self, names: Iterable[str] | None = None, *, prob: float = 0.9, kind: str = "eti"
    ) -> pd.DataFrame:
        """Mean, sd, median and credible interval of the scalar quantities, one row each."""
        group = self.tree["posterior"]
        chosen = (
            list(names)
            if names is not None
            else [str(n) for n, values in group.data_vars.items() if values.ndim == 2]
        )
        rows = []
        for name in chosen:
            draws = self.draws(name)
            lower, upper = interval(draws, prob=prob, kind=kind)
            rows.append((draws.mean(), draws.std(ddof=1), np.median(draws), lower, upper))
        columns = ["mean", "sd", "median", "lower", "upper"]
        frame = pd.DataFrame(rows, index=pd.Index(chosen, name="parameter"), columns=columns)
        frame.attrs.update(prob=prob, kind=kind)
        return frame

    def unidentified(self) -> tuple[str, ...]:
        """A sentence for every coefficient of the law that the data do not identify."""
        prior = self.tree["prior"]
        names = [str(name) for name in prior.data_vars]
        return unidentified(
            self.law,
            {name: self.draws(name) for name in names},
            {name: np.asarray(prior[name]).ravel() for name in names},
            carried=self.prior.joint is not None,
        )

    @cached_property
    def diagnostics(self) -> Diagnostics:
        return Diagnostics(**self._json("diagnostics"))

    @property
    def healthy(self) -> bool:
        return not self.diagnostics.problems()

    def require_healthy(self, accept: bool = False) -> None:
        """Raise `UnhealthyPosterior` unless the health gate was passed, or `accept` says to go on."""
        if not accept and not self.healthy:
            raise UnhealthyPosterior(
                "posterior: health gate not passed; "
                + " ".join(self.diagnostics.problems())
                + " To use it all the same, pass --accept-unhealthy (accept_unhealthy=True)."
            )

    @cached_property
    def prior(self) -> Prior:
        if "prior_joint" not in self.tree.attrs:
            return Prior.from_records(self._json("prior"))
        seen = np.asarray(self.tree["constant_data"]["prior_seen"], np.int64).tolist()
        joint = Joint.from_record(self._json("prior_joint"), seen)
        return Prior.from_records(self._json("prior"), joint)

    @property
    def prior_origin(self) -> str | None:
        """Whence the coefficients' prior, in a line; None where it was of independent densities."""
        return None if self.prior.joint is None else self.prior.joint.origin

    def as_prior(self, *, inflate: float = 1.0, accept_unhealthy: bool = False) -> CarriedPrior:
        """What these draws say of the law's coefficients, as the prior of a study of other runs.

        The normal density with the mean and covariance of the draws in this table's centred coordinates; noise,
        shared effects and misfit are not carried (`carried.py`).
        `inflate` multiplies every standard deviation, for a study that is only alike.

        Raises
        ------
        UnhealthyPosterior
            The draws failed the health gate, and `accept_unhealthy` does not accept that.
        """
        self.require_healthy(accept_unhealthy)
        names = coordinates_of(self.law).names
        carried = carried_posterior(
            self.law,
            {name: self._flat("unconstrained_posterior", name) for name in names},
            center=self.center,
            table=self.table,
            former=self.prior.joint,
        )
        return carried.inflated(inflate)

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self._json("settings"))

    @property
    def versions(self) -> dict[str, str]:
        return dict(self._json("versions"))

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._json("notes"))

    @property
    def center(self) -> dict[str, float]:
        return dict(self._json("center"))

    @property
    def token_span(self) -> dict[str, dict[str, float]]:
        """Where each role's noise scale is held: center, low and high in ln tokens."""
        return dict(self._json("token_span"))

    @property
    def seed(self) -> int:
        return int(self.tree.attrs["seed"])

    @property
    def misfit(self) -> str:
        """ "none" (the bare law) or "drift"."""
        return str(self.tree.attrs.get("misfit", BARE_LAW))

    @cached_property
    def grids(self) -> dict[str, Grid]:
        """Knots of the misfit's paths by axis; none for the bare law."""
        if self.misfit == BARE_LAW:
            return {}
        return {axis: Grid.from_record(record) for axis, record in self._json("misfit_grids").items()}

    @cached_property
    def drift(self) -> Drift | None:
        """The misfit's path of every draw along each axis, its knots (draw, knot); None for the bare law."""
        if not self.grids:
            return None
        with jax.enable_x64(True):
            return paths(
                self.grids,
                rho={axis: self.draws(f"drift_{axis}") for axis in self.grids},
                edge={axis: self.draws(name) for axis, name in edges_of(self.grids).items()},
                sampled={axis: self._flat("unconstrained_posterior", f"steps_{axis}") for axis in self.grids},
                drawn={axis: self._flat("misfit", f"beyond_{axis}") for axis in self.grids},
            )

    @property
    def table_sha256(self) -> str:
        return str(self.tree.attrs["table_sha256"])

    @property
    def counting(self) -> str | None:
        return str(self.tree.attrs["counting"]) or None

    @cached_property
    def cost_model(self) -> CostModel | None:
        """What training and inference cost, where it was stated with the table; None where it was not."""
        record = str(self.tree.attrs.get("cost_model", ""))
        return CostModel.from_record(json.loads(record)) if record else None

    @cached_property
    def table(self) -> RunTable:
        """The run table that the posterior was conditioned on, every row of it."""
        data = np.asarray(self.tree["constant_data"]["table_csv"], dtype=np.uint8).tobytes()
        return RunTable.from_csv_text(data.decode("utf-8"), source=str(self.tree.attrs["table_source"]))

    def _refuse_incomplete(self, where: str) -> None:
        """A tree can be whole to its checksum and yet not be what `fit` gives."""
        try:
            for name in KEPT:
                getattr(self, name)
            self.diagnostics.line()
            self._refuse_unknown_misfit()
            self.tree["constant_data"]["table_csv"]
        except (KeyError, TypeError, ValueError, InputError) as error:
            reason = f"{type(error).__name__} {' '.join(str(error).split())}"
            rule = "a posterior that was sampled and saved holds this"
            raise FileRefused(_fault(where, "contents", reason, rule, "Fit again")) from error

    def bare(self) -> Posterior:
        """The same draws of the law, taken to hold exactly: no posterior of its own, but a part of this one."""
        tree = self.tree.copy()
        tree.attrs["misfit"] = BARE_LAW
        return replace(self, tree=tree)

    def _refuse_unknown_misfit(self) -> None:
        if self.misfit not in (BARE_LAW, DRIFT):
            raise ValueError(f"misfit {self.misfit}")
        draws = len(self.draws(self.law.names[0]))
        for axis, grid in self.grids.items():
            sampled, far = (
                self._flat("unconstrained_posterior", f"steps_{axis}"),
                self._flat("misfit", f"beyond_{axis}"),
            )
            if sampled.shape != (draws, grid.sampled) or far.shape != (draws, grid.below + grid.above):
                raise ValueError(f"misfit paths {axis}: {sampled.shape} and {far.shape}")

    def _json(self, name: str) -> Any:
        return json.loads(str(self.tree.attrs[name]))


def _fault(where: str, what: str, value: str, rule: str, remedy: str) -> Fault:
    return Fault(where=where, what=what, value=value, rule=rule, remedy=remedy)
