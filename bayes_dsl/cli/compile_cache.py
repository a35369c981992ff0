"""Where JAX keeps what it compiled, so that the second fit of a shape of table need not compile again."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

FOLDER = "JAX_COMPILATION_CACHE_DIR"
LEAST_SECONDS = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def use_compile_cache(environment: MutableMapping[str, str]) -> None:
    """Name a cache folder of this user to JAX, which reads the two variables when it is imported.

    The folder is `bayes_dsl/jax` in `XDG_CACHE_HOME`, or in `~/.cache`. What the user has set stays, and
    without a home folder nothing is set: JAX then compiles every time, with the same results.
    """
    if FOLDER in environment:
        return
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        home = environment.get("HOME", "")
        if not Path(home).is_absolute():
            return
        base = Path(home) / ".cache"
    environment[FOLDER] = str(base / "bayes_dsl" / "jax")
    environment.setdefault(LEAST_SECONDS, "0")
