"""One training run, as data: which network, on which tokens, by which recipe, taught by whom."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bayes_dsl.errors import Fault, InputError
from models.config import Network
from models.corpus.base import Corpus, window_count
from models.objectives import Objective
from models.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run.

    Attributes
    ----------
    run_id : str
        Its name, which also names its files.
    network : Network
    tokens : float
        Training tokens asked for. Whole batches are trained: `floor(tokens / batch_tokens)` steps.
    seed, data_seed : int
        Of the initial parameters; of the order of the windows.
    part : {"teacher", "student"}
        Part of the corpus that it is trained on.
    recipe : Recipe
    objective : Objective or None
        How it is taught; None: by the data alone.
    mixing, temperature : float
        lambda, weight of the teacher against the data, and tau, which softens both; nothing where there is no
        objective.
    teacher_id, group, trunk_id : str or None
        Name of the teacher; of the runs that share data; of the WSD trunk that this run branches off.
    save : bool
        Whether the final parameters are kept.
    most_epochs : int
        Passes over the part's tokens that are allowed.
    branches : tuple of float
        Of a WSD trunk: tokens of the runs that will branch off, where the state is kept for them.
    """

    run_id: str
    network: Network
    tokens: float
    seed: int = 0
    data_seed: int = 0
    part: Literal["teacher", "student"] = "student"
    recipe: Recipe = field(default_factory=Recipe)
    objective: Objective | None = None
    mixing: float = 1.0
    temperature: float = 1.0
    teacher_id: str | None = None
    group: str | None = None
    trunk_id: str | None = None
    save: bool = False
    most_epochs: int = 1
    branches: tuple[float, ...] = ()

    @property
    def role(self) -> Literal["supervised", "distilled"]:
        """What the run table calls this way of training."""
        return "supervised" if self.objective is None else "distilled"

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return self.recipe.steps(self.tokens)

    @property
    def trained_tokens(self) -> int:
        """Target tokens that are truly trained on: those of whole steps."""
        return self.steps * self.recipe.batch_tokens

    @property
    def branch_steps(self) -> tuple[int, ...]:
        """Steps of a trunk after which its branches leave it."""
        return tuple(self.recipe.cooldown_start(self.recipe.steps(tokens)) for tokens in self.branches)

    @property
    def batch_windows(self) -> int:
        """Windows of a step."""
        return self.recipe.batch_tokens // self.network.architecture.context

    @property
    def micro_windows(self) -> int:
        """Windows of a pass."""
        shape = self.network.architecture
        return self.recipe.micro_windows(params=shape.params, context=shape.context)

    def record(self) -> dict[str, Any]:
        """The run as JSON-able data."""
        return asdict(self)


def check(runs: Sequence[Run], corpus: Corpus, *, teacher: Network | None, devices: int = 1) -> None:
    """Refuse runs that cannot be trained together on this corpus, on so many devices.

    Raises
    ------
    InputError
        Everything that is wrong with any of them, one line each.
    """
    faults = [fault for run in runs for fault in _faults(run, corpus, teacher)]
    faults += _shared_faults(runs)
    if runs and runs[0].batch_windows % devices:
        rule = f"the {devices} devices share a batch evenly"
        value, remedy = f"{runs[0].batch_windows} windows", "Choose a multiple for batch_tokens"
        faults.append(_fault("training", "batch", value, rule, remedy))
    if faults:
        raise InputError(faults)


def _faults(run: Run, corpus: Corpus, teacher: Network | None) -> Iterator[Fault]:
    where = f"run {run.run_id!r}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", run.run_id):
        rule = "must be up to 100 letters, digits, dots, dashes, plus signs or underscores"
        yield _fault("run", "run_id", ascii(run.run_id), rule, "Choose a name that can name a file")
    yield from run.recipe.context_faults(run.network.architecture.context, where)
    yield from _corpus_faults(run, corpus, where)
    yield from _teacher_faults(run, teacher, where)
    yield from _branch_faults(run, where)
    if not run.seed >= 0:
        yield _fault(where, "seed", run.seed, "must be 0 or more", "Choose another")
    if not run.data_seed >= 0:
        yield _fault(where, "data_seed", run.data_seed, "must be 0 or more", "Choose another")


