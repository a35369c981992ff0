"""Every exception and warning of the package, each with the evidence it carries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong with an input, in one line: WHERE: WHAT = VALUE; RULE. NEXT STEP.

    `line` is the physical line of the file (the header is line 1), `column` the name of the column,
    both None where the fault has no such place.
    """

    where: str
    what: str
    value: str
    rule: str
    remedy: str
    line: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= 80 else self.value[:77] + "..."
        subject = f"{self.what} = {shown}" if shown else self.what
        return f"{self.where}: {subject}; {self.rule}. {self.remedy}."


class BayesDslError(Exception):
    """Base of every error that the package raises on purpose; `exit_code` is the command line's."""

    exit_code: ClassVar[int] = 2


class InputError(BayesDslError, ValueError):
    """The input breaks a rule; `faults` lists every breach that was found, in the order of the input."""

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class TableError(InputError):
    """A run table is refused."""


class FileRefused(InputError):
    """A saved file is damaged, hostile, of a foreign version, or not of the kind that was asked for."""


class CountingMismatch(InputError):
    """Parameters counted in two ways (with and without embeddings) meet in one table or question."""


class UnknownName(InputError):
    """A name is not among the registered ones; the remedy lists them."""


class NotIdentified(InputError):
    """The question cannot be answered from this posterior (for instance, a law that lacks the role)."""


class BudgetTooSmall(InputError):
    """A budget does not pay the least plan; `least_flops` is what the dearest of the refused ones needs."""

    def __init__(self, faults: Fault | Iterable[Fault], *, least_flops: float) -> None:
        super().__init__(faults)
        self.least_flops = least_flops


class NotConverged(BayesDslError):
    """The sampler's draws fail the health gate; `posterior` holds them, `diagnostics` says why."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, diagnostics: Any, posterior: Any) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics
        self.posterior = posterior


class UnhealthyPosterior(BayesDslError):
    """A saved posterior failed its health gate when it was sampled, and the caller did not accept that."""

    exit_code: ClassVar[int] = 1


class BayesDslWarning(UserWarning):
    """Base of every warning that the package issues."""


class TableWarning(BayesDslWarning):
    """Something in a run table is unusual, though not refused."""


class ExtrapolationWarning(BayesDslWarning):
    """A question lies beyond the runs that the posterior was conditioned on."""
