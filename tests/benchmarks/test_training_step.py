"""A step is timed on the device there is, and figures of another machine keep its name."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import training_step
from benchmarks.ledger import append, read


def test_a_step_is_timed() -> None:
    line = training_step.timed(16, micro_tokens=1024)
    assert line["ms_step"] > 0 and line["ktok_s"] > 0 and line["passes"] == training_step.WHOLE


def test_figures_of_another_machine_keep_its_name(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(
        training_step, "append", lambda row, **how: append(row, path=tmp_path / "ledger", **how)
    )
    about = {"device": "one accelerator", "jax": "0.11.2", "python": "3.12.3"}
    line = {"width": 32, "passes": "recipe", "ms_step": 0.25, "ktok_s": 4096.0, "tflops": 0.84}
    (tmp_path / "lines").write_text(f"{json.dumps(about)}\n{json.dumps(line)}\n")
    assert training_step.main(["--ledger", "--from", str(tmp_path / "lines")]) == 0
    (row,) = read(tmp_path / "ledger")
    assert row.machine == "one accelerator" and row.versions == {"jax": "0.11.2", "python": "3.12.3"}
    assert row.figures["ktok_per_s"] == [4096.0]
