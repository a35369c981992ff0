"""What a posterior conditions on: the arrays of a run table, and which of its rows share what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_dsl.errors import Fault, TableError
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.drift import Grid
from bayes_dsl.inference.gap_grids import gap_weights
from bayes_dsl.inference.joint import JointFamily
from bayes_dsl.inference.law_inputs import inputs_of, refuse_misfit
from bayes_dsl.inference.misfit import Misfit, grids_of, numbers_of
from bayes_dsl.inference.noise import EFFECTS
from bayes_dsl.inference.paths import edges_of
from bayes_dsl.inference.priors import Prior
from bayes_dsl.laws.base import Law
from bayes_dsl.runs.table import RunTable

# Entries of a matrix of levels by rows; beyond them its products cost more than a scatter.
LARGEST_MEMBER = 200_000
# A slope of the noise needs tokens that differ; below this ratio it would only mirror its prior.
LEAST_TOKEN_RATIO = 4.0
# Seed noise is told from the rest where at least this many configurations were run more than once.
LEAST_REPLICATED = 2
NOTHING_CARRIED: tuple[tuple[str, ...], JointFamily] = ((), "normal")


@dataclass(frozen=True, kw_only=True)
class Structure:
    """What is sampled, apart from every number: hashable, so that a compiled sampler serves tables of one shape.

    `effects` are (name, number of levels that at least two rows share); `drifts` the axes of a misfit, each with
    the number of its sampled innovations; `carried` the coordinates of one joint prior, and its family.
    """

    law: Law
    roles: tuple[str, ...]
    rows: tuple[int, ...]
    effects: tuple[tuple[str, int], ...]
    blurred_teachers: int
    sloped: tuple[str, ...]
    prior_names: tuple[str, ...]
    families: tuple[str, ...]
    drifts: tuple[tuple[str, int], ...] = ()
    carried: tuple[tuple[str, ...], JointFamily] = NOTHING_CARRIED

    @property
    def n_runs(self) -> int:
        return sum(self.rows)

    @property
    def sites(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Names and shapes of everything that is sampled, scalars first, in the order of the flat vector."""
        sites: list[tuple[str, tuple[int, ...]]] = [(name, ()) for name in coordinates_of(self.law).names]
        for role in self.roles:
            suffix = "" if role == "supervised" else f"_{role}"
            sites.append((f"log_sigma{suffix}", ()))
            if role in self.sloped:
                sites.append((f"noise_slope{suffix}", ()))
        sites.append(("log_nu_minus_1", ()))
        sites += [(f"log_sd_{name}", ()) for name, _ in self.effects]
        sites += [(f"log_drift_{axis}", ()) for axis, _ in self.drifts]
        sites += [(f"log_{edge}", ()) for edge in dict.fromkeys(edges_of(a for a, _ in self.drifts).values())]
        sites += [(f"steps_{axis}", (count,)) for axis, count in self.drifts]
        sites += [(f"z_{name}", (levels,)) for name, levels in self.effects if levels]
        if self.blurred_teachers:
            sites.append(("z_teacher_loss", (self.blurred_teachers,)))
        return tuple(sites)

    @property
    def size(self) -> int:
        return sum(int(np.prod(shape)) for _, shape in self.sites)


@dataclass(frozen=True, kw_only=True, eq=False)
class Observations:
    """The structure of a posterior, its numbers as a tree of arrays, and what to say about them.

    `order` maps the program's rows (role after role) to the rows of the table that are used; `levels` names
    the shared levels of each effect; `grids` are the knots of the misfit's paths by axis, none for the bare law.
    """

    structure: Structure
    data: dict[str, Any]
    order: np.ndarray
    levels: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]
    grids: dict[str, Grid]


