"""Two workers against one: what is compared are results, and a difference is an error, not a figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import two_workers


def test_the_ratio_is_of_medians_and_results_must_be_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def timed(folder: Path, workers: int) -> tuple[float, dict[str, bytes]]:
        asked.append(workers)
        return 10.0 / workers + len(asked), {"00000": b"the same"}

    monkeypatch.setattr(two_workers, "timed", timed)
    found = two_workers.measured(2)
    assert asked == [1, 2, 1, 2]
    assert found["one_worker_s"] == [11.0, 13.0] and found["two_workers_s"] == [7.0, 9.0]
    assert found["ratio_one_over_two"] == 1.5 and found["units"] == 1
    monkeypatch.setattr(two_workers, "timed", lambda folder, workers: (1.0, {"00000": b"%d" % workers}))
    with pytest.raises(AssertionError, match="differ"):
        two_workers.measured(1)
    monkeypatch.setattr(two_workers, "timed", lambda folder, workers: (1.0, {}))
    with pytest.raises(AssertionError):
        two_workers.measured(1)


def test_every_unit_is_compared_by_its_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(campaign: object, *, workers: int) -> None:
        for name in ("00000", "00005"):
            place = tmp_path / "units" / name
            place.mkdir(parents=True)
            (place / "result.json").write_text(json.dumps(name), encoding="utf-8")

    monkeypatch.setattr(two_workers, "run", run)
    seconds, results = two_workers.timed(tmp_path, 2)
    assert seconds >= 0.0 and results == {"00000": b'"00000"', "00005": b'"00005"'}
