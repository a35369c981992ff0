"""The misfit's share is none among the runs, grows beyond them, and is nothing for the bare law."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.share import misfit_share
from tests.forecast.made import drifting, made

pytestmark = pytest.mark.filterwarnings("ignore::bayes_dsl.errors.ExtrapolationWarning")
AT = {"student_params": [6e8, 4e9, 4e10], "student_tokens": [2e10, 2e11, 2e12]}


def test_the_share_grows_beyond_the_runs_and_adds_up() -> None:
    bare = made("supervised", spread=1e-2)
    posterior = drifting(bare)
    share = misfit_share(posterior, **AT)
    assert share is not None and share[0] < 0.3 < share[1] < 1.05 and 0.3 < share[2] < 1.05
    total, law = (np.log(expected_loss(one, **AT).loss[:, 2]) for one in (posterior, bare))
    laws = np.cov(law, total)[0, 1] / total.var(ddof=1)
    assert share[2] + laws == pytest.approx(1.0, rel=1e-9)
    assert misfit_share(bare, **AT) is None


def test_the_misfit_has_more_of_a_student_whose_teacher_is_known_by_its_size_alone() -> None:
    posterior = drifting(made("distillation"))
    by_loss = misfit_share(posterior, student_params=1e9, student_tokens=2e10, teacher_loss=2.0)
    assert by_loss is not None
    far = {"teacher_params": 4e10, "teacher_tokens": 2e12}
    by_size = misfit_share(posterior, student_params=1e9, student_tokens=2e10, **far)
    assert by_size is not None and by_size[0] > 0.1
    # Where no student was seen, paths of students do not enter.
    alone = drifting(made("distillation", roles=("supervised",)))
    known = misfit_share(alone, student_params=1e9, student_tokens=2e10, teacher_loss=2.0)
    assert known is not None and known.tolist() == [0.0]
