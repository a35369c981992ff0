"""The program's density written out by hand in NumPy, row by row, and the small tables that it is tried on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bayes_dsl.inference.priors import Prior
from bayes_dsl.laws.exponential import limit_of
from bayes_dsl.laws.published import published
from bayes_dsl.laws.registry import law
from bayes_dsl.runs.table import RunTable
from tests.inference.drift_by_hand import DriftByHand

SETS = {
    "supervised": "busbridge_corrected",
    "chinchilla": "besiroglu",
    "tied": "busbridge_corrected",
    "interaction": "besiroglu",
    "repetition": "busbridge_corrected",
    "distillation": "busbridge_corrected",
    "exponential": "busbridge_corrected",
}
EFFECTS = ("group", "replicate", "teacher", "student", "evaluation", "data_order")
Row = Mapping[str, Any]
Floats = Mapping[str, Any]


def truth(law_name: str) -> dict[str, float]:
    """Published coefficients for one of the package's laws; nobody has published an interaction."""
    known = {"delta": 2.5, "R_D": 12.0, **published(SETS[law_name]).parameters}
    known = limit_of(known) if law_name == "exponential" else known
    return {name: known[name] for name in law(law_name).names}


def supervised_loss(p: Floats, N: Any, D: Any) -> Any:
    """E + (p + q + (delta - 1) p q / (p + q))^gamma, p = A / N^alpha, q = B / D^beta; beta is alpha where tied."""
    size, tokens = p["A"] / N ** p["alpha"], p["B"] / D ** p.get("beta", p["alpha"])
    both = (p.get("delta", 1.0) - 1.0) * size * tokens / (size + tokens)
    return p["E"] + (size + tokens + both) ** p.get("gamma", 1.0)


def distilled_loss(p: Floats, N: Any, D: Any, L_T: Any) -> Any:
    """L_T + gap, L~ being the supervised loss of the student."""
    return L_T + gap_by_hand(p, N, D, L_T, L_T / supervised_loss(p, N, D))


def gap_by_hand(p: Floats, N: Any, D: Any, L_T: Any, ratio: Any) -> Any:
    """L_T^-c_0 (1 + (ratio / d_1)^(1/f_1))^(-c_1 f_1) (A'/N^alpha' + B'/D^beta')^gamma', or its limit."""
    if "f_1" in p:
        transition = np.exp(-p["c_1"] * p["f_1"] * np.log1p((ratio / p["d_1"]) ** (1 / p["f_1"])))
    else:
        transition = np.exp(-((ratio / p["r_0"]) ** p["s"]))
    terms = p["A_prime"] / N ** p["alpha_prime"] + p["B_prime"] / D ** p["beta_prime"]
    return L_T ** -p["c_0"] * transition * terms ** p["gamma_prime"]


def parameters_by_hand(z: Floats, center: Floats) -> dict[str, Any]:
    """The law's parameters from its coordinates, by the two equations of coordinates.py."""
    gamma, delta = np.exp(z.get("log_gamma", 0.0)), np.exp(z.get("log_delta", 0.0))
    tied = z["log_slope_N"] - z["log_slope_D"]
    L = np.exp(z["log_L_center"])
    E = L / (1 + np.exp(z["log_m_over_E"]))
    m, w = L - E, 1 / (1 + np.exp(-z.get("logit_w", tied)))
    # Slopes are those of m, of which a part is the interaction's (none at delta 1).
    m = m / (1 + (delta - 1) * w * (1 - w))
    alpha = np.exp(z["log_slope_N"]) / (m * w * gamma * (1 + (delta - 1) * (1 - w) ** 2))
    beta = np.exp(z["log_slope_D"]) / (m * (1 - w) * gamma * (1 + (delta - 1) * w**2))
    scale = m ** (1 / gamma)
    p = {
        "E": E,
        "A": scale * w * np.exp(center["log_N"]) ** alpha,
        "B": scale * (1 - w) * np.exp(center["log_D"]) ** beta,
        "alpha": alpha,
        "beta": beta,
        "gamma": gamma,
        "delta": delta,
        "R_D": np.exp(z.get("log_R_D", 0.0)),
    }
    return p if "log_r_1" not in z else {**p, **_distilled_by_hand(z, center, p)}