def observe(table: RunTable, *, law: Law, prior: Prior, misfit: Misfit | None = None) -> Observations:
    """The observations that a table's usable rows make for a law.

    Raises
    ------
    TableError
        A row's role is one that the law does not explain, no row is usable, or a column that the law reads is empty in
        some row; or a misfit is asked for and no supervised row is there to learn it from.
    InputError
        A misfit is asked for, and the law does not explain supervised runs by their size or tokens, or by more.
    """
    used = table.used
    _refuse_unexplained(used, law)
    role_of = used.values("role")
    roles = tuple(role.name for role in law.roles if np.any(role_of == role.name))
    order = np.concatenate([np.flatnonzero(role_of == role) for role in roles])
    rows = tuple(int(np.sum(role_of == role)) for role in roles)
    if misfit is not None:
        refuse_misfit(law)
    inputs = {role: inputs_of(used.select(role_of == role), law, law.role(role)) for role in roles}
    log_tokens = {role: np.log(used.values("tokens")[role_of == role]) for role in roles}
    effects, levels, notes = _effects(used, order)
    blur = _teacher_blur(used, role_of == "distilled")
    sloped = tuple(role for role in roles if _tells_slope(role, log_tokens[role], effects))
    grids = {} if misfit is None else grids_of(misfit, law, used)
    structure = Structure(
        law=law,
        roles=roles,
        rows=rows,
        effects=tuple((name, len(levels[name])) for name in EFFECTS if name in effects),
        blurred_teachers=0 if blur is None else int(blur["level"].max()) + 1,
        sloped=sloped,
        prior_names=prior.names,
        families=tuple(density.family for density in prior.densities),
        drifts=tuple((axis, grid.sampled) for axis, grid in grids.items()),
        carried=NOTHING_CARRIED if prior.joint is None else (prior.joint.names, prior.joint.family),
    )
    loss, loss_se = used.values("loss")[order], used.values("loss_se")[order]
    data: dict[str, Any] = {
        "center": center_of(used),
        "inputs": inputs,
        "log_loss": np.log(loss),
        "relative_se": np.nan_to_num(loss_se / loss),
        "log_tokens": log_tokens,
        "token_span": {role: _span(log_tokens[role]) for role in roles},
        "effects": effects,
        "centring": {name: np.zeros(len(levels[name])) for name in effects},
        "anchored": {name: np.zeros(len(levels[name]), dtype=bool) for name in effects},
        "prior": {d.name: {"loc": d.loc, "scale": d.scale, "df": d.df} for d in prior.densities},
    }
    if prior.joint is not None:
        data["carried"] = prior.joint.numbers(law, data["center"])
    data |= {} if blur is None else {"teacher_blur": blur}
    if grids:
        data["drift"] = numbers_of(grids, used)
    if roles == ("distilled",):
        notes.append("no supervised rows: the supervised loss in the capacity transition rests on its prior")
    return Observations(
        structure=structure, data=data, order=order, levels=levels, notes=tuple(notes), grids=grids
    )


def _refuse_unexplained(used: RunTable, law: Law) -> None:
    role_of = used.values("role")
    if len(used) == 0:
        raise TableError(
            Fault(
                where=used.source,
                what="usable rows",
                value="0",
                rule="a posterior needs at least one row with status ok",
                remedy="Check the status column and the --where conditions",
            )
        )
    for role in sorted(set(role_of)):
        if not law.explains(role):
            raise TableError(
                Fault(
                    where=f"{used.source}: column 'role'",
                    what="role",
                    value=f"{role} in {int(np.sum(role_of == role))} rows",
                    rule=f"the {law.name} law does not explain {role} rows",
                    remedy=f"Choose --law distillation, or leave them out with --where 'role!={role}'",
                    column="role",
                )
            )


def _tells_slope(role: str, log_tokens: np.ndarray, effects: Mapping[str, Any]) -> bool:
    """Whether the scale of a role's noise may vary with tokens.

    Rows that share a run, a configuration or a student show how their scatter changes; alone, they cannot tell
    it from the law's own lack of fit, and a varying scale would weigh the rows by that.
    """
    repeated = ("group", "replicate") if role == "supervised" else ("group", "student")
    return bool(np.ptp(log_tokens) > np.log(LEAST_TOKEN_RATIO)) and any(name in effects for name in repeated)


def _span(log_tokens: np.ndarray) -> dict[str, float]:
    return {
        "center": float(log_tokens.mean()),
        "low": float(log_tokens.min()),
        "high": float(log_tokens.max()),
    }


def center_of(used: RunTable) -> dict[str, float]:
    """Means of the logarithms; distilled rows weighted by their gap, where the law has something to explain."""
    log_N, log_D = np.log(used.values("params")), np.log(used.values("tokens"))
    supervised, distilled = (used.values("role") == role for role in ("supervised", "distilled"))
    base = supervised if supervised.any() else distilled
    center = {"log_N": float(log_N[base].mean()), "log_D": float(log_D[base].mean())}
    if not distilled.any():
        loss = np.log(used.values("loss")[base])
        return {
            **center,
            "log_N_S": center["log_N"],
            "log_D_S": center["log_D"],
            "log_L_T": float(loss.mean()),
        }
    teacher_loss, weight = used.values("teacher_loss")[distilled], gap_weights(used)
    return {
        **center,
        "log_N_S": float(np.average(log_N[distilled], weights=weight)),
        "log_D_S": float(np.average(log_D[distilled], weights=weight)),
        "log_L_T": float(np.average(np.log(teacher_loss), weights=weight)),
    }


