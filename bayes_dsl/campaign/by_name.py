"""The one place where the package imports what it is told by name: a caller's function, an optional library."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from bayes_dsl.errors import Fault, InputError


def function(name: str) -> Callable[..., Any]:
    """The function called `package.module:function`; the name comes from the caller, never from a file.

    Raises
    ------
    InputError
        It cannot be imported, or is no function.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise no_work(name, f"workers cannot import it ({said})") from error
    if not callable(found):
        raise no_work(name, "it is no function")
    return found  # type: ignore[no-any-return]


def library(module: str, *, extra: str, purpose: str) -> Any:
    """An optional library, at the moment when it is needed.

    Raises
    ------
    InputError
        It is not installed; the remedy names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            Fault(
                where=purpose,
                what="library",
                value=module,
                rule=f"it is not installed or does not open ({' '.join(str(error).split())})",
                remedy=f'Install it: pip install "bayes-dsl[{extra}]"',
            )
        ) from error


def no_work(name: str, rule: str) -> InputError:
    """The exception for work that cannot be imported, by the rule that it breaks."""
    remedy = "Correct the name, or put its folder on PYTHONPATH"
    return InputError(Fault(where="campaign", what="work", value=repr(name), rule=rule, remedy=remedy))
