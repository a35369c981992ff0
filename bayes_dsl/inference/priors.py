"""Priors as data: a density with its reason for every quantity that is sampled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from math import log
from typing import Any, Literal

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.joint import Joint
from bayes_dsl.laws.base import Law

Family = Literal["normal", "student_t"]


@dataclass(frozen=True, kw_only=True)
class Density:
    """A density on the real line: `normal(loc, scale)`, or `student_t` with `df` degrees of freedom."""

    name: str
    loc: float
    scale: float
    reason: str
    family: Family = "normal"
    df: float = 0.0

    def __post_init__(self) -> None:
        if not self.scale > 0 or self.scale == float("inf"):
            raise InputError(
                Fault(
                    where=f"prior of {self.name}",
                    what="scale",
                    value=f"{self.scale}",
                    rule="a density needs a finite scale above 0",
                    remedy="Give a positive scale; a very wide one says that nothing is known",
                )
            )
        if self.family == "student_t" and not self.df > 0:
            raise InputError(
                Fault(
                    where=f"prior of {self.name}",
                    what="df",
                    value=f"{self.df}",
                    rule="a Student-t density needs degrees of freedom above 0",
                    remedy="Give df, such as df=4",
                )
            )


@dataclass(frozen=True, kw_only=True)
class Prior:
    """One density for each sampled quantity; independent of each other, and of `joint`.

    `joint` is the density of the coordinates that a former study or a publication knows together; None by default.
    """

    densities: tuple[Density, ...]
    joint: Joint | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(density.name for density in self.densities)

    def __getitem__(self, name: str) -> Density:
        for density in self.densities:
            if density.name == name:
                return density
        raise InputError(
            Fault(
                where="prior",
                what="name",
                value=name,
                rule="no density of this name",
                remedy=f"The names are {', '.join(self.names)}",
            )
        )

    def replace(self, *densities: Density) -> Prior:
        """The same prior with the densities of these names exchanged (each must exist)."""
        for density in densities:
            self[density.name]
        new = {density.name: density for density in densities}
        return replace(self, densities=tuple(new.get(old.name, old) for old in self.densities))

    def with_scales(self, factor: float) -> Prior:
        """Every scale multiplied by `factor`: the same beliefs, held more or less firmly."""
        return Prior(
            densities=tuple(
                Density(**{**asdict(density), "scale": density.scale * factor}) for density in self.densities
            ),
            joint=None if self.joint is None else self.joint.inflated(factor),
        )

    def to_records(self) -> list[dict[str, Any]]:
        """The densities as plain data; `joint` has a record of its own."""
        return [asdict(density) for density in self.densities]

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]], joint: Joint | None = None) -> Prior:
        return cls(densities=tuple(Density(**record) for record in records), joint=joint)


def default_prior(law: Law, *, typical_loss: float) -> Prior:
    """The package's prior for a law and its noise.

    Parameters
    ----------
    law : Law
        One of the package's laws. A law of your own needs a prior of your own: `prior_of_your_own`.
    typical_loss : float
        The table's median loss, nats per token (or bits per byte: the prior moves with the unit).

    Returns
    -------
    Prior
        Densities of the centred coordinates (`coordinates.py`), of c_0, and of the noise.

    Notes
    -----
    Supervised scales follow a study of 12 public tables, whose gamma lies between .2 and .95; distilled ones
    a simulated study from the published coefficients with B' put right.
    """
    known = {density.name: density for density in (*_supervised(typical_loss), *_distilled())}
    missing = without_default(law)
    if missing:
        raise InputError(
            Fault(
                where=f"law {law.name}",
                what="prior",
                value="none given",
                rule="only the package's own laws have a default prior",
                remedy=f"Pass prior=prior_of_your_own(...) with a density for {', '.join(missing)}",
            )
        )
    return Prior(densities=(*(known[name] for name in density_names(law)), *NOISE_DENSITIES))


def density_names(law: Law) -> tuple[str, ...]:
    """What a prior's densities of a law's coefficients are called, in the order of its coordinates."""
    coordinates = coordinates_of(law)
    replaced = {coordinate: prior for prior, coordinate in coordinates.replaces}
    return tuple(replaced.get(name, name) for name in coordinates.names)


def without_default(law: Law) -> tuple[str, ...]:
    """Those of a law's densities that the package has none for: empty where the law has a default prior."""
    known = {density.name for density in (*_supervised(1.0), *_distilled())}
    return tuple(name for name in density_names(law) if name not in known)


def prior_of_your_own(*densities: Density) -> Prior:
    """A prior for a law of your own: your densities, and the package's for the noise.

    Positive parameters are sampled as logarithms: the density of `alpha` is named `log_alpha`.
    """
    given = {density.name for density in densities}
    return Prior(densities=(*densities, *(d for d in NOISE_DENSITIES if d.name not in given)))


