"""Which versions this program can run, and what happens before one that it cannot.

Governance activates versions of protocol and VM at the end of an epoch. A program that
does not know the next one has committed the last block of the old epoch and stops there,
before it could vote by rules it does not know: with exit code 6 and the version that
must be installed. Until then it warns. Decision: docs/decisions/0011-membership-by-epoch.md.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from node.logs import log_event
from primitives.errors import CarbonodeError
from primitives.params import ChainParams
from vm.gas import VM_VERSION

_log = logging.getLogger("carbonode.versions")


@dataclass(frozen=True, slots=True)
class Versions:
    """The highest versions that a program knows; it knows all below."""

    protocol: int
    vm: int


SUPPORTED = Versions(protocol=1, vm=VM_VERSION)


class VersionError(CarbonodeError):
    """The chain goes on with a version that this program does not know."""

    code = "version-too-old"


def find_unsupported(params: ChainParams, supported: Versions) -> str:
    """Return what ``params`` ask for beyond ``supported``, in words; empty when nothing."""
    lacking = [
        f"{name} version {wanted} (this program knows up to {known})"
        for name, wanted, known in (
            ("protocol", params.protocol_version, supported.protocol),
            ("VM", params.vm_version, supported.vm),
        )
        if wanted > known
    ]
    return " and ".join(lacking)


def warn_of_versions(coming: ChainParams, height: int, supported: Versions) -> None:
    """Say in the log that this node will stop at the end of the epoch, if it will."""
    lacking = find_unsupported(coming, supported)
    if lacking:
        last = (height // coming.epoch_blocks + 1) * coming.epoch_blocks
        log_event(
            _log, logging.ERROR, "this node stops soon: install a newer program",
            after_height=last, needs=lacking,
        )  # fmt: skip


def check_versions(params: ChainParams, height: int, supported: Versions) -> None:
    """Raise VersionError unless a block of ``height`` can be made under ``params``."""
    lacking = find_unsupported(params, supported)
    if lacking:
        raise VersionError(
            f"from height {height} on the chain needs {lacking}: install a program that has it "
            "and start again; nothing is lost, the node catches up",
            height=height,
            protocol_version=params.protocol_version,
            vm_version=params.vm_version,
        )
