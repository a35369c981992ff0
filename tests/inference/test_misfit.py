"""What is believed and what is forecast go through one seam, which at present is the bare law."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import jax
import numpy as np
import pytest

from bayes_dsl.forecast import expected
from bayes_dsl.inference import program
from bayes_dsl.inference.misfit import BARE_LAW, expected_log_loss
from bayes_dsl.laws.registry import registered
from tests.inference.by_hand import distilled_loss, supervised_loss, truth

N, D, L_T = np.array([2e8, 3e9]), np.array([[1e10], [4e11]]), 2.2


@pytest.mark.parametrize("law", registered(), ids=lambda law: law.name)
def test_the_bare_law_is_the_law(law: Any) -> None:
    p = truth(law.name)
    with jax.enable_x64(True):
        found = np.asarray(expected_log_loss(law, "supervised", p, {"N": N, "D": D}))
        np.testing.assert_allclose(found, np.log(supervised_loss(p, N, D)), rtol=1e-12)
        if law.explains("distilled"):
            found = np.asarray(expected_log_loss(law, "distilled", p, {"N_S": N, "D_S": D, "L_T": L_T}))
            np.testing.assert_allclose(found, np.log(distilled_loss(p, N, D, L_T)), rtol=1e-12)
    assert BARE_LAW == "none"


@pytest.mark.parametrize("room", [program, expected], ids=lambda room: room.__name__)
def test_program_and_forecast_ask_the_seam_and_never_the_law(room: Any) -> None:
    tree = ast.parse(inspect.getsource(room))
    called = [
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]
    assert called.count("expected_log_loss") == 1
    assert not {"log_loss", "loss"} & set(called)
