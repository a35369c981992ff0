"""A corpus and networks so small that a training run takes less time than its compilation."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from models.config import Network, small
from models.corpus.base import Corpus
from models.corpus.load import load
from models.corpus.specs import parse_spec
from models.recipe import Recipe
from models.run import Run
from models.transformer import init

VOCABULARY, CONTEXT, BATCH = 32, 16, 256

RECIPE = Recipe(batch_tokens=BATCH)


@cache
def corpus() -> Corpus:
    """A Markov language of 32 tokens, windows of 16, 40,000 tokens a part, 500 windows to evaluate on."""
    spec = parse_spec(
        {
            "kind": "markov",
            "vocabulary": VOCABULARY,
            "context": CONTEXT,
            "teacher_tokens": 40_000,
            "student_tokens": 40_000,
            "document_tokens": 2_000,
            "eval_tokens": 500 * CONTEXT,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        loaded = load(spec, Path(folder))
        # Copies: the folder goes away.
        return replace(
            loaded,
            teacher_tokens=np.array(loaded.teacher_tokens),
            student_tokens=np.array(loaded.student_tokens),
        )


def network(width: int = 16, *, layers: int = 1) -> Network:
    """A network for that corpus."""
    return small(width, vocabulary=VOCABULARY, context=CONTEXT, layers=layers)


def run(run_id: str = "run", *, steps: int = 20, **changes: Any) -> Run:
    """A run of `steps` steps, with whatever else is given."""
    usual: dict[str, Any] = {"network": network(), "recipe": RECIPE}
    told = {**usual, **changes}
    return Run(run_id=run_id, tokens=steps * told["recipe"].batch_tokens, **told)


def teacher(width: int = 24) -> tuple[Network, Any]:
    """A network that knows nothing, which is enough to be imitated."""
    return network(width), jax.jit(init, static_argnums=1)(jax.random.key(7), network(width))
