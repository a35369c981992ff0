"""The order of windows is a pure function, every epoch a permutation; streams and evaluation have names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.corpus import Corpus, window_count, window_order
from models.corpus.base import token_dtype


def corpus(eval_windows: np.ndarray) -> Corpus:
    return Corpus(
        corpus_id="c",
        vocabulary=9,
        context=2,
        sha256="0" * 64,
        tokenizer_id="none",
        provenance={},
        teacher_tokens=np.arange(5, dtype=np.uint16),
        student_tokens=np.arange(4, dtype=np.uint16),
        eval_windows_ExT1=eval_windows,
        oracle_nll_ExT=None,
        bytes_per_token=None,
    )


@given(n=st.integers(1, 300), seed=st.integers(0, 2**40), epochs=st.integers(1, 4))
def test_every_epoch_shows_every_window_once_and_a_longer_order_begins_with_the_shorter(
    n: int, seed: int, epochs: int
) -> None:
    order = window_order(n, data_seed=seed, epochs=epochs)
    assert order.dtype == np.int32 and order.shape == (n * epochs,)
    assert np.array_equal(np.sort(order.reshape(epochs, n), axis=1), np.tile(np.arange(n), (epochs, 1)))
    assert np.array_equal(window_order(n, data_seed=seed, epochs=epochs + 1)[: len(order)], order)


def test_seeds_and_epochs_have_orders_of_their_own() -> None:
    first, second = window_order(100, data_seed=1, epochs=2).reshape(2, 100)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, window_order(100, data_seed=2, epochs=1))


@pytest.mark.parametrize(("n", "seed", "epochs"), [(0, 0, 1), (2**31, 0, 1), (5, -1, 1), (5, 0, 0)])
def test_an_order_that_cannot_be_is_refused(n: int, seed: int, epochs: int) -> None:
    with pytest.raises(ValueError, match="no order"):
        window_order(n, data_seed=seed, epochs=epochs)


@given(tokens=st.integers(0, 500), context=st.integers(1, 50))
def test_as_many_windows_as_fit_whole_and_not_one_more(tokens: int, context: int) -> None:
    windows = window_count(tokens, context)
    assert windows == sum(start + context + 1 <= tokens for start in range(0, tokens, context))


def test_eval_id_follows_the_tokens_and_not_their_storage() -> None:
    windows = np.arange(12, dtype=np.uint16).reshape(4, 3)
    assert corpus(windows).eval_id == corpus(np.asfortranarray(windows.astype(np.uint32))).eval_id
    assert corpus(windows).eval_id != corpus(windows.reshape(3, 4)).eval_id
    assert corpus(windows).eval_id != corpus(windows[::-1]).eval_id


def test_streams_are_chosen_by_part() -> None:
    made = corpus(np.zeros((1, 3), np.uint16))
    assert len(made.stream("teacher")) == 5 and len(made.stream("student")) == 4
    with pytest.raises(KeyError):
        made.stream("eval")  # type: ignore[arg-type]


def test_the_last_token_fits_its_type() -> None:
    for vocabulary in (256, 2**16, 2**16 + 1, 2**20):
        assert np.iinfo(token_dtype(vocabulary)).max >= vocabulary - 1
    assert token_dtype(2**16) is np.uint16