def _distilled_by_hand(z: Floats, center: Floats, p: Floats) -> dict[str, Any]:
    student = supervised_loss(p, np.exp(center["log_N_S"]), np.exp(center["log_D_S"]))
    ratio, gamma = np.exp(center["log_L_T"]) / student, np.exp(z["log_gamma_prime"])
    if "log_eta" in z:
        eta = np.exp(z["log_eta"])
        # (1 + eta r^s)^(1 / eta) has risen e-fold at r_1, where its logarithm climbs with slope s_1.
        s = np.exp(z["log_s_1"]) * eta / (1 - np.exp(-eta))
        r_0 = np.exp(z["log_r_1"] - np.log((np.exp(eta) - 1) / eta) / s)
        depth = eta * (ratio / r_0) ** s
        cost, slope = np.log1p(depth) / eta, s / eta * depth / (1 + depth)
        transition = {"c_1": s / eta, "d_1": r_0 * eta ** (-1 / s), "f_1": 1 / s, "eta": eta}
    else:
        s, r_0 = np.exp(z["log_s_1"]), np.exp(z["log_r_1"])
        # The centre is described by the transition of eta = .1, which stays finite far beyond it.
        depth = (ratio / r_0) ** s
        cost, slope, transition = np.log1p(0.1 * depth) / 0.1, s * depth / (1 + 0.1 * depth), {}
    c_0 = z["slope_L_T"] - slope
    w = 1 / (1 + np.exp(-z["logit_w_prime"]))
    alpha = np.exp(z["log_slope_N_S"]) / (w * gamma)
    beta = np.exp(z["log_slope_D_S"]) / ((1 - w) * gamma)
    gap = np.exp(z["log_gap_center"] + c_0 * center["log_L_T"] + cost)
    return {
        "A_prime": gap ** (1 / gamma) * w * np.exp(center["log_N_S"]) ** alpha,
        "B_prime": gap ** (1 / gamma) * (1 - w) * np.exp(center["log_D_S"]) ** beta,
        "alpha_prime": alpha,
        "beta_prime": beta,
        "gamma_prime": gamma,
        "c_0": c_0,
        "r_0": r_0,
        "s": s,
        **transition,
    }


def log_prior(prior: Prior, values: Floats) -> Any:
    """Sum of the prior's log densities of these values."""
    total = 0.0
    for name, value in values.items():
        density = prior[name]
        if density.family == "normal":
            total = total + stats.norm.logpdf(value, density.loc, density.scale)
        else:
            total = total + stats.t.logpdf(value, density.df, density.loc, density.scale)
    return total


def log_density_by_hand(
    rows: list[Row],
    z: Floats,
    center: Floats,
    prior: Prior,
    *,
    grids: Mapping[str, Any] | None = None,
    wrong: str = "",
) -> tuple[Any, dict[str, np.ndarray]]:
    """Log density of coordinates `z` (each (point,) or (point, level)) and shared effects `effect_...`.

    A row says `levels`: for each effect its level among those that other rows share, or "alone". `grids` are the
    knots of a misfit's paths, if there is one; `wrong` plants a mistake. Also gives, for each effect, how far the
    law stands above each level's mean log loss.
    """
    scalars = {name: value for name, value in z.items() if not name.startswith(("effect_", "z_", "steps_"))}
    drift = DriftByHand(grids, z, wrong) if grids else None
    p = parameters_by_hand(scalars, center)
    if "slope_L_T" in scalars:
        scalars = {**scalars, "c_0": p["c_0"]}
        del scalars["slope_L_T"]
    total = log_prior(prior, scalars)
    for name in EFFECTS:
        if f"effect_{name}" in z:
            sd = np.exp(z[f"log_sd_{name}"])[:, None]
            total = total + stats.norm.logpdf(z[f"effect_{name}"], 0.0, sd).sum(axis=1)
    if "z_teacher_loss" in z:
        total = total + stats.norm.logpdf(z["z_teacher_loss"]).sum(axis=1)
    for axis in grids or ():
        total = total + stats.norm.logpdf(z[f"steps_{axis}"]).sum(axis=1)
    nu = 1 + np.exp(z["log_nu_minus_1"])
    middle = {
        role: np.mean([math.log(row["tokens"]) for row in rows if row["role"] == role])
        for role in {row["role"] for row in rows}
    }
    above: dict[str, Any] = {name: {} for name in EFFECTS}
    for row in rows:
        log_law = _log_expected(row, p, z, drift, wrong)
        mean, variance = log_law, _scale(row, z, middle[row["role"]], wrong) ** 2
        for name, level in row["levels"].items():
            if level == "alone":
                variance = variance + (0.0 if wrong == "no sd of lone levels" else 1.0) * np.exp(
                    2 * z[f"log_sd_{name}"]
                )
            else:
                sign = -1.0 if wrong == f"sign of {name}" else 1.0
                mean = mean + sign * z[f"effect_{name}"][:, level]
                above[name].setdefault(level, []).append(log_law - math.log(row["loss"]))
        if wrong != "no loss_se":
            variance = variance + (row.get("loss_se", 0.0) / row["loss"]) ** 2
        total = total + stats.t.logpdf(math.log(row["loss"]), nu, mean, np.sqrt(variance))
    means = {
        name: np.stack([np.mean(levels[i], axis=0) for i in sorted(levels)], axis=-1)
        for name, levels in above.items()
        if levels
    }
    return total, means


