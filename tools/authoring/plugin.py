"""The pytest plugin that this distribution brings: the fixture ``contract``.

It is an empty chain in memory; see tools/authoring/chain.py. Needs pytest, which those who only
run a node do not install: nothing else imports this module. Source: docs/contracts.md.
"""

from __future__ import annotations

import pytest

from tools.authoring.chain import ContractChain
from vm.machine import Machine


@pytest.fixture(scope="session")
def _contract_machine() -> Machine:
    """One for all tests: a contract is compiled once. No outcome depends on it."""
    return Machine()


@pytest.fixture
def contract(request: pytest.FixtureRequest, _contract_machine: Machine) -> ContractChain:
    """An empty chain; paths given to ``contract.deploy`` begin in the test's own folder."""
    return ContractChain(request.path.parent, _contract_machine)
