"""Several devices, of one process or of two, train what one device trains, and truly share the work."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from models.devices import devices, join

CHECKOUT = Path(__file__).parents[2]
# Nothing here is about speed: a program that is hardly optimised compiles in a third of the time.
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def begin(count: int, *arguments: str) -> subprocess.Popen[str]:
    """A process that sees so many devices."""
    flags = f"{QUICK} --xla_force_host_platform_device_count={count}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "tests.models.on_devices", *arguments]
    return subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def end(*processes: subprocess.Popen[str]) -> None:
    """Wait for some processes, none of which may fail."""
    try:
        said = [process.communicate(timeout=240)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, text in zip(processes, said, strict=True):
        assert process.returncode == 0, text[-3000:]


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("layouts")
    end(begin(4, "layouts", str(folder)))
    return json.loads((folder / "told.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["data", "full"])
def test_four_devices_distil_what_one_does(layouts: Any, layout: str) -> None:
    one, four, quarter = (layouts[name] for name in ("one", layout, "quarter"))
    np.testing.assert_allclose(four["losses"], one["losses"], rtol=1e-5)
    apart = np.abs(np.subtract(four["params"], one["params"])).max()
    assert apart < 1e-5
    # The control: gradients that were not averaged over the devices, but were one device's own.
    assert np.abs(np.subtract(quarter["params"], one["params"])).max() > 100 * max(apart, 1e-5)
    assert np.abs(np.subtract(quarter["losses"], one["losses"]))[1:].min() > 1e-3


def test_each_device_holds_its_part_only_in_the_full_layout(layouts: Any) -> None:
    one, data, full = (layouts[name]["held"] for name in ("one", "data", "full"))
    assert data[0] == one[0] and data[1] >= one[1]
    for part, whole in zip(full, one, strict=True):
        assert part < 0.27 * whole


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    together, alone = tmp_path / "together", tmp_path / "alone"
    for folder in (together, alone):
        folder.mkdir()
    end(
        *(begin(2, "group", str(together), address, str(process)) for process in (0, 1)),
        begin(1, "alone", str(alone)),
    )
    one = json.loads((alone / "process0.json").read_text())
    for process in (0, 1):
        two = json.loads((together / f"process{process}.json").read_text())
        # Dispatches end where the clock says, so that only the last report is surely of the same step.
        assert two["losses"][-1] == pytest.approx(one["losses"][-1], rel=1e-5)
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)


def test_one_device_is_too_few() -> None:
    with pytest.raises(InputError, match="devices = 1; the layout 'data' spreads a step"):
        devices("data")


def test_a_group_is_refused_before_it_waits() -> None:
    with pytest.raises(InputError) as refused:
        join("nowhere", processes=2, process=2)
    assert [fault.what for fault in refused.value.faults] == ["coordinator", "process"]
