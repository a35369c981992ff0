"""The mode search finds modes of known potentials, and the scale of latent effects rather than their collapse."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.inference.mode import find_mode, local_scale


def gradients_of(potential, gradient):
    def gradients(positions):
        return np.array([potential(p) for p in positions]), np.array([gradient(p) for p in positions])

    return gradients


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_normal_density_gives_its_mean_and_covariance(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(5, 5)) + 2 * np.eye(5)
    precision, mean = root @ root.T, rng.normal(size=5) * 3
    gradients = gradients_of(
        lambda p: 0.5 * (p - mean) @ precision @ (p - mean), lambda p: precision @ (p - mean)
    )
    mode = find_mode(gradients, np.zeros(5), scales=np.zeros(5, dtype=bool))
    assert mode.converged
    np.testing.assert_allclose(mode.position, mean, atol=0.01)
    np.testing.assert_allclose(mode.whiten @ mode.whiten.T, np.linalg.inv(precision), rtol=1e-4, atol=1e-8)


def test_a_curved_valley_is_followed_to_its_end():
    gradients = gradients_of(
        lambda p: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2,
        lambda p: np.array([-2 * (1 - p[0]) - 400 * p[0] * (p[1] - p[0] ** 2), 200 * (p[1] - p[0] ** 2)]),
    )
    mode = find_mode(gradients, np.array([-1.2, 1.0]), scales=np.zeros(2, dtype=bool))
    assert mode.converged
    np.testing.assert_allclose(mode.position, [1.0, 1.0], atol=1e-2)


def hierarchy(levels: int, rows: int, sd: float, seed: int):
    """Rows y = u + noise with u ~ N(0, sd): coordinates log sd, log sigma, and u / sd of each level."""
    rng = np.random.default_rng(seed)
    y = rng.normal(0, sd, levels)[:, None] + rng.normal(0, 0.1, (levels, rows))

    def potential(p):
        sd, sigma, z = np.exp(p[0]), np.exp(p[1]), p[2:]
        residual = (y - sd * z[:, None]) / sigma
        return 0.5 * z @ z + 0.5 * np.sum(residual**2) + y.size * p[1] + 0.5 * (p[0] ** 2 + p[1] ** 2) / 9

    def gradient(p):
        sd, sigma, z = np.exp(p[0]), np.exp(p[1]), p[2:]
        residual = (y - sd * z[:, None]) / sigma
        along = residual.sum(axis=1) / sigma
        return np.concatenate(
            [[-sd * z @ along + p[0] / 9, y.size - np.sum(residual**2) + p[1] / 9], z - sd * along]
        )

    return gradients_of(potential, gradient)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_scales_of_effects_are_found_not_their_joint_mode(seed):
    levels, rows, sd = 60, 4, 0.3
    gradients = hierarchy(levels, rows, sd, seed)
    scales = np.r_[True, True, np.zeros(levels, dtype=bool)]
    start = np.zeros(levels + 2)
    mode = find_mode(gradients, start, scales=scales)
    # Standard errors of a log scale: about 1 / sqrt(2 n) for n levels, or n rows within them.
    assert abs(mode.position[0] - np.log(sd)) < 4 / np.sqrt(2 * levels)
    assert abs(mode.position[1] - np.log(0.1)) < 4 / np.sqrt(2 * levels * (rows - 1))
    joint = find_mode(gradients, start, scales=np.zeros_like(scales))
    assert joint.position[1] < mode.position[1] - 0.05, "the control: the joint mode shrinks the noise"


def test_a_mode_is_measured_anew_after_a_change_of_coordinates():
    gradients = hierarchy(30, 4, 0.3, 0)
    scales = np.r_[True, True, np.zeros(30, dtype=bool)]
    mode = find_mode(gradients, np.zeros(32), scales=scales)
    again = local_scale(gradients, mode, scales=scales)
    np.testing.assert_allclose(again.position, mode.position, atol=0.02)
    np.testing.assert_array_equal(again.position[:2], mode.position[:2])
