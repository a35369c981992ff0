"""Figures are written whole, in the format that the name says, and leave matplotlib as it was."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from bayes_dsl.costs.scenarios import BEST_CASE, SUPERVISED_TRAINING
from bayes_dsl.decisions.plans import Plan
from bayes_dsl.decisions.risk import assess
from bayes_dsl.errors import FileRefused, InputError
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.published import published
from bayes_dsl.reporting.plots import (
    plot_allocation,
    plot_comparison,
    plot_diagnostics,
    plot_forecast,
    plot_risk,
)
from bayes_dsl.runs.table import RunTable
from tests.posteriors import posterior_around

BEGINS = {".png": b"\x89PNG\r\n", ".svg": b"<?xml", ".pdf": b"%PDF-"}


@pytest.fixture(scope="module")
def posterior(small_table: RunTable) -> Posterior:
    truth = published("besiroglu")
    return posterior_around(truth.law, truth.parameters, small_table)


def forecast(posterior: Posterior, path: Path | str) -> None:
    plot_forecast(posterior, path, student_params=2e9, student_tokens=1e12)


def allocation(posterior: Posterior, path: Path | str) -> None:
    plot_allocation(posterior, path, SUPERVISED_TRAINING, budget_flops=[1e21], student_params=1e9)


def risk(posterior: Posterior, path: Path | str) -> None:
    plans = {"the run": Plan(student_params=1e9, student_tokens=2e10)}
    plot_risk(posterior, path, assess(posterior, SUPERVISED_TRAINING, plans=plans))


def comparison(posterior: Posterior, path: Path | str) -> None:
    # This law knows no teachers: nothing but the file's name is looked at.
    plot_comparison(posterior, path, BEST_CASE, budget_flops=[1e21], student_params=[1e9])


@pytest.mark.parametrize(
    ("draw", "suffix"),
    [
        *((forecast, suffix) for suffix in (".png", ".svg", ".pdf", ".PNG")),
        (plot_diagnostics, ".svg"),
        (allocation, ".pdf"),
        (risk, ".svg"),
    ],
)
def test_the_suffix_is_the_format(draw, suffix: str, posterior: Posterior, tmp_path: Path) -> None:
    file = tmp_path / f"figure{suffix}"
    draw(posterior, file)
    assert file.read_bytes().startswith(BEGINS[suffix.lower()])
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("draw", [forecast, plot_diagnostics])
def test_it_can_be_read_on_a_screen(draw, posterior: Posterior, tmp_path: Path) -> None:
    draw(posterior, str(tmp_path / "figure.png"))
    pixels = plt.imread(tmp_path / "figure.png")
    assert pixels.shape[:2] == (800, 1200)
    assert 0.6 < float(np.mean(pixels[..., :3])) < 0.999  # mostly paper, not blank


@pytest.mark.parametrize("draw", [forecast, plot_diagnostics, allocation, comparison, risk])
@pytest.mark.parametrize("name", ["figure.jpg", "figure", "posterior.nc"])
def test_another_suffix_is_refused_before_anything_is_drawn(
    draw, name: str, posterior: Posterior, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"ends in \.png, \.svg, \.pdf\. Call it \w+\.png\."):
        draw(posterior, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("draw", [forecast, plot_diagnostics])
def test_a_figure_that_fails_leaves_the_old_one(
    draw, posterior: Posterior, tmp_path: Path, monkeypatch
) -> None:
    file = tmp_path / "figure.png"
    file.write_bytes(b"old")

    def half_written(self: Figure, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise RuntimeError("disk")

    monkeypatch.setattr(Figure, "savefig", half_written)
    with pytest.raises(RuntimeError, match="disk"):
        draw(posterior, file)
    assert file.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_not_there_is_one_sentence(posterior: Posterior, tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as caught:
        forecast(posterior, tmp_path / "nowhere" / "figure.png")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("draw", [forecast, plot_diagnostics])
def test_matplotlib_is_left_as_it_was(draw, posterior: Posterior, tmp_path: Path) -> None:
    draw(posterior, tmp_path / "first.png")  # importing ArviZ's backend may register its styles
    before, figures = dict(matplotlib.rcParams), plt.get_fignums()
    draw(posterior, tmp_path / "second.png")
    assert dict(matplotlib.rcParams) == before and plt.get_fignums() == figures


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_posterior_gives_the_same_bytes(suffix: str, posterior: Posterior, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}{suffix}" for name in ("one", "two")]
    for file in files:
        forecast(posterior, file)
    assert files[0].read_bytes() == files[1].read_bytes()