def _supervised(typical_loss: float) -> tuple[Density, ...]:
    log_slope = log(0.1 * typical_loss / 2.5)
    return (
        Density(
            name="log_L_center",
            loc=log(typical_loss),
            scale=0.3,
            reason="the loss at the table's centre is near its median loss, within about 30 %",
        ),
        Density(
            name="log_m_over_E",
            loc=-0.4,
            scale=0.8,
            reason="what size and tokens still cost at the centre, against the floor: .18 to 2.5 of it",
        ),
        Density(
            name="logit_w",
            loc=0.0,
            scale=1.5,
            reason="the share of size in that cost: .08 to .92, neither side favoured",
        ),
        Density(
            name="log_slope_N",
            loc=log_slope,
            scale=0.6,
            reason="ten times the parameters lower the loss by 3 to 30 % at the centre",
        ),
        Density(
            name="log_slope_D",
            loc=log_slope,
            scale=0.6,
            reason="ten times the tokens lower the loss by 3 to 30 % at the centre",
        ),
        Density(
            name="log_gamma",
            loc=log(0.4),
            scale=0.55,
            reason="public tables lie between .2 and .95; .16 to 1 is the central 90 %",
        ),
        Density(
            name="log_delta",
            loc=0.0,
            scale=1.0,
            reason="about Chinchilla's law (1), either side alike: a balanced run pays .8 to 2 times its excess",
        ),
        Density(
            name="log_R_D",
            loc=log(15.0),
            scale=1.0,
            reason="Muennighoff et al. find 15 on one corpus: 3 to 80 epochs elsewhere",
        ),
    )


def _distilled() -> tuple[Density, ...]:
    return (
        Density(
            name="log_gap_center",
            loc=log(0.3),
            scale=0.75,
            reason="a student ends .1 to 1 nats above its teacher",
        ),
        Density(name="c_0", loc=2.0, scale=1.5, reason="a weaker teacher narrows the gap; a power of 0 to 5"),
        Density(
            name="log_r_1",
            loc=0.0,
            scale=0.15,
            reason="the capacity transition stands where teacher and student reach about the same loss",
        ),
        Density(name="log_s_1", loc=log(8.0), scale=0.6, reason="the transition takes 5 to 40 % of a loss"),
        Density(
            name="log_eta",
            loc=log(0.1),
            scale=1.5,
            reason="near the exponential limit (0), which the published coefficients cannot be told from",
        ),
        Density(
            name="logit_w_prime", loc=1.0, scale=1.5, reason="the share of student size: .2 to .97 of the gap"
        ),
        Density(
            name="log_slope_N_S",
            loc=log(0.15),
            scale=0.6,
            reason="ten times the student's parameters take 12 to 60 % off the gap",
        ),
        Density(
            name="log_slope_D_S",
            loc=log(0.1),
            scale=0.6,
            reason="ten times the student's tokens take 8 to 45 % off the gap",
        ),
        Density(name="log_gamma_prime", loc=log(0.6), scale=0.5, reason="as gamma: .26 to 1.4"),
    )


NOISE_DENSITIES = (
    Density(name="log_sigma", loc=log(0.01), scale=1.0, reason="runs scatter by .2 to 5 % of the loss"),
    Density(name="log_sigma_distilled", loc=log(0.008), scale=1.0, reason="students scatter by .15 to 4 %"),
    Density(
        name="log_nu_minus_1",
        loc=log(8.0),
        scale=0.8,
        reason="a few rows are odd: between near-Cauchy and near-normal tails, the mean always finite",
    ),
    Density(
        name="noise_slope",
        loc=0.0,
        scale=0.5,
        reason="scatter falls with tokens in most studies: D^-.8 to D^.8",
    ),
    Density(name="noise_slope_distilled", loc=0.0, scale=0.5, reason="as noise_slope, for students"),
    Density(name="log_sd_group", loc=log(0.004), scale=1.0, reason="checkpoints of one run share .1 to 2 %"),
    Density(
        name="log_sd_replicate", loc=log(0.004), scale=1.0, reason="what seeds do not explain: .1 to 2 %"
    ),
    Density(
        name="log_sd_teacher", loc=log(0.002), scale=1.0, reason="one teacher's students share .04 to 1 %"
    ),
    Density(
        name="log_sd_student", loc=log(0.002), scale=1.0, reason="one student configuration shares .04 to 1 %"
    ),
    Density(
        name="log_sd_evaluation", loc=log(0.005), scale=1.0, reason="one evaluation set is off by .1 to 2.5 %"
    ),
    Density(
        name="log_sd_data_order", loc=log(0.002), scale=1.0, reason="one order of the data shares .04 to 1 %"
    ),
)
