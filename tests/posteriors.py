"""Posteriors made by hand around a known truth, in the form that `fit` gives them, without sampling."""

from __future__ import annotations

import json
from collections.abc import Mapping

import jax
import numpy as np
import xarray as xr
from scipy import stats

from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Prior, default_prior
from bayes_dsl.laws.base import Law
from bayes_dsl.runs.table import RunTable

CHAINS, DRAWS = 2, 150
HEALTHY = {
    "rhat": 1.001,
    "bulk_ess": 900.0,
    "tail_ess": 800.0,
    "divergences": 0,
    "ebfmi": 0.9,
    "draws": CHAINS * DRAWS,
    "at_most_depth": 0,
    "worst": {"rhat": "E", "bulk_ess": "E", "tail_ess": "E"},
}


def posterior_around(
    law: Law,
    truth: Mapping[str, float],
    table: RunTable,
    *,
    sigma: float = 0.005,
    spread: float = 1e-3,
    seed: int = 0,
    diagnostics: Mapping[str, object] | None = None,
    prior: Prior | None = None,
) -> Posterior:
    """Draws that scatter by `spread` (relative) about the truth; noise `sigma`, no shared effects."""
    prior = default_prior(law, typical_loss=2.5) if prior is None else prior
    rng = np.random.default_rng(seed)
    shape = (CHAINS, DRAWS)
    observations = observe(table, law=law, prior=prior)
    structure, data = observations.structure, observations.data
    draws = {name: truth[name] * np.exp(spread * rng.standard_normal(shape)) for name in law.names}
    draws |= {
        f"sigma{'' if role == 'supervised' else '_distilled'}": np.full(shape, sigma)
        for role in structure.roles
    }
    draws["nu"] = np.full(shape, 5.0)
    draws |= {f"sd_{name}": np.full(shape, 1e-4) for name, _ in structure.effects}
    effects = {f"effect_{name}": np.zeros((*shape, levels)) for name, levels in structure.effects if levels}
    mean = []
    with jax.enable_x64(True):
        parameters = {name: draws[name][..., None] for name in law.names}
        for role in structure.roles:
            mean.append(np.asarray(law.log_loss(role, parameters, data["inputs"][role])))
    likelihood = stats.t.logpdf(data["log_loss"], 5.0, np.concatenate(mean, axis=-1), sigma)
    used = table.used
    runs = {"run": [str(run) for run in used.values("run_id")[observations.order]]}
    csv = np.frombuffer(table.to_csv_text().encode("utf-8"), dtype=np.uint8)
    posterior = {name: (("chain", "draw"), array) for name, array in draws.items()}
    posterior |= {
        name: (("chain", "draw", name.removeprefix("effect_")), array) for name, array in effects.items()
    }
    coordinates = {name: list(observations.levels[name]) for name, levels in structure.effects if levels}
    stats_group = {"diverging": (("chain", "draw"), np.zeros(shape, dtype=bool))}
    chains = {"chain": np.arange(CHAINS), "draw": np.arange(DRAWS)}
    tree = xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset(posterior, coords={**chains, **coordinates}),
            "/sample_stats": xr.Dataset(stats_group, coords=chains),
            "/log_likelihood": xr.Dataset(
                {"log_loss": (("chain", "draw", "run"), likelihood)}, coords={**chains, **runs}
            ),
            "/constant_data": xr.Dataset(
                {"table_csv": ("byte", csv), "row": ("run", observations.order)}, coords=runs
            ),
        }
    )
    records = {
        "prior": prior.to_records(),
        "diagnostics": diagnostics or HEALTHY,
        "token_span": {},
        "center": data["center"],
        "notes": [],
    }
    tree.attrs.update(law=law.name, seed=seed, counting=table.counting or "", table_source=table.source)
    tree.attrs.update({name: json.dumps(record) for name, record in records.items()})
    return Posterior(law=law, tree=tree)
