"""Run one signature of a function compiled with ``backend="jax"``: on one device, or a batch split over many.

The program is that of the whole batch. With a mesh its rows are given to the devices and everything else to all of
them; XLA turns each sum over the batch into one over all devices. So the statistics of batch norm are those of the
whole batch, as on one device.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd.compiler.backends.numpy import refuse_range
from micrograd.errors import GraphError, ShapeError
from micrograd.program.program import Feed, Program

__all__ = ["ShardedEntry", "connect", "mesh_of"]


def mesh_of(mesh: Any) -> Any:
    """Return a mesh of one axis.

    Args:
        mesh: a `jax.sharding.Mesh`, a number of devices, or None.

    Raises:
        GraphError: more devices than there are, or a mesh of several axes.
    """
    from micrograd.export.jax import require_jax

    jax = require_jax()
    if mesh is None:
        return None
    if isinstance(mesh, int) and not isinstance(mesh, bool):
        devices = jax.devices()
        if not 1 <= mesh <= len(devices):
            raise GraphError(
                f"a mesh of {mesh} devices, but JAX has {len(devices)}; use mesh={len(devices)}, "
                f"or set XLA_FLAGS=--xla_force_host_platform_device_count={mesh} before JAX starts, for virtual ones."
            )
        return jax.sharding.Mesh(np.array(devices[:mesh]), ("batch",))
    if not isinstance(mesh, jax.sharding.Mesh):
        raise GraphError(f"mesh is a {type(mesh).__name__}; pass a jax.sharding.Mesh or a number of devices.")
    if len(mesh.axis_names) != 1:
        raise GraphError(
            f"the mesh has axes {', '.join(map(str, mesh.axis_names))}; expected one, along which the batch is split."
        )
    return mesh


def connect(
    coordinator: str | None = None, processes: int | None = None, rank: int | None = None, *, timeout: float = 30
) -> None:
    """Join the processes of one training run; to be called before anything else that uses JAX.

    Args:
        coordinator: ``host:port`` of the process of rank 0; the variable JAX_COORDINATOR_ADDRESS where left out.
        processes: how many there are; JAX_NUM_PROCESSES where left out.
        rank: which of them this is, from 0; JAX_PROCESS_ID where left out.
        timeout: seconds to wait for the others; also how long one may be silent before the rest are notified and stop.

    Raises:
        GraphError: an address or number is missing, the others do not come in time, or JAX has been used already.
    """
    from micrograd.export.jax import require_jax

    jax = require_jax()
    coordinator = coordinator or os.environ.get("JAX_COORDINATOR_ADDRESS")
    processes = _number(processes, "JAX_NUM_PROCESSES", "how many processes take part")
    rank = _number(rank, "JAX_PROCESS_ID", "which of them this is, from 0")
    host, _, port = (coordinator or "").rpartition(":")
    if not host or not port.isdigit():
        raise GraphError(
            f"the coordinator is {coordinator!r}; pass host:port of rank 0, or set JAX_COORDINATOR_ADDRESS."
        )
    if not 0 <= rank < processes:
        raise GraphError(f"rank {rank} of {processes} processes; expected 0 to {processes - 1} (JAX_PROCESS_ID).")
    _meet(host, int(port), processes, rank, timeout)
    seconds = max(10, int(timeout))
    try:
        jax.distributed.initialize(
            coordinator, processes, rank, initialization_timeout=seconds, heartbeat_timeout_seconds=seconds
        )
    except RuntimeError as error:
        raise GraphError(
            f"connect() comes after JAX has started, or twice; call it once, before anything that uses JAX. ({error})"
        ) from error


def _number(given: int | None, variable: str, meaning: str) -> int:
    text = os.environ.get(variable, "") if given is None else str(given)
    if not text.isdigit():
        raise GraphError(f"{meaning} is not said; pass it, or set {variable}.")
    return int(text)


def _meet(host: str, port: int, processes: int, rank: int, timeout: float) -> None:
    """Wait until all processes are there: JAX's own client ends a process, with a stack trace, that waits in vain."""
    end = time.monotonic() + timeout
    if rank == 0:
        _receive(port, processes, end, f"{host}:{port} within {timeout:g} s")
        return
    while True:
        try:
            with socket.create_connection((host, port), timeout=max(0.1, end - time.monotonic())) as line:
                line.sendall(rank.to_bytes(4, "big"))
                if line.recv(1) == _ALL_HERE:
                    return
        except OSError:
            pass
        if time.monotonic() >= end:
            raise GraphError(
                f"no coordinator at {host}:{port} within {timeout:g} s, or it waits for others; start the process of "
                "rank 0, or set JAX_COORDINATOR_ADDRESS."
            )
        time.sleep(0.1)


