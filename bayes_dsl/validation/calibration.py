"""Simulation-based calibration: does the sampler, fed worlds from its own prior, rank their truths uniformly?

Talts et al. (arXiv 1804.06788), with a quantity that depends on the data among the ranked (Modrák et al., Bayesian
Analysis 2023): a sampler that ignores its data would otherwise pass. Replications are units of a campaign: they can be
killed, resumed and spread over workers, and give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.util import log_density
from scipy import stats

from bayes_dsl.campaign import Campaign, Status, Unit, results, run
from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.observations import Observations, Structure
from bayes_dsl.inference.program import program
from bayes_dsl.inference.sampler import Sampled, sample
from bayes_dsl.inference.settings import BARE_ACCEPT, CAREFUL, Settings
from bayes_dsl.validation.ranked import ranked, ranked_truth
from bayes_dsl.validation.ranks import Verdicts, effective_draws, position, verdicts
from bayes_dsl.validation.worlds import Study, World, draw_world, possible_draws, study_of

ENOUGH = 100.0
"""Effective draws that every coordinate is to have; chains go on for them, up to four lengths."""
BATCH = 5
"""Replications of one unit."""
WRONG = ("", "prior", "shuffled")
"""What can be planted: a sampler that believes in ten times the noise, or one whose losses are shuffled."""
# Measured, one core: core seconds of a replication, for the order of the units and the time that is left.
SECONDS = {"supervised": 0.7, "chinchilla": 0.7, "distillation": 5.0}
SECONDS_MISFIT = 7.0
FINGERPRINT_WORLDS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Replications of one law, and what they say.

    `positions` has an array (replication,) a ranked quantity; `effective` (replication,) the least bulk effective
    sample size among the coordinates, `divergences` (replication,) draws that diverged; `again` counts replications
    sampled again with smaller steps, as `fit` does after a divergence, `refused` prior draws that no law could
    have made, `dropped` posterior draws of that kind; `fingerprint` names what was sampled.
    """

    law: str
    misfit: bool
    wrong: str
    seed: int
    positions: dict[str, np.ndarray]
    effective: np.ndarray
    divergences: np.ndarray
    again: int
    refused: int
    dropped: int
    fingerprint: str

    @property
    def replications(self) -> int:
        return len(self.effective)

    def verdicts(self, *, prob: float = 0.9) -> Verdicts:
        return verdicts(self.positions, prob=prob)

    def lines(self) -> tuple[str, ...]:
        """How the replications went, in sentences."""
        diverged, short = int(np.sum(self.divergences > 0)), int(np.sum(self.effective < ENOUGH))
        return (
            f"{self.replications:,} replications; {self.refused:,} draws of the prior were no law and were replaced",
            f"least effective draws of a coordinate: median {np.median(self.effective):.0f}, smallest "
            f"{self.effective.min():.0f}; below {ENOUGH:.0f} in {short} replications (kept, ranked among fewer draws)",
            f"sampled again with smaller steps: {self.again}; then still with a divergence: {diverged} "
            f"({diverged / self.replications:.1%})",
        )

    def to_record(self) -> dict[str, Any]:
        """Everything as JSON; positions to seven digits, so that none is rounded into an interval or out of it."""
        table = self.verdicts().table
        return {
            "law": self.law,
            "misfit": self.misfit,
            "wrong": self.wrong,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "replications": self.replications,
            "again": self.again,
            "refused": self.refused,
            "dropped": self.dropped,
            "diverged": int(np.sum(self.divergences > 0)),
            "short": int(np.sum(self.effective < ENOUGH)),
            "effective_median": float(np.median(self.effective)),
            "effective_least": float(self.effective.min()),
            "quantities": {
                str(name): {k: float(v) for k, v in row.items()}
                for name, row in table.to_dict("index").items()
            },
            "positions": {name: np.round(values, 7).tolist() for name, values in self.positions.items()},
        }


def settings_of(law: str, *, misfit: bool) -> Settings:
    """How a replication is sampled: short chains that go on until every coordinate has `ENOUGH` effective draws."""
    draws = 250 if misfit else 500
    depth = 8 if misfit or law == "distillation" else 10
    return Settings(
        chains=2,
        warmup=500,
        draws=draws,
        most_draws=4 * draws,
        target_accept=BARE_ACCEPT,
        max_tree_depth=depth,
        retry=False,
    )


def campaign_of(
    law: str, *, replications: int, folder: Path, misfit: bool = False, wrong: str = "", seed: int = 0
) -> Campaign:
    """The campaign of so many replications; with the same seed, more of them go on where fewer ended."""
    cost = SECONDS_MISFIT if misfit else SECONDS[law]
    units = tuple(
        Unit(
            name=f"{first:05d}",
            payload={"first": first, "count": min(BATCH, replications - first)},
            cost=cost * BATCH,
        )
        for first in range(0, replications, BATCH)
    )
    settings = {
        "law": law,
        "misfit": misfit,
        "wrong": wrong,
        "seed": seed,
        "sampler": asdict(settings_of(law, misfit=misfit)),
        "program": fingerprint(study_of(law, misfit=Misfit() if misfit else None)),
    }
    return Campaign(folder=folder, work=f"{__name__}:make", units=units, settings=settings)


def calibrate(
    campaign: Campaign, *, workers: int = 1, progress: Callable[[Status], None] | None = None
) -> Calibration:
    """Run what is missing of a calibration's campaign, units that failed before once more, and gather it.

    Raises
    ------
    InputError
        The folder cannot be used, or a unit failed.
    """
    run(campaign, workers=workers, progress=progress, retry_failed=True)
    return gathered(campaign)


