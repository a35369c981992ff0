"""The objectives in plain NumPy float64, one position at a time, straight from their equations."""

from __future__ import annotations

import numpy as np


def probabilities(logits_V, temperature=1.0):
    """softmax(logits / temperature)."""
    weights = np.exp((logits_V - logits_V.max()) / temperature)
    return weights / weights.sum()


def log_z(logits_V):
    """log sum exp."""
    top = logits_V.max()
    return top + np.log(np.exp(logits_V - top).sum())


def kept(logits_V, *, top_k=None, top_p=None):
    """Tokens of a truncated teacher: likeliest first, until there are k of them or they reach probability p."""
    chance = probabilities(logits_V)
    tokens, reached = [], 0.0
    for token in sorted(range(len(logits_V)), key=lambda v: (-logits_V[v], v)):
        if top_k is not None and len(tokens) == top_k:
            break
        if top_p is not None and top_p < 1 and reached >= top_p:
            break
        tokens.append(token)
        reached += chance[token]
    return tokens


def truncated(logits_V, temperature, *, top_k=None, top_p=None):
    """The teacher's distribution at a temperature, on its kept tokens, renormalised."""
    tokens = kept(logits_V, top_k=top_k, top_p=top_p)
    chance = np.zeros(len(logits_V))
    chance[tokens] = probabilities(logits_V[tokens], temperature)
    return chance


def distillation(student_V, teacher_V, temperature, *, divergence="forward", top_k=None, top_p=None):
    """tau^2 cross-entropy(teacher, student), Eq. 6, or tau^2 KL(student || teacher)."""
    teacher = truncated(teacher_V, temperature, top_k=top_k, top_p=top_p)
    student = probabilities(student_V, temperature)
    if divergence == "reverse":
        return temperature**2 * sum(q * np.log(q / p) for q, p in zip(student, teacher, strict=True))
    return -(temperature**2) * sum(p * np.log(q) for q, p in zip(student, teacher, strict=True))


def kl(p_V, q_V):
    """KL(p || q) of two distributions."""
    return sum(p * np.log(p / q) for p, q in zip(p_V, q_V, strict=True) if p > 0)


def student_loss(student_BxTxV, teacher_BxTxV, targets_BxT, *, mixing, temperature, z_weight, **objective):
    """Eq. 7, mean over positions; without a teacher, next token and z-loss."""
    total = 0.0
    for place in np.ndindex(targets_BxT.shape):
        student_V = student_BxTxV[place]
        next_token = -np.log(probabilities(student_V)[targets_BxT[place]])
        if teacher_BxTxV is None:
            total += next_token
        else:
            distilled = distillation(student_V, teacher_BxTxV[place], temperature, **objective)
            total += (1 - mixing) * next_token + mixing * distilled
        total += z_weight * log_z(student_V) ** 2
    return total / targets_BxT.size


def gradient(function, x, step=1e-5):
    """Central differences of a scalar function of an array."""
    slopes = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        slopes[place] = (function(up) - function(down)) / (2 * step)
    return slopes


def calibration_error(logits_NxV, targets_N, bins):
    """Expected calibration error: positions sorted into bins of confidence, gap by gap."""
    chances = np.array([probabilities(one) for one in logits_NxV])
    confidence, hit = chances.max(axis=1), chances.argmax(axis=1) == targets_N
    error = 0.0
    for low in range(bins):
        inside = (confidence > low / bins) & (confidence <= (low + 1) / bins)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - hit[inside].mean())
    return error
