"""From trained states to outcomes: measures, verdict, costs, and the parameters that are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models import checkpoints
from models.config import Network
from models.corpus.base import Corpus, window_count
from models.evaluate import Evaluation, evaluate
from models.outcome import Outcome, made_by
from models.position import Position
from models.run import Run

_LAST_STEPS = 50


def outcomes_of(
    runs: Sequence[Run],
    corpus: Corpus,
    position: Position,
    teacher: tuple[Network, Any] | None,
    folder: Path,
    *,
    rounded: bool = False,
) -> tuple[Outcome, ...]:
    """Measure the runs and keep the parameters of those that ask for it.

    A run has diverged when its loss ceased to be a number; when it rose more than 1 nat above its first value
    and ends above that of guessing, ln V; or when it ends within 0.001 of that, as a network does whose logits
    have died. It has no measures then, and its parameters are not kept.

    Raises
    ------
    FileRefused
        The disk does not take the parameters.
    """
    networks = [(run.network, state["params"]) for run, state in zip(runs, position.states, strict=True)]
    taught = any(run.objective is not None for run in runs)
    measured, teachers = evaluate(networks, corpus, teacher=teacher if taught else None)
    shares = _shares(runs, teacher)
    outcomes = []
    for place, (run, evaluation) in enumerate(zip(runs, measured, strict=True)):
        ok = not position.diverged[place] and not _lost(
            evaluation.loss, position.losses_SxR[:, place], corpus
        )
        if ok and run.save:
            meta = {"run_id": run.run_id, "loss": evaluation.loss, "tokens": run.trained_tokens}
            path = parameters_path(folder, run.run_id)
            checkpoints.save_parameters(path, position.states[place]["params"], run.network, meta)
        cells = {
            **_run_cells(run, corpus),
            **_recipe_cells(run),
            **(_teacher_cells(run, teacher, teachers, rounded) if run.objective is not None else {}),
            **(_measures(run, evaluation, position.losses_SxR[:, place]) if ok else {}),
            "status": "ok" if ok else "diverged",
            "cpu_seconds": round(position.cpu_seconds * shares[place], 3),
            "wall_seconds": round(position.wall_seconds * shares[place], 3),
            "resumed": position.resumed,
            "started_at": position.started_at,
            **made_by(),
        }
        outcomes.append(Outcome(**cells))
    return tuple(outcomes)


def parameters_path(folder: Path, run_id: str) -> Path:
    """Where a run that says `save` leaves its parameters."""
    return folder / f"{run_id}.npz"


def _lost(loss: float, losses_S: np.ndarray, corpus: Corpus) -> bool:
    above = loss - math.log(corpus.vocabulary)
    blown_up = above > 0 and max(loss, losses_S.max()) > losses_S[0] + 1
    return not math.isfinite(loss) or blown_up or abs(above) < 1e-3


def _shares(runs: Sequence[Run], teacher: tuple[Network, Any] | None) -> np.ndarray:
    """Each run's part of the FLOPs of all, the teacher's forward divided among those it teaches."""
    taught = sum(run.objective is not None for run in runs)
    forward = teacher[0].architecture.forward_flops / taught if teacher is not None and taught else 0.0
    flops = [
        3 * run.network.architecture.forward_flops + (forward if run.objective is not None else 0.0)
        for run in runs
    ]
    return np.asarray(flops) / sum(flops)


def _run_cells(run: Run, corpus: Corpus) -> dict[str, Any]:
    shape = run.network.architecture
    unique = window_count(len(corpus.stream(run.part)), corpus.context) * corpus.context
    names = ("layers", "width", "ffn_width", "heads", "head_size", "vocabulary", "context")
    return {
        "run_id": run.run_id,
        "role": run.role,
        "params": shape.params,
        "params_total": shape.params_total,
        "tokens": run.trained_tokens,
        "unique_tokens": min(run.trained_tokens, unique),
        "seed": run.seed,
        "data_seed": run.data_seed,
        "group": run.group,
        "trunk_id": run.trunk_id,
        "part": run.part,
        "eval_id": corpus.eval_id,
        "corpus_id": corpus.corpus_id,
        "corpus_sha256": corpus.sha256,
        "tokenizer_id": corpus.tokenizer_id,
        "flops": 3 * shape.forward_flops * run.trained_tokens,
        "base_width": run.network.base_width,
        "compute": run.network.compute,
        **{name: getattr(shape, name) for name in names},
    }


def _recipe_cells(run: Run) -> dict[str, Any]:
    recipe = run.recipe
    names = ("peak_rate", "final_rate", "weight_decay", "beta1", "beta2", "epsilon", "clip", "z_weight")
    return {
        "batch_tokens": recipe.batch_tokens,
        "micro_tokens": run.micro_windows * run.network.architecture.context,
        "steps": run.steps,
        "warmup_steps": recipe.warmup(run.steps),
        "schedule": recipe.schedule,
        "cooldown_share": recipe.cooldown_share if recipe.schedule == "wsd" else None,
        **{name: getattr(recipe, name) for name in names},
    }


def _teacher_cells(
    run: Run, teacher: tuple[Network, Any] | None, measured: Evaluation | None, rounded: bool
) -> dict[str, Any]:
    assert run.objective is not None and teacher is not None and measured is not None
    shape = teacher[0].architecture
    return {
        "teacher_id": run.teacher_id,
        "teacher_params": shape.params,
        "teacher_loss": measured.loss,
        "teacher_loss_se": measured.loss_se,
        "mixing": run.mixing,
        "temperature": run.temperature,
        "divergence": run.objective.divergence,
        "top_k": run.objective.top_k,
        "top_p": run.objective.top_p,
        "teacher_logits": "float16" if rounded else "float32",
        "flops_teacher_forward": shape.forward_flops * run.trained_tokens,
    }


def _measures(run: Run, evaluation: Evaluation, losses_S: np.ndarray) -> dict[str, Any]:
    taught = run.objective is not None
    return {
        "loss": evaluation.loss,
        "loss_se": evaluation.loss_se,
        "excess": evaluation.excess,
        "bits_per_byte": evaluation.bits_per_byte,
        "ece": evaluation.ece,
        "kl_teacher_student": evaluation.kl_teacher_student if taught else None,
        "top1_agreement": evaluation.top1_agreement if taught else None,
        "train_loss_last": float(losses_S[-_LAST_STEPS:].astype(np.float64).mean()),
    }
