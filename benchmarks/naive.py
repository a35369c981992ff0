"""ESS per gradient in our coordinates against the law's coefficients sampled as they are printed.

`python -m benchmarks.naive [--problem NAME ...] [--ledger]`. The naive program has priors on ln A, ln B, alpha, ...
themselves, nothing centred, the same noise, and NumPyro's NUTS as it comes (target .8, diagonal metric), though
started at our posterior mean, so that the ratio is about geometry alone. A run of it that fails the gate has fewer
independent draws than its ESS says. ESS is the smallest bulk ESS of the law's coefficients; gradients are those
of the draws on both sides, warm-up left out. A count of gradients does not depend on other work on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

# One device a chain, settled before JAX is imported.
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
os.environ["JAX_ENABLE_X64"] = "1"

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray as xr
from arviz_stats import ess, rhat
from numpyro.infer import MCMC, NUTS, init_to_value

from bayes_dsl.inference.noise import token_scale
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.priors import default_prior
from bayes_dsl.inference.sampler import sample
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.base import Law
from benchmarks.ledger import append
from benchmarks.rivals import without_effects
from benchmarks.tables import PROBLEMS, WORDS, problem

# Wide priors that hold every published set; of A, B, A', B' and c_1 the logarithm is sampled.
PRIORS: dict[str, dist.Distribution] = {
    "E": dist.LogNormal(0.4, 0.5),
    "log_A": dist.Normal(7.0, 3.0),
    "log_B": dist.Normal(8.0, 3.0),
    "alpha": dist.HalfNormal(0.6),
    "beta": dist.HalfNormal(0.6),
    "gamma": dist.LogNormal(-0.5, 0.5),
    "log_A_prime": dist.Normal(7.0, 3.0),
    "log_B_prime": dist.Normal(11.0, 4.0),
    "alpha_prime": dist.HalfNormal(0.6),
    "beta_prime": dist.HalfNormal(0.8),
    "gamma_prime": dist.LogNormal(-0.5, 0.5),
    "c_0": dist.Normal(2.0, 1.5),
    "log_c_1": dist.Normal(5.0, 2.0),
    "d_1": dist.LogNormal(0.2, 0.5),
    "f_1": dist.LogNormal(-2.3, 0.6),
}
ASKED = 100.0


def sampled_name(parameter: str) -> str:
    """What the naive program samples for a coefficient."""
    return parameter if parameter in PRIORS else f"log_{parameter}"


def naive(law: Law, structure: Any, data: Any) -> None:
    """The law's coefficients as printed, with the package's noise."""
    parameters = {}
    for name in law.names:
        value = numpyro.sample(sampled_name(name), PRIORS[sampled_name(name)])
        parameters[name] = value if name in PRIORS else jnp.exp(value)
    means, scales = [], []
    for role in structure.roles:
        suffix = "" if role == "supervised" else f"_{role}"
        sigma = jnp.exp(_noise(data, f"log_sigma{suffix}"))
        slope = _noise(data, f"noise_slope{suffix}") if role in structure.sloped else 0.0
        means.append(law.log_loss(role, parameters, data["inputs"][role]))
        scales.append(token_scale(sigma, slope, data["log_tokens"][role], data["token_span"][role]))
    nu = 1.0 + jnp.exp(_noise(data, "log_nu_minus_1"))
    noise = dist.StudentT(nu, jnp.concatenate(means), jnp.concatenate(scales))
    numpyro.sample("log_loss", noise, obs=data["log_loss"])


def _noise(data: Any, name: str) -> jax.Array:
    return numpyro.sample(name, dist.Normal(data["prior"][name]["loc"], data["prior"][name]["scale"]))


def run(name: str, *, warmup: int, draws: int, seed: int = 0) -> dict[str, Any]:
    """The row of the ledger for one problem."""
    load = os.getloadavg()[0]
    table, law = problem(name)
    prior = default_prior(law, typical_loss=float(np.median(table.used.values("loss"))))
    observations = without_effects(observe(table, law=law, prior=prior))
    structure, data = observations.structure, jax.tree.map(jnp.asarray, observations.data)
    sampled = sample(observations, settings=Settings(warmup=warmup, draws=draws), seed=seed)
    mine = _figures("ours", {n: sampled.parameters[n] for n in law.names}, sampled.stats)
    drawn = {**sampled.sites, **{sampled_name(n): _as_sampled(n, sampled.parameters[n]) for n in law.names}}
    start = init_to_value(values={site: jnp.asarray(values.mean()) for site, values in drawn.items()})
    mcmc = MCMC(
        NUTS(naive, init_strategy=start),
        num_warmup=warmup,
        num_samples=draws,
        num_chains=4,
        chain_method="parallel",
        progress_bar=False,
    )
    began = time.perf_counter()
    mcmc.run(jax.random.PRNGKey(seed), law, structure, data, extra_fields=("num_steps", "diverging"))
    chains = mcmc.get_samples(group_by_chain=True)
    fields = mcmc.get_extra_fields(group_by_chain=True)
    stats = {"n_steps": np.asarray(fields["num_steps"]), "diverging": np.asarray(fields["diverging"])}
    theirs = _figures("naive", {n: np.asarray(chains[sampled_name(n)]) for n in law.names}, stats)
    ratio = mine["ours_ess_per_1000_gradients"] / theirs["naive_ess_per_1000_gradients"]
    return {
        "benchmark": f"naive_{name}",
        "claim": f"ESS per gradient, law's coefficients sampled in our coordinates or directly: {WORDS[name]}",
        "figures": {
            **mine,
            **theirs,
            "ratio": ratio,
            "naive_wall_s": time.perf_counter() - began,
            "loads": [round(load, 1), round(os.getloadavg()[0], 1)],
        },
        "target": f"ratio >= {ASKED:g}",
        "met": bool(
            ratio >= ASKED
            and mine["ours_worst_rhat"] < 1.01
            and mine["ours_least_ess"] > 400
            and mine["ours_divergences"] == 0
        ),
        "settings": {"chains": 4, "warmup": warmup, "draws": draws, "seed": seed},
        "note": "smallest bulk ESS of the law's coefficients, gradients of the draws; naive started at our mean",
    }


def _as_sampled(name: str, values: np.ndarray) -> np.ndarray:
    return values if name in PRIORS else np.log(values)


def _figures(side: str, draws: dict[str, np.ndarray], stats: dict[str, np.ndarray]) -> dict[str, Any]:
    data = xr.Dataset({name: (("chain", "draw"), values) for name, values in draws.items()})
    bulk = {str(n): float(v) for n, v in ess(data, method="bulk").items()}
    worst = min(bulk, key=lambda name: bulk[name])
    gradients = int(stats["n_steps"].sum())
    found = {
        f"{side}_ess_per_1000_gradients": 1000.0 * bulk[worst] / gradients,
        f"{side}_least_ess": bulk[worst],
        f"{side}_least_ess_of": worst,
        f"{side}_gradients_a_draw": float(stats["n_steps"].mean()),
        f"{side}_worst_rhat": max(float(v) for v in rhat(data).values()),
        f"{side}_divergences": int(stats["diverging"].sum()),
    }
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--ledger", action="store_true", help="append the figures to the ledger")
    chosen = parser.parse_args()
    for name in chosen.problem:
        row = run(name, warmup=chosen.warmup, draws=chosen.draws)
        print(json.dumps(row, indent=2))
        if chosen.ledger:
            append(row)


if __name__ == "__main__":
    main()
