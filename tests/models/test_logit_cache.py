"""The cache of a teacher's logits: the same training but for the rounding to float16, and the rounding is said."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from bayes_dsl.errors import InputError
from models import transformer
from models.logit_cache import open_cache
from models.objectives import Objective
from models.step import Teacher
from models.train import batch_order, train
from tests.models import tiny

RUN = tiny.run(objective=Objective(), teacher_id="teacher")


def test_every_logit_of_every_window_is_kept(tmp_path: Path) -> None:
    network, params = tiny.teacher()
    stream = tiny.corpus().student_tokens
    order_SxB = batch_order(RUN, len(stream), tiny.CONTEXT)
    shape = Teacher(network=network, micro_windows=16)
    cache = open_cache(tmp_path, shape, params, "digest", stream, order_SxB)
    assert len(cache.windows_W) == order_SxB.size
    got = cache.of(order_SxB[3:5])
    assert got.shape == (2, 16, tiny.CONTEXT, tiny.VOCABULARY) and got.dtype == np.float16
    windows = stream[order_SxB[3:5, :, None].astype(int) * tiny.CONTEXT + np.arange(tiny.CONTEXT)]
    run = jax.jit(transformer.logits, static_argnums=2)
    wanted = run(params, windows.reshape(-1, tiny.CONTEXT).astype(np.int32), network)
    np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=6e-4, atol=1e-3)
    # A second time it is read; another teacher has a file of its own.
    open_cache(tmp_path, shape, None, "digest", stream, order_SxB)
    assert len(list(tmp_path.iterdir())) == 1
    open_cache(tmp_path, shape, params, "other", stream, order_SxB)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_training_from_the_cache_differs_by_its_rounding(tmp_path: Path) -> None:
    (plain,) = train([RUN], tiny.corpus(), tmp_path / "plain", teacher=tiny.teacher())
    how = {"teacher": tiny.teacher(), "logit_cache": tmp_path / "cache"}
    (cached,) = train([RUN], tiny.corpus(), tmp_path / "cached", **how)  # type: ignore[arg-type]
    assert plain.loss is not None and cached.loss is not None
    assert (plain.teacher_logits, cached.teacher_logits) == ("float32", "float16")
    assert 0 < abs(cached.loss - plain.loss) < 1e-3


def test_logits_beyond_float16_are_refused(tmp_path: Path) -> None:
    network, params = tiny.teacher()
    loud = {**params, "norm": params["norm"] * 1e6}
    order_SxB = np.arange(4).reshape(2, 2)
    with pytest.raises(InputError, match="float16 holds logits of up to 65504"):
        open_cache(
            tmp_path,
            Teacher(network=network, micro_windows=16),
            loud,
            "loud",
            tiny.corpus().student_tokens,
            order_SxB,
        )
    assert not list(tmp_path.iterdir())
