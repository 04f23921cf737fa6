"""One run's faults, as plain values: what profiles draw, shrinking reduces and worlds obey.

Times in milliseconds from the start of the run; probabilities in percent of a message.
"""

from __future__ import annotations

from dataclasses import dataclass

from tools.simulator.disk import DiskFaults


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that may go wrong in one run."""

    validators: int
    """Nodes with a key; ``schedule`` says who of them is a validator when."""
    real_keys: bool
    heal_at_ms: int
    heights: int
    """Heights that must become final after everything has healed."""
    delay_ms_max: int
    loss: int
    repeat: int
    partitions: tuple[tuple[int, int, tuple[int, ...], bool], ...]
    """(from, to, group, one way): the group's messages to the rest are lost, or both ways."""
    crashes: tuple[tuple[int, int, int, int], ...]
    """(at, node, down for, effects still performed after ``at``)."""
    lost_record: int | None
    """The node whose last-signed record is lost in its first crash."""
    liars: dict[int, tuple[str, ...]]
    idle: bool
    """No transactions: only empty blocks."""
    rotate: bool
    """The set's order changes with each epoch."""
    skew_ms: tuple[int, ...]
    """How far each node's clock is off."""
    ring: bool
    """Links to two neighbours only: everything else is handed on."""
    torn: bool = False
    """A crash in the middle of an append to the vote log leaves part of its frame."""
    disk_losses: tuple[tuple[int, str], ...] = ()
    """(node, what its disk loses at its first restart: see DiskFaults)."""
    full_disks: tuple[tuple[int, int, int], ...] = ()
    """(from, to, node): no room on that node's disk."""
    bad_links: tuple[tuple[int, int, int, int, int], ...] = ()
    """(from, to, source, target, ms): so much slower in that direction; below 0: cut."""
    clock_jumps: tuple[tuple[int, int, int], ...] = ()
    """(at, node, ms): the node starts again with a clock that is so far off."""
    drift_ppm: tuple[int, ...] = ()
    """How much too fast each node's clock runs, in millionths; empty: all run right."""
    deaths: tuple[tuple[int, int, int], ...] = ()
    """(node, number, down for): dies before the number-th instruction of all its lives."""
    schedule: tuple[tuple[int, ...], ...] = ()
    """The validators of each epoch, the last one for ever; empty: all nodes, always."""
    starts: tuple[tuple[int, int], ...] = ()
    """(node, at): starts so late, with an empty disk; the others start at once."""
    dead: tuple[int, ...] = ()
    """Validators that never run."""
    epoch_blocks: int = 3
    timeout_ms: tuple[int, int] = (500, 4_000)
    """T0 and the longest time-out of a view."""

    def make_disk_faults(self, node: int, start_ms: int) -> DiskFaults:
        """Return what befalls that node's disk, in the time of the run."""
        return DiskFaults(
            self.torn,
            dict(self.disk_losses).get(node, ""),
            tuple(
                (start_ms + start, start_ms + end)
                for start, end, owner in self.full_disks
                if owner == node
            ),
        )

    def get_members(self, epoch: int) -> tuple[int, ...]:
        """Return the nodes that are validators in an epoch, in the order of the set."""
        if self.schedule:
            members = self.schedule[min(epoch, len(self.schedule) - 1)]
        else:
            members = tuple(range(self.validators))
        shift = epoch % len(members) if self.rotate else 0
        return members[shift:] + members[:shift]

    @property
    def faulty(self) -> frozenset[int]:
        """Nodes that nothing is expected of."""
        return frozenset(self.liars) | frozenset(self.dead)
