"""More than one device: how a step's states and batches lie on several devices, of one process or of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec

from bayes_dsl.errors import Fault, InputError

Layout = Literal["data", "full"]

_AXIS = "device"


@dataclass(frozen=True, kw_only=True)
class Devices:
    """Devices that train together; hashable, as compiled programs are kept for each.

    Either way each device has its share of every batch. XLA writes the communication: gradients are summed
    over the devices, and in the layout "full" each matrix is gathered where it is used.

    Attributes
    ----------
    layout : {"data", "full"}
        "data": every device holds all parameters and moments. "full": each holds its part of every array
        that their number divides.
    mesh : jax.sharding.Mesh
        The devices, along one axis.

    Notes
    -----
    A run's numbers differ from those on one device by rounding, as sums over a batch are taken in another
    order. Networks are initialised and measured on one device, which must hold their parameters.
    """

    layout: Layout
    mesh: Mesh

    @property
    def count(self) -> int:
        """Devices."""
        return int(self.mesh.size)

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files."""
        return bool(jax.process_index() == 0)

    @property
    def _several(self) -> bool:
        return bool(jax.process_count() > 1)

    def shardings(self, tree: Any) -> Any:
        """Where each array of a state lies; arrays, or their shapes."""
        return jax.tree.map(lambda leaf: NamedSharding(self.mesh, self._spec(leaf.shape)), tree)

    def _spec(self, shape: Sequence[int]) -> Spec:
        """The longest axis that the devices divide is cut, the first of equals; none is: the array is copied."""
        lengths = [length if length % self.count == 0 else 0 for length in shape]
        if self.layout == "data" or not any(lengths):
            return Spec()
        cut = lengths.index(max(lengths))
        return Spec(*[_AXIS if axis == cut else None for axis in range(len(shape))])

    def place(self, tree: Any) -> Any:
        """States of this process's memory, on the devices; all processes have the same ones."""
        return jax.tree.map(lambda leaf, where: _global(np.asarray(leaf), where), tree, self.shardings(tree))

    def place_batches(self, steps_SxBx: np.ndarray) -> jax.Array:
        """Batches of some steps: each device gets its share of the windows."""
        return _global(steps_SxBx, NamedSharding(self.mesh, Spec(None, _AXIS)))

    def hold(self, tree: Any) -> Any:
        """Inside a program: states stay where they are from step to step."""
        return jax.lax.with_sharding_constraint(tree, self.shardings(tree))

    def copied(self, tree: Any) -> Any:
        """Inside a program: every device has the whole of these arrays."""
        return jax.lax.with_sharding_constraint(tree, NamedSharding(self.mesh, Spec()))

    def fetch(self, tree: Any) -> Any:
        """The whole arrays in this process's memory; every process has to ask."""
        whole = jax.jit(lambda leaves: leaves, out_shardings=NamedSharding(self.mesh, Spec()))(tree)
        return jax.tree.map(lambda leaf: np.array(leaf.addressable_data(0)), whole)

    def agreed(self, value: int) -> int:
        """The leading process's number: what a clock says must not part the processes."""
        return int(multihost_utils.broadcast_one_to_all(np.int64(value))) if self._several else value

    def wait(self, name: str) -> None:
        """Wait until every process has come here."""
        if self._several:
            multihost_utils.sync_global_devices(name)


def devices(layout: Layout) -> Devices:
    """All devices that JAX has, those of every process of the group among them.

    Raises
    ------
    InputError
        There is one device only.
    """
    found = jax.devices()
    if len(found) < 2:
        rule = f"the layout {layout!r} spreads a step over several devices"
        remedy = "Take layout 'one', or let XLA see more: XLA_FLAGS=--xla_force_host_platform_device_count=4"
        raise InputError(Fault(where="training", what="devices", value="1", rule=rule, remedy=remedy))
    return Devices(layout=layout, mesh=Mesh(np.array(found), (_AXIS,)))


def join(coordinator: str, *, processes: int, process: int) -> None:
    """Make this process one of a group that trains together; called before JAX is used.

    Parameters
    ----------
    coordinator
        HOST:PORT of process 0, which the others reach.
    processes, process
        Their number, and which of them this is, from 0.

    Raises
    ------
    InputError
        The address or a number cannot be; every breach is listed.
    """
    host, _, port = coordinator.rpartition(":")
    faults = []
    if not host or not port.isdigit():
        rule, remedy = "must be HOST:PORT of the first process", "Give an address such as 10.0.0.1:8476"
        faults.append(
            Fault(where="training", what="coordinator", value=coordinator, rule=rule, remedy=remedy)
        )
    if not 0 <= process < processes:
        rule = f"must be from 0 to {processes - 1}" if processes > 0 else "there must be one process or more"
        remedy = "Number the processes from 0"
        faults.append(Fault(where="training", what="process", value=f"{process}", rule=rule, remedy=remedy))
    if faults:
        raise InputError(faults)
    jax.distributed.initialize(coordinator, num_processes=processes, process_id=process)


def _global(array: np.ndarray, where: NamedSharding) -> jax.Array:
    return jax.make_array_from_callback(array.shape, where, lambda index: array[index])