def _log_expected(row: Row, p: Floats, z: Floats, drift: DriftByHand | None, wrong: str) -> Any:
    alone = supervised_loss(p, row["params"], row["tokens"])
    if drift is not None:
        N, D = (np.exp(drift(axis, math.log(row[n]))) for axis, n in (("N", "params"), ("D", "tokens")))
        alone = np.exp(drift("L", np.log(supervised_loss(p, N, D))))
    if row["role"] == "supervised":
        return np.log(alone)
    L_T = row["teacher_loss"]
    if "blurred" in row and wrong != "no teacher blur":
        level, error = row["blurred"]
        L_T = L_T * np.exp(error / row["teacher_loss"] * z["z_teacher_loss"][:, level])
    if drift is None or "R" not in drift.grids or wrong == "students follow the law":
        return np.log(distilled_loss(p, row["params"], row["tokens"], L_T))
    N, D = (np.exp(drift(axis, math.log(row[n]))) for axis, n in (("N_S", "params"), ("D_S", "tokens")))
    ratio = np.exp(drift("R", np.log(L_T / alone)))
    return np.log(L_T + gap_by_hand(p, N, D, np.exp(drift("L_T", np.log(L_T))), ratio))


def _scale(row: Row, z: Floats, middle: float, wrong: str) -> Any:
    suffix = "" if row["role"] == "supervised" else "_distilled"
    slope = z.get(f"noise_slope{suffix}", 0.0)
    power = slope if wrong == "sign of the noise slope" else -slope
    return np.exp(z[f"log_sigma{suffix}"]) * (row["tokens"] / np.exp(middle)) ** power


def table_of(rows: list[Row]) -> RunTable:
    """The run table that these rows stand for; what only this file knows (`levels`, `blurred`) is left out."""
    frame = pd.DataFrame(rows)
    if "blurred" in frame:
        frame["teacher_loss_se"] = [row["blurred"][1] if "blurred" in row else math.nan for row in rows]
    frame = frame.drop(columns=["levels", "blurred"], errors="ignore")
    text = ("group", "eval_id", "teacher_id", "seed", "status")
    frame = frame.fillna({name: "ok" if name == "status" else "" for name in text if name in frame})
    return RunTable.from_pandas(frame)


def plain_rows(law_name: str, *, seed: int = 0, supervised: int = 9, distilled: int = 8) -> list[Row]:
    """Rows without anything shared: the law, and two percent of noise."""
    rng = np.random.default_rng(seed)
    p = truth(law_name)
    rows: list[Row] = []
    for _ in range(supervised):
        N, D = 10 ** rng.uniform(8, 10), 10 ** rng.uniform(9.5, 11.5)
        loss = supervised_loss(p, N, D) * np.exp(0.02 * rng.standard_normal())
        rows.append({"role": "supervised", "params": N, "tokens": D, "loss": float(loss), "levels": {}})
    for _ in range(distilled if law(law_name).explains("distilled") else 0):
        N, D, L_T = 10 ** rng.uniform(8, 9.5), 10 ** rng.uniform(9.5, 11.5), rng.uniform(1.9, 2.6)
        loss = distilled_loss(p, N, D, L_T) * np.exp(0.02 * rng.standard_normal())
        row = {"role": "distilled", "params": N, "tokens": D, "loss": float(loss), "teacher_loss": L_T}
        rows.append({**row, "levels": {}})
    return rows


