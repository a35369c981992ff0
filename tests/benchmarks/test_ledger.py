"""The ledger takes only whole rows, and the README shows its newest figures."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from benchmarks import ledger

GOOD: dict[str, Any] = {
    "benchmark": "fit_240_rows",
    "claim": "Table to saved posterior on 240 rows, end to end",
    "figures": {"ours_s": 3.5, "theirs_s": 20.25, "ratio": 5.8, "gate_passed": True, "each_s": [3.4, 3.6]},
    "target": "ratio >= 5",
    "met": True,
    "settings": {"seed": 0, "chains": 4},
}
needs_git = pytest.mark.skipif(not (ledger.ROOT / ".git").exists(), reason="this is no git checkout")


def filled(**changes: Any) -> ledger.Row:
    given = {
        "date": "2026-01-02T03:04:05Z",
        "commit": "0123456789" * 4,
        "dirty": False,
        "versions": {"python": "3.12.1", "jax": "0.12"},
        "machine": "2 cores of some kind, load 0.1 at the start",
    }
    return ledger.Row.model_validate_json(json.dumps(GOOD | given | changes))


@needs_git
def test_a_row_is_appended_with_its_circumstances_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    first = ledger.append(GOOD, rivals=("pytest",), path=path)
    second = ledger.append(GOOD | {"note": "again"}, path=path)
    assert ledger.read(path) == [first, second]
    assert set(first.versions) == {"python", "jax", "numpyro", "arviz", "numpy", "scipy", "pytest"}
    assert "cores" in first.machine and "load" in first.machine
    assert first.figures == GOOD["figures"]
    assert len(path.read_text().splitlines()) == 2


@needs_git
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"figures": {}}, "figures"),
        ({"figures": {"ratio": float("nan")}}, "not finite"),
        ({"figures": {"ratio": float("inf")}}, "not finite"),
        ({"figures": {"each": [1.0, float("nan")]}}, "not finite"),
        ({"figures": {"ratio": None}}, "figures"),
        ({"benchmark": "Fit 240"}, "benchmark"),
        ({"claim": "fast"}, "claim"),
        ({"met": "yes"}, "met"),
        ({"speed": 3.0}, "speed"),
    ],
)
def test_a_row_that_breaks_the_schema_is_refused_whole(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "ledger.jsonl"
    with pytest.raises(ValidationError, match=words):
        ledger.append(GOOD | change, path=path)
    assert not path.exists()


@needs_git
def test_an_unknown_rival_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ledger.importlib.metadata.PackageNotFoundError):
        ledger.append(GOOD, rivals=("no-such-rival",), path=tmp_path / "ledger.jsonl")


def test_a_damaged_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text(filled().model_dump_json() + '\n{"benchmark": "half"\n')
    with pytest.raises(ValueError, match=r"ledger\.jsonl:2"):
        ledger.read(path)


def test_the_table_says_what_was_asked_and_whether_it_was_met() -> None:
    text = ledger.table([filled(), filled(met=False, note="a | b", dirty=True)])
    good, bad = text.splitlines()[2:]
    assert "ratio >= 5: met" in good and "ratio 5.8" in good and "ours_s" not in good
    assert "2026-01-02, 0123456;" in good
    plain = ledger.table([filled(figures={"ours_s": 3.5, "each_s": [3.4, 3.6]})])
    assert "ours_s 3.5" in plain and "each_s 3.4, 3.6" in plain
    assert "**not met**" in bad and "(a \\| b)" in bad and "0123456 with changes" in bad


def test_only_the_newest_row_of_a_benchmark_is_shown() -> None:
    rows = [filled(), filled(benchmark="other"), filled(note="newer")]
    assert ledger.latest(rows) == [rows[2], rows[1]]


def test_figures_go_between_the_markers() -> None:
    readme = "a\n<!-- figures: x -->\nold\n<!-- end of figures -->\nb\n"
    text = ledger.with_figures(readme, [filled()])
    assert text.startswith("a\n<!-- figures: x -->\n| what |") and text.endswith(
        "<!-- end of figures -->\nb\n"
    )
    assert "old" not in text
    assert ledger.with_figures(text, [filled()]) == text
    with pytest.raises(ValueError, match="markers"):
        ledger.with_figures("nothing", [])


def test_the_committed_ledger_keeps_the_schema_and_the_readme_shows_it() -> None:
    text = ledger.README.read_text(encoding="utf-8")
    remade = ledger.with_figures(text, ledger.read())
    assert remade == text, "run `python -m benchmarks.ledger --readme`"


def test_the_ledger_prints_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert ledger.main(["--latest"]) == 0
    assert capsys.readouterr().out.startswith("| what |")
