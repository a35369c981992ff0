"""`laws compare` prints, writes and ends as the other verbs do."""

import json
from pathlib import Path

import pytest

from bayes_dsl.cli.laws_keys import LawKeys, LawsKeys, TargetKeys
from bayes_dsl.errors import NotConverged
from bayes_dsl.laws.supervised import CHINCHILLA
from bayes_dsl.validation import left_out
from tests.posteriors import HEALTHY, posterior_around
from tests.validation.compared import TRUTH, made_by_hand

ASKED = ("--student", "70B", "--tokens", "1.4T", "--laws", "supervised,chinchilla")


def test_a_table_from_a_shell(bayes_dsl, sampled_table: Path, tmp_path: Path) -> None:
    kept = tmp_path / "laws.json"
    with made_by_hand(off=1.05):
        ran = bayes_dsl("laws", "compare", sampled_table, *ASKED, "-o", kept)
        printed = json.loads(bayes_dsl("laws", "compare", sampled_table, *ASKED, "--json").out)
    assert (ran.code, ran.err) == (0, "")
    assert "Fit to the table: leave one row out" in ran.out and f"Written: {kept}" in ran.out
    assert "at 4x" in ran.out and "at 8x" in ran.out and "70B params x 1.4T tokens  stacked" in ran.out
    assert "No two laws fit the table equally well" in ran.out
    assert list(printed) == list(LawsKeys.model_fields)
    assert [list(one) for one in printed["laws"]] == [list(LawKeys.model_fields)] * 2
    assert list(printed["targets"][0]) == list(TargetKeys.model_fields)
    assert json.loads(kept.read_text()) == {**printed, "written": str(kept)}


def test_laws_that_cannot_be_told_apart_are_told(bayes_dsl, sampled_table: Path) -> None:
    # A floor a thousandth higher is well within the noise of half a percent, and beyond such certain draws.
    with made_by_hand(off=1.001, spread=1e-6):
        ran = bayes_dsl("laws", "compare", sampled_table, *ASKED, "--holdout", "8x", "--quiet")
    assert "4 apart)\n  supervised and chinchilla fit the table equally well" in ran.out
    assert "DISAGREE at 70B params x 1.4T tokens" in ran.out and "Notes" not in ran.out


def test_an_unhealthy_posterior_ends_with_1_and_is_named(
    bayes_dsl, sampled_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made_by_hand():
        healthy = left_out.fit

        def fit(table, *, law, **rest):
            if law is not CHINCHILLA:
                return healthy(table, law=law, **rest)
            posterior = posterior_around(law, TRUTH, table, diagnostics={**HEALTHY, "divergences": 7})
            raise NotConverged("", diagnostics=posterior.diagnostics, posterior=posterior)

        monkeypatch.setattr(left_out, "fit", fit)
        ran = bayes_dsl("laws", "compare", sampled_table, *ASKED)
        monkeypatch.undo()
    assert ran.code == 1 and "not passed" in ran.out
    first, last = ran.err.splitlines()
    assert first.startswith("chinchilla: divergences = 7") and last.startswith("laws compare: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--student", "70B"), "laws compare: --tokens = none; a target is a size with its tokens"),
        (("--teacher-loss", "2.1"), "laws compare: --student = none"),
        (("--laws", "supervised,kaplan"), "law: name = kaplan; no registered law has this name"),
        (("--laws", "supervised"), "laws compare: laws = supervised; a comparison needs two laws"),
        (("--holdout", "half"), "--holdout = half"),
        (("-o", "."), "a comparison is written to a file"),
        (("--folds", "1"), "--folds"),
    ],
)
def test_bad_words_are_lines_and_exit_2(bayes_dsl, sampled_table: Path, words: tuple, said: str) -> None:
    with made_by_hand() as seen:
        ran = bayes_dsl("laws", "compare", sampled_table, *words)
    assert ran.code == 2 and said in ran.err and "Traceback" not in ran.err
    assert seen == []
