"""How many workers there are cores for, and that linear algebra keeps to one where it must."""

import os

import numpy as np  # noqa: F401  (brings the BLAS that is asked about)
import pytest
from threadpoolctl import threadpool_info

from bayes_dsl.cores import one_blas_thread, workers


def test_there_is_at_least_one_worker_and_no_more_than_asked_for():
    assert workers(0) == 1
    assert workers(1) == 1
    assert 1 <= workers(64) <= 64


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not pin processes")
def test_a_pinned_process_counts_its_own_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert workers(8) == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    assert workers(8) == 3


def test_without_affinity_the_machine_is_counted(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert workers(8) == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert workers(8) == 5


def test_linear_algebra_keeps_to_one_thread_and_gets_them_back():
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    before = threads()
    assert before
    with one_blas_thread():
        assert threads() == {1}
    assert threads() == before