def _effects(
    used: RunTable, order: np.ndarray
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, tuple[str, ...]], list[str]]:
    """Which rows share what: for each effect its level, whether other rows share it, and whether none does."""
    keys = _keys(used)
    effects: dict[str, dict[str, np.ndarray]] = {}
    levels: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for name in EFFECTS:
        key = keys[name][order]
        names, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
        shared_names = [str(n) for n, count in zip(names, counts, strict=True) if n and count > 1]
        if not _is_sampled(name, shared_names, [str(n) for n in names]):
            continue
        shared = (counts[inverse] > 1) & (key != "")
        position = {n: i for i, n in enumerate(shared_names)}
        level = np.array([position.get(str(n), 0) for n in key], dtype=np.int64)
        effects[name] = {
            "level": level,
            "shared": shared,
            "alone": (key != "") & ~shared,
            "rows": counts[inverse].astype(np.float64),
            **_member(level, shared, len(shared_names)),
        }
        levels[name] = tuple(shared_names)
    if "replicate" not in effects and not any(name in effects for name in ("group", "student")):
        notes.append(
            "no configuration was run with several seeds: seed noise and the rest share one scale, "
            "the same at all tokens"
        )
    if len({str(n) for n in used.values("eval_id") if n}) == 1:
        notes.append("one evaluation set: its error is shared by every row and so is part of E")
    orders = {str(n) for n in used.values("data_order")}
    if len(orders) == 1 and "" not in orders:
        notes.append("one order of the data: what it costs is shared by every row and so is part of the law")
    return effects, levels, notes


def _member(level: np.ndarray, shared: np.ndarray, levels: int) -> dict[str, np.ndarray]:
    """Which row is of which level as a matrix (level, row) of 0 and 1, where that is not too large.

    Sums over levels are products with it: JAX's scatters, and the gradients of its gathers, take a hundred
    times longer on a CPU.
    """
    if not 0 < levels * len(level) <= LARGEST_MEMBER:
        return {}
    return {"member": ((np.arange(levels)[:, None] == level) & shared).astype(np.float64)}


def _is_sampled(name: str, shared: list[str], known: list[str]) -> bool:
    if name == "replicate":
        return len(shared) >= LEAST_REPLICATED
    if name == "evaluation":
        return len([one for one in known if one]) >= 2
    # One order of every row is part of the law; rows of none may have seen their data in others.
    return bool(shared) and (name != "data_order" or len(known) >= 2)


def _keys(used: RunTable) -> dict[str, np.ndarray]:
    """One text key a row for each effect; rows of equal keys share it, an empty key has none."""
    role_of, group = used.values("role"), used.values("group")
    size, tokens = used.values("params"), used.values("tokens")
    teacher_loss, teacher_id = used.values("teacher_loss"), used.values("teacher_id")
    evaluation, data_order = used.values("eval_id"), used.values("data_order")
    groups, counts = np.unique(group, return_counts=True)
    in_shared_group = np.isin(group, groups[(counts > 1) & (groups != "")])
    columns: dict[str, list[str]] = {name: [] for name in EFFECTS}
    for i in range(len(used)):
        distilled = role_of[i] == "distilled"
        configuration = f"{size[i]:.17g} x {tokens[i]:.17g}"
        columns["group"].append(str(group[i]))
        columns["replicate"].append(
            "" if distilled or in_shared_group[i] else f"{configuration} {evaluation[i]}".strip()
        )
        columns["teacher"].append((str(teacher_id[i]) or f"loss {teacher_loss[i]:.17g}") if distilled else "")
        columns["student"].append(configuration if distilled else "")
        # In a gap measured on one evaluation set the set's error cancels.
        columns["evaluation"].append("" if distilled else str(evaluation[i]))
        columns["data_order"].append(str(data_order[i]))
    return {name: np.array(column, dtype=object).astype(str) for name, column in columns.items()}


def _teacher_blur(used: RunTable, distilled: np.ndarray) -> dict[str, np.ndarray] | None:
    """One error of measurement for each teacher whose standard error is given."""
    error = used.values("teacher_loss_se")[distilled]
    if not np.any(error > 0):
        return None
    loss, ids = used.values("teacher_loss")[distilled], used.values("teacher_id")[distilled]
    key = [str(i) or f"loss {value:.17g}" for i, value in zip(ids, loss, strict=True)]
    _, level = np.unique(np.array(key), return_inverse=True)
    level = level.astype(np.int64)
    return {
        "level": level,
        "relative_se": np.nan_to_num(error / loss),
        **_member(level, np.ones(len(level), dtype=bool), int(level.max()) + 1),
    }