def rich_rows(law_name: str) -> list[Row]:
    """Rows that share everything that can be shared, with both standard errors, roles mixed up."""
    rows: list[dict[str, Any]] = []

    def add(role: str, N: float, D: float, loss: float, levels: dict[str, Any], **more: Any) -> None:
        row = {"role": role, "params": N, "tokens": D, "loss": loss, "levels": levels, "status": "ok"}
        rows.append(row | more)

    sup = "supervised"
    # Groups: g1, g2 shared (levels 0, 1), g3 alone; a row of a shared group is nobody's replicate.
    for D, loss, e in ((4e9, 2.9, "x"), (9e9, 2.74, "x"), (2e10, 2.63, "y")):
        add(sup, 3e8, D, loss, {"group": 0, "evaluation": "xyz".index(e)}, group="g1", eval_id=e)
    for D, loss in ((6e9, 2.7), (3e10, 2.45)):
        add(sup, 7e8, D, loss, {"group": 1, "evaluation": 1}, group="g2", eval_id="y", loss_se=0.01)
    add(
        sup,
        2e9,
        4e10,
        2.3,
        {"group": "alone", "replicate": "alone", "evaluation": 0},
        group="g3",
        eval_id="x",
    )
    # Replicates: two configurations on evaluation set x made twice; the same on another set is another key.
    for seed, loss in (("1", 2.55), ("2", 2.58)):
        add(sup, 1e9, 1e10, loss, {"replicate": 0, "evaluation": 0}, seed=seed, eval_id="x")
    add(sup, 1e9, 1e10, 2.49, {"replicate": "alone", "evaluation": 1}, seed="1", eval_id="y", loss_se=0.03)
    # Orders of the data, across configurations: p and q shared (levels 0, 1), r alone.
    for seed, loss, order in (("1", 2.2, "p"), ("2", 2.24, "q"), ("3", 2.21, "q")):
        levels = {"replicate": 1, "evaluation": 0, "data_order": "pq".index(order)}
        add(sup, 4e9, 8e10, loss, levels, seed=seed, eval_id="x", data_order=order)
    alone = {"replicate": "alone", "evaluation": "alone", "data_order": "alone"}
    add(sup, 5e8, 9e10, 2.41, alone, eval_id="z", data_order="r")
    add(sup, 6e8, 7e10, 2.43, {"replicate": "alone", "data_order": 0}, data_order="p")
    if not law(law_name).explains("distilled"):
        return rows
    trained = list(rows)

    def student(N: float, D: float, loss: float, L_T: float, levels: dict[str, Any], **more: Any) -> None:
        add("distilled", N, D, loss, levels, teacher_loss=L_T, **more)

    # Teachers: "big" by name (two measured losses), one by an equal loss, one alone. Students crossed.
    student(3e8, 1e10, 2.62, 2.20, {"teacher": 0, "student": 1}, teacher_id="big", blurred=(0, 0.01))
    student(3e8, 1e10, 2.60, 2.35, {"teacher": 1, "student": 1}, blurred=(1, 0.02))
    student(9e8, 2e10, 2.41, 2.21, {"teacher": 0, "student": 2}, teacher_id="big", blurred=(0, 0.005))
    student(9e8, 2e10, 2.30, 2.35, {"teacher": 1, "student": 2, "data_order": 0}, data_order="p")
    student(2e9, 5e10, 2.33, 2.35, {"teacher": 1, "student": "alone"}, eval_id="x")
    lone = {"teacher": "alone", "student": 0, "group": "alone"}
    student(1.5e8, 8e9, 2.85, 2.5, lone, group="g4", loss_se=0.02)
    student(1.5e8, 8e9, 2.80, 2.20, {"teacher": 0, "student": 0, "group": 2}, teacher_id="big", group="g5")
    student(
        4e8, 3e10, 2.44, 2.20, {"teacher": 0, "student": "alone", "group": 2}, teacher_id="big", group="g5"
    )
    taught = rows[len(trained) :]
    mixed = [row for pair in zip(taught, trained, strict=False) for row in pair]
    return mixed + trained[len(taught) :]