_ALL_HERE = b"!"


def _receive(port: int, processes: int, end: float, where: str) -> None:
    """Play rank 0's part: hear from every rank, then send to all of them."""
    guests: dict[int, socket.socket] = {}
    with socket.create_server(("", port)) as door:
        while len(guests) < processes - 1:
            door.settimeout(max(0.01, end - time.monotonic()))
            try:
                line, _ = door.accept()
                line.settimeout(1)
                guests[int.from_bytes(line.recv(4), "big")] = line
            except OSError as error:
                if time.monotonic() < end:
                    continue
                absent = ", ".join(str(r) for r in range(1, processes) if r not in guests)
                raise GraphError(
                    f"rank {absent} of {processes} processes did not come to {where}; start it, "
                    "or check JAX_COORDINATOR_ADDRESS and JAX_NUM_PROCESSES."
                ) from error
        for line in guests.values():
            line.sendall(_ALL_HERE)
            line.recv(1)  # until they have closed it, so that the port is free at once
            line.close()


class ShardedEntry:
    """A program compiled by JAX for one signature.

    State that the program changes is given to JAX to be overwritten, and comes back as arrays of the host after each
    call; what stands unchanged on the devices since the last call is not sent again.

    Args:
        program: as captured.
        leaves: the arguments of the first call.
        mesh: of one axis, or None.
    """

    def __init__(self, program: Program, leaves: Sequence[Any], mesh: Any) -> None:
        from micrograd.export.jax import evaluate_jax, refuse_truncation, require_jax

        jax = require_jax()
        refuse_truncation(program)
        self.program, self.mesh = program, mesh
        self.assumptions, self.relied = program.assumptions, program.relied
        self.pool: list[Any] = []
        self._jax = jax
        self._resident: dict[int, tuple[Any, Any]] = {}
        changed = {_place(write.put) for write in program.writes}
        fed = [feed for feed in program.feeds if feed.kind != "constant"]
        self._donated = [feed for feed in fed if feed.kind == "state" and _place(feed.get) in changed]
        self._kept = [feed for feed in fed if feed not in self._donated]
        constants = {feed.value: feed.array for feed in program.feeds if feed.kind == "constant"}
        results = (*program.outputs, *(write.value for write in program.writes))
        self._batch = self._batch_size(leaves)

        def run(donated: list[Any], kept: list[Any]) -> list[Any]:
            given = dict(constants)
            given |= {feed.value: x for feed, x in zip(self._donated, donated, strict=True)}
            given |= {feed.value: x for feed, x in zip(self._kept, kept, strict=True)}
            known = evaluate_jax(program, given)
            return [jax.numpy.asarray(known[v], program.values[v].dtype if not program.values[v].weak else None)
                    for v in results]  # fmt: skip

        everywhere = None if mesh is None else jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        self._everywhere = everywhere
        self._run = jax.jit(run, donate_argnums=0, **({} if mesh is None else {"out_shardings": everywhere}))

    def _batch_size(self, leaves: Sequence[Any]) -> int | None:
        """Return the first axis of the first array, which the devices share."""
        if self.mesh is None:
            return None
        devices = self.mesh.devices.size
        size = next((leaf.shape[0] for leaf in leaves if getattr(leaf, "ndim", 0)), None)
        if size is None or size % devices == 0:
            return size
        below, above = size // devices * devices, -(-size // devices) * devices
        use = f"{below} or {above}" if below else str(above)
        raise ShapeError(f"batch {size} cannot be split over {devices} devices; use {use}, or drop_last.")

    def holds(self) -> bool:
        """Return whether what the capture relied on is still so: that a layer is training."""
        return self.program.holds()

    def run(self, leaves: Sequence[Any]) -> Any:
        """Return the result of a call, whose changes of state have taken place."""
        outputs = self._run(*self._given(leaves))
        count = len(self.program.outputs)
        dtypes = [self.program.values[v].dtype for v in self.program.outputs]  # JAX may count in 32 bits
        answers = [self._host(x).astype(dtype, copy=False) for x, dtype in zip(outputs[:count], dtypes, strict=True)]
        made: dict[int, tuple[Any, Any]] = {}
        for write, x in zip(self.program.writes, outputs[count:], strict=True):
            host = self._host(x)
            host.setflags(write=False)  # what the devices keep must not change behind them
            write.put(host)
            made[id(host)] = host, x
        for feed in self._donated:
            if found := made.get(id(feed.get())):  # type: ignore[misc]
                self._resident[feed.value] = found
        for effect in self.program.after:
            effect()
        return self.program.rebuild(answers)

    def lowering(self, *args: Any) -> str:
        """Return what XLA runs for a call with these arguments, as text; nothing is run."""
        return str(self._run.lower(*self._given(args)).compile().as_text())

    def _given(self, leaves: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        return [self._state(f) for f in self._donated], [self._sent(f, self._value(f, leaves)) for f in self._kept]

    def _state(self, feed: Feed) -> Any:
        """Return the value of a state that JAX may overwrite: the array that it has already, or a new one."""
        value = feed.get()  # type: ignore[misc]
        host, device = self._resident.pop(feed.value, (None, None))
        return (
            device
            if host is value and host is not None
            else self._sent(feed, np.array(value) if np.ndim(value) else value)
        )

    def _value(self, feed: Feed, leaves: Sequence[Any]) -> Any:
        if feed.get is not None:
            return feed.get()
        value = leaves[feed.position]
        if feed.limit is not None:
            refuse_range(np.asarray(value), feed.limit, self.program, -feed.limit if feed.signed else 0)
        return value

    def _sent(self, feed: Feed, value: Any) -> Any:
        """Return a value on the devices: split along the batch, or whole on each."""
        made = self.program.values[feed.value]
        if made.weak:
            return float(value)
        array = np.asarray(value, made.dtype)
        if self.mesh is None:
            return self._jax.numpy.asarray(array)
        split = feed.kind != "state" and array.ndim and array.shape[0] == self._batch
        sharding = self._everywhere
        if split:
            sharding = self._jax.sharding.NamedSharding(
                self.mesh, self._jax.sharding.PartitionSpec(self.mesh.axis_names[0])
            )
        return self._jax.make_array_from_callback(array.shape, sharding, lambda rows: array[rows])

    def _host(self, x: Any) -> Any:
        """Return a copy on the host, whose memory is not JAX's; every process holds the whole."""
        return np.array(x if x.is_fully_addressable else x.addressable_data(0))


def _place(function: Callable[[], Any] | Callable[[Any], None] | None) -> tuple[Any, ...]:
    """Return what a reader or writer of state reads or writes: the leaf, or the holder and its key."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))  # type: ignore[union-attr]
    found = {name: cells[name].cell_contents for name in ("leaf", "holder", "key") if name in cells}
    return tuple(value if name == "key" else id(value) for name, value in found.items())
