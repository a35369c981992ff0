"""How a posterior is sampled: chains, lengths, and how careful each step is."""

from __future__ import annotations

from dataclasses import dataclass

from bayes_dsl.errors import Fault, InputError

# Iterations of one chain that one compiled call makes.
BLOCK = 250
BARE_ACCEPT, MISFIT_ACCEPT = 0.95, 0.99
"""Target acceptance where none is asked for: paths leave narrow places, which larger steps would miss now and then."""

CAREFUL = (0.99, 0.998)
"""Target acceptance of the attempts that follow one in which draws diverged."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a posterior is sampled; warm-up in halves, in blocks of 250 iterations.

    Where R-hat or the effective sample sizes fall short and nothing else is wrong, every chain goes on by
    `draws` more, up to `most_draws` (0: four times `draws`); with `most_draws = draws` the length is fixed.
    `target_accept` is .95 where none is asked for, with a misfit .99. Where draws diverge, the posterior is sampled
    again with smaller steps (`CAREFUL`), unless `retry` is off.
    """

    chains: int = 4
    warmup: int = 1000
    draws: int = 1000
    most_draws: int = 0
    target_accept: float | None = None
    max_tree_depth: int = 10
    retry: bool = True

    def __post_init__(self) -> None:
        if self.most_draws == 0:
            object.__setattr__(self, "most_draws", 4 * self.draws)
        rules = {
            "chains": (self.chains >= 2, "R-hat compares chains, so at least 2 are needed"),
            "warmup": (
                self.warmup >= 2 * BLOCK and self.warmup % (2 * BLOCK) == 0,
                f"a multiple of {2 * BLOCK}",
            ),
            "draws": (self.draws >= BLOCK and self.draws % BLOCK == 0, f"a multiple of {BLOCK}"),
            "most_draws": (self.most_draws >= self.draws, f"at least draws, {self.draws}"),
            "target_accept": (
                self.target_accept is None or 0.0 < self.target_accept < 1.0,
                "a probability between 0 and 1",
            ),
            "max_tree_depth": (1 <= self.max_tree_depth <= 15, "between 1 and 15"),
        }
        faults = [
            Fault(
                where="Settings",
                what=name,
                value=str(getattr(self, name)),
                rule=f"must be {rule}" if "so" not in rule else rule,
                remedy="The default is "
                + (
                    f"{BARE_ACCEPT}, with a misfit {MISFIT_ACCEPT}"
                    if name == "target_accept"
                    else f"{self.__dataclass_fields__[name].default}"
                ),
            )
            for name, (kept, rule) in rules.items()
            if not kept
        ]
        if faults:
            raise InputError(faults)

    def acceptance(self, *, misfit: bool) -> float:
        """The target acceptance, of a posterior with misfit or of the bare law."""
        if self.target_accept is not None:
            return self.target_accept
        return MISFIT_ACCEPT if misfit else BARE_ACCEPT