def _corpus_faults(run: Run, corpus: Corpus, where: str) -> Iterator[Fault]:
    shape = run.network.architecture
    for what in ("vocabulary", "context"):
        mine, its = getattr(shape, what), getattr(corpus, what)
        if mine != its:
            rule = f"the corpus {corpus.corpus_id} has {its}"
            yield _fault(where, what, mine, rule, "Make the network for its corpus")
    if not 0 < run.tokens < 2**53 or run.steps < 1:
        rule = f"must be at least one batch of {run.recipe.batch_tokens} tokens"
        yield _fault(where, "tokens", f"{run.tokens:g}", rule, "Train on more, or in smaller batches")
        return
    unique = window_count(len(corpus.stream(run.part)), corpus.context) * corpus.context
    if run.trained_tokens > run.most_epochs * unique:
        rule = f"the {run.part}'s part has {unique:,} unique tokens and most_epochs is {run.most_epochs}"
        remedy = "Train on fewer, make a larger corpus, or allow more epochs"
        yield _fault(where, "tokens", f"{run.trained_tokens:,}", rule, remedy)


def _teacher_faults(run: Run, teacher: Network | None, where: str) -> Iterator[Fault]:
    if run.objective is None:
        if run.teacher_id is not None:
            rule = "a run without an objective learns from the data alone"
            yield _fault(where, "teacher_id", run.teacher_id, rule, "Give it an objective, or no teacher")
        return
    if run.teacher_id is None:
        rule = "a run with an objective names its teacher"
        yield _fault(where, "teacher_id", "none", rule, "Name the teacher, or drop the objective")
    if teacher is None:
        rule = "a run with an objective needs the parameters of its teacher"
        yield _fault(where, "teacher", "none", rule, "Hand them to train, or drop the objective")
    elif teacher.architecture.vocabulary != run.network.architecture.vocabulary:
        rule = f"the student has {run.network.architecture.vocabulary}"
        value = teacher.architecture.vocabulary
        yield _fault(where, "teacher's vocabulary", value, rule, "Choose a teacher with the same tokens")
    if not 0 <= run.mixing <= 1:
        yield _fault(where, "mixing", run.mixing, "must be from 0 to 1", "Choose such a share")
    if not 0 < run.temperature < 1e6:
        yield _fault(where, "temperature", run.temperature, "must be above 0", "1 leaves logits as they are")


def _branch_faults(run: Run, where: str) -> Iterator[Fault]:
    if not run.branches and run.trunk_id is None:
        return
    if run.recipe.schedule != "wsd" or run.recipe.warmup_steps is None:
        rule = "a trunk and its branches share a wsd schedule with a fixed number of warmup_steps"
        value = f"{run.recipe.schedule}, warmup_steps {run.recipe.warmup_steps}"
        yield _fault(where, "schedule", value, rule, "Set both in the recipe")
        return
    last = run.recipe.cooldown_start(run.steps)
    for tokens, step in zip(run.branches, run.branch_steps, strict=True):
        if not 0 < step <= last:
            rule = f"a branch leaves before the trunk itself cools down, from step 1 to {last}"
            yield _fault(where, "branches", f"{tokens:g}", rule, "Train the trunk for longer, or drop it")


_SHARED = ("tokens", "data_seed", "part", "batch_tokens", "context", "vocabulary")


def _shared_faults(runs: Sequence[Run]) -> Iterator[Fault]:
    names = [run.run_id for run in runs]
    if not runs:
        yield _fault("training", "runs", 0, "needs at least one", "Give a run")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield _fault("training", "run_id", name, "two runs have this name", "Name each run once")
    for what in _SHARED:
        values = sorted({str(_shared(run, what)) for run in runs})
        if len(values) > 1:
            rule = "runs that are trained together share their batches"
            yield _fault("training", what, " and ".join(values), rule, "Train them in two calls")


def _shared(run: Run, what: str) -> object:
    for owner in (run, run.recipe, run.network.architecture):
        if hasattr(owner, what):
            return getattr(owner, what)
    raise AttributeError(what)


def _fault(where: str, what: str, value: object, rule: str, remedy: str) -> Fault:
    return Fault(where=where, what=what, value=str(value), rule=rule, remedy=remedy)