def gathered(campaign: Campaign, *, partial: bool = False) -> Calibration:
    """What a campaign's units have found; `partial`: those that are there."""
    made = [one for _, result, _ in results(campaign, partial=partial) for one in result["replications"]]
    names = list(made[0]["positions"])
    told = campaign.settings
    return Calibration(
        law=str(told["law"]),
        misfit=bool(told["misfit"]),
        wrong=str(told["wrong"]),
        seed=int(told["seed"]),
        positions={name: np.array([one["positions"][name] for one in made]) for name in names},
        effective=np.array([one["effective"] for one in made]),
        divergences=np.array([one["divergences"] for one in made]),
        again=sum(one["again"] for one in made),
        refused=sum(one["refused"] for one in made),
        dropped=sum(one["dropped"] for one in made),
        fingerprint=str(told["program"]),
    )


def make(
    payload: Mapping[str, Any], settings: Mapping[str, Any], folder: Path, needs: Mapping[str, Path]
) -> dict[str, Any]:
    """A unit of the campaign: some replications, each from a seed of its own."""
    law, misfit = str(settings["law"]), bool(settings["misfit"])
    study, how = study_of(law, misfit=Misfit() if misfit else None), settings_of(law, misfit=misfit)
    first = int(payload["first"])
    made = [
        replication(study, how, seed=(int(settings["seed"]), number), wrong=str(settings["wrong"]))
        for number in range(first, first + int(payload["count"]))
    ]
    return {"replications": made}


def replication(
    study: Study, how: Settings, *, seed: tuple[int, int], wrong: str = "", retry: bool = True
) -> dict[str, Any]:
    """One world, its posterior, and where its truth stands among the draws.

    `retry`: whether draws that diverge are sampled again with smaller steps, as `fit` does.
    """
    rng = np.random.default_rng(seed)
    world = draw_world(study, rng)
    observations = study.observed(world.log_loss)
    believed = _planted(study, world, wrong, rng)
    # The paths of truth and draws beyond the data come from streams of their own.
    truth_stream, draw_stream, chain_seed = (int(n) for n in rng.integers(2**31, size=3))
    sampled, again = sample(believed, settings=how, seed=chain_seed, enough=_enough), False
    for careful in CAREFUL if retry else ():
        if sampled.stats["diverging"].any():
            again = True
            how = replace(how, target_accept=careful)
            sampled = sample(believed, settings=how, seed=chain_seed, enough=_enough)
    draws = ranked(believed, sampled, seed=draw_stream)
    truth = ranked_truth(observations, world.parameters, world.sites, seed=truth_stream)
    truth["log_likelihood"] = np.asarray(_log_likelihood(believed, world))
    flat = {name: values.reshape(-1) for name, values in sampled.parameters.items() if values.ndim == 2}
    possible = possible_draws(study.structure, flat)
    positions = {}
    for name, values in draws.items():
        kept = values if possible.all() else values.reshape(-1)[possible][None]
        positions[name] = position(float(truth[name]), kept, rng)
    least = min(effective_draws(v) for v in sampled.sites.values() if v.ndim == 2)
    return {
        "positions": positions,
        "effective": round(least, 1),
        "divergences": int(sampled.stats["diverging"].sum()),
        "again": again,
        "refused": world.refused,
        "dropped": int(np.sum(~possible)),
    }


def _enough(sampled: Sampled) -> bool:
    return min(effective_draws(v) for v in sampled.sites.values() if v.ndim == 2) >= ENOUGH


def _planted(study: Study, world: World, wrong: str, rng: np.random.Generator) -> Observations:
    """What the sampler is given: the world as it is, or with a fault that calibration must find."""
    if wrong == "shuffled":
        return study.observed(rng.permutation(world.log_loss))
    if wrong == "prior":
        noise = study.prior["log_sigma"]
        believed = study.prior.replace(replace(noise, loc=noise.loc + np.log(10.0), scale=0.2))
        return study.observed(world.log_loss, prior=believed)
    return study.observed(world.log_loss)


def _log_likelihood(observations: Observations, world: World) -> float:
    """Of the truth, on the losses that the sampler was given."""
    nu, log_loss = float(world.parameters["nu"]), observations.data["log_loss"]
    return float(stats.t.logpdf(log_loss, nu, world.mean, world.scale).sum())


def fingerprint(study: Study) -> str:
    """A hash of what the program computes: laws, priors, noise, misfit and their coordinates, by their numbers.

    Log densities, expected losses and scales of a few fixed worlds, to six digits: another density has another
    fingerprint, code that is only written otherwise has the same.
    """
    numbers: list[float] = []
    for number in range(FINGERPRINT_WORLDS):
        world = draw_world(study, np.random.default_rng((2025, number)))
        with jax.enable_x64(True):
            data = jax.tree.map(jnp.asarray, study.observed(world.log_loss).data)
            sites = {name: jnp.asarray(value) for name, value in world.sites.items()}
            numbers.append(float(_density(study.structure)(sites, data)))
        numbers += [*world.mean, *world.scale, *world.log_loss]
    told = {"sites": study.structure.sites, "numbers": [f"{number:.6g}" for number in numbers]}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=8)
def _density(structure: Structure) -> Any:
    return jax.jit(lambda sites, data: log_density(program, (structure, data), {}, sites)[0])
