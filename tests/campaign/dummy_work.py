"""Work that costs nothing, for campaigns that are killed, starved and misled."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayes_dsl.files import write_atomically

Json = dict[str, Any]
Needs = Mapping[str, Path]


def chain(payload: Json, settings: Json, folder: Path, needs: Needs) -> Json:
    """A chain of hashes over the payload and the results of the needs, with a checkpoint every step."""
    return _chain(payload, settings, folder, needs, atomic=True)


def torn_chain(payload: Json, settings: Json, folder: Path, needs: Needs) -> Json:
    """The same, though a checkpoint is written in two pieces: a kill in between leaves half of it."""
    return _chain(payload, settings, folder, needs, atomic=False)


def _chain(payload: Json, settings: Json, folder: Path, needs: Needs, *, atomic: bool) -> Json:
    checkpoint = folder / "checkpoint.txt"
    results = {
        name: json.loads((path / "result.json").read_text())["content"] for name, path in needs.items()
    }
    start = json.dumps([payload, settings, results], sort_keys=True)
    done, state = 0, hashlib.sha256(start.encode()).hexdigest()
    if payload.get("checkpoints") and checkpoint.exists():
        text = checkpoint.read_text()
        done, state = len(text.splitlines()) - 1, text.splitlines()[-1]
    history = [*checkpoint.read_text().splitlines()] if done else [state]
    for _ in range(done, payload["steps"]):
        time.sleep(payload.get("seconds", 0.0))
        state = hashlib.sha256(state.encode()).hexdigest()
        history.append(state)
        if payload.get("checkpoints"):
            text = "\n".join(history)
            if atomic:
                write_atomically(checkpoint, text)
            else:
                with checkpoint.open("w") as file:
                    file.write(text[: len(text) - 20])
                    file.flush()
                    time.sleep(0.05)
                    file.write(text[len(text) - 20 :])
    return {"state": state, "steps": payload["steps"], "third": 1 / 3}


def where(payload: Json, settings: Json, folder: Path, needs: Needs) -> Json:
    """Leaves in its folder which process made it, on which cores, with which environment."""
    told = {
        "pid": os.getpid(),
        "cores": sorted(os.sched_getaffinity(0)),
        "environment": {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "XLA_FLAGS")},
    }
    (folder / "where.json").write_text(json.dumps(told))
    time.sleep(payload.get("seconds", 0.0))
    return {}


def mixed(payload: Json, settings: Json, folder: Path, needs: Needs) -> Any:
    """Does what the payload says, good or bad."""
    print("the work speaks")
    match payload["do"]:
        case "fine":
            return {"value": payload.get("value", 1)}
        case "raise":
            raise ValueError("the first line\nand the second")
        case "exit":
            raise SystemExit("enough")
        case "nan":
            return {"loss": float("nan")}
        case "no dict":
            return 3
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die once":
            if not (folder / "died").exists():
                (folder / "died").write_text("")
                os.kill(os.getpid(), signal.SIGKILL)
            return {"value": "second life"}
        case "shout":
            sys.stdout.flush()
            subprocess.run(["echo", "a child speaks"], check=True)
            print(f"nothing to read: {sys.stdin.read()!r}")
            return {}
        case "full":
            (folder / "half").write_text("what was written before")
            Path("/dev/full").write_bytes(b"x" * 100)
    raise AssertionError(payload)


def counted(payload: Json, settings: Json, folder: Path, needs: Needs) -> Json:
    """Adds a line to a file outside, so that a test can count and order the calls."""
    with Path(settings["tally"]).open("a") as file:
        file.write(payload["name"] + "\n")
    time.sleep(payload.get("seconds", 0.0))
    return {"name": payload["name"]}


def limited(payload: Json, settings: Json, folder: Path, needs: Needs) -> Json:
    """From here on this process may write files of no more than some bytes, as on a full disk."""
    if not (folder.parents[1] / "more room").exists():
        resource.setrlimit(resource.RLIMIT_FSIZE, (payload["bytes"], resource.RLIM_INFINITY))
    return {"long": "x" * 5000}
