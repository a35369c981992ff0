"""The package's posterior written by hand in PyMC: same coordinates, priors, likelihood, none of its code.

The expressions are those that serve PyTensor best: the law in centred exponentials, its published coefficients
never formed. Shared effects are left out on every side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt


def model(arrays: dict[str, Any]) -> pm.Model:
    """The model of `rivals.arrays_of`, whose free variables have the names of our coordinates."""
    with pm.Model() as made:
        z = {name: _coordinate(arrays, name) for name in arrays["sites"]}
        supervised = _Supervised(z, arrays["center"])
        parts = {"supervised": supervised.log_loss}
        if "distilled" in arrays["roles"]:
            parts["distilled"] = _Distilled(z, arrays, supervised).log_loss
        mean, scale = [], []
        for role in arrays["roles"]:
            inputs = {name: np.asarray(values) for name, values in arrays["inputs"][role].items()}
            mean.append(parts[role](inputs))
            scale.append(_scale(z, arrays, role))
        nu = 1.0 + pt.exp(z["log_nu_minus_1"])
        pm.StudentT(
            "log_loss",
            nu=nu,
            mu=pt.concatenate(mean),
            sigma=pt.concatenate(scale),
            observed=np.asarray(arrays["log_loss"]),
        )
    return made


def _coordinate(arrays: dict[str, Any], name: str) -> Any:
    if name == "slope_L_T":  # its prior stands on c_0, see _Distilled
        return pm.Flat(name, initval=arrays["prior"]["c_0"]["loc"])
    return pm.Normal(name, arrays["prior"][name]["loc"], arrays["prior"][name]["scale"])


def _scale(z: dict[str, Any], arrays: dict[str, Any], role: str) -> Any:
    suffix = "" if role == "supervised" else f"_{role}"
    log_tokens = np.asarray(arrays["log_tokens"][role])
    falls = z.get(f"noise_slope{suffix}", 0.0)
    return pt.exp(z[f"log_sigma{suffix}"] - falls * (log_tokens - arrays["token_span"][role]["center"]))


class _Supervised:
    """E + m [w e^(-alpha x) + (1 - w) e^(-beta y)]^gamma."""

    def __init__(self, z: dict[str, Any], center: dict[str, float]) -> None:
        self.center = center
        self.log_gamma = z.get("log_gamma", 0.0)
        log_E = z["log_L_center"] - pt.softplus(z["log_m_over_E"])
        self.log_m = log_E + z["log_m_over_E"]
        self.E = pt.exp(log_E)
        log_w, log_v = -pt.softplus(-z["logit_w"]), -pt.softplus(z["logit_w"])
        self.w, self.v = pt.exp(log_w), pt.exp(log_v)
        self.alpha = pt.exp(z["log_slope_N"] - self.log_m - log_w - self.log_gamma)
        self.beta = pt.exp(z["log_slope_D"] - self.log_m - log_v - self.log_gamma)

    def log_loss_at(self, x: Any, y: Any) -> Any:
        inner = self.w * pt.exp(-self.alpha * x) + self.v * pt.exp(-self.beta * y)
        power = 1.0 if isinstance(self.log_gamma, float) else pt.exp(self.log_gamma)
        above = inner if isinstance(power, float) else pt.exp(power * pt.log(inner))
        return pt.log(self.E + pt.exp(self.log_m) * above)

    def log_loss(self, inputs: dict[str, np.ndarray]) -> Any:
        return self.log_loss_at(
            np.log(inputs["N"]) - self.center["log_N"], np.log(inputs["D"]) - self.center["log_D"]
        )

    def student(self, log_N: Any, log_D: Any) -> Any:
        """ln of the loss that a student would reach alone."""
        return self.log_loss_at(log_N - self.center["log_N"], log_D - self.center["log_D"])


class _Distilled:
    """L_T + gap, the gap centred where it is widest; the prior of c_0 is added to the model."""

    def __init__(self, z: dict[str, Any], arrays: dict[str, Any], supervised: _Supervised) -> None:
        self.z, self.center, self.supervised = z, arrays["center"], supervised
        center, eta = self.center, pt.exp(z["log_eta"])
        self.eta = eta
        self.s = pt.exp(z["log_s_1"]) * eta / -pt.expm1(-eta)
        self.log_r_0 = z["log_r_1"] - (eta + pt.log(-pt.expm1(-eta)) - z["log_eta"]) / self.s
        alone = supervised.student(center["log_N_S"], center["log_D_S"])
        depth = self._depth(center["log_L_T"], alone)
        self.c_0 = z["slope_L_T"] - self.s / eta * pt.sigmoid(depth)
        pm.Potential(
            "prior_c_0",
            pm.logp(pm.Normal.dist(arrays["prior"]["c_0"]["loc"], arrays["prior"]["c_0"]["scale"]), self.c_0),
        )
        self.log_gap_center = z["log_gap_center"] + pt.softplus(depth) / eta

    def _depth(self, log_L_T: Any, alone: Any) -> Any:
        return self.z["log_eta"] + self.s * (log_L_T - alone - self.log_r_0)

    def log_loss(self, inputs: dict[str, np.ndarray]) -> Any:
        z, center = self.z, self.center
        log_N, log_D, L_T = np.log(inputs["N_S"]), np.log(inputs["D_S"]), inputs["L_T"]
        log_w, log_v = -pt.softplus(-z["logit_w_prime"]), -pt.softplus(z["logit_w_prime"])
        alpha = pt.exp(z["log_slope_N_S"] - log_w - z["log_gamma_prime"])
        beta = pt.exp(z["log_slope_D_S"] - log_v - z["log_gamma_prime"])
        inner = pt.exp(log_w - alpha * (log_N - center["log_N_S"])) + pt.exp(
            log_v - beta * (log_D - center["log_D_S"])
        )
        fall = pt.softplus(self._depth(np.log(L_T), self.supervised.student(log_N, log_D))) / self.eta
        log_gap = (
            self.log_gap_center
            - self.c_0 * (np.log(L_T) - center["log_L_T"])
            - fall
            + pt.exp(z["log_gamma_prime"]) * pt.log(inner)
        )
        return pt.log(L_T + pt.exp(log_gap))
