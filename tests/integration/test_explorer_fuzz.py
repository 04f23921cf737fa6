"""Every address of the public interface with made-up parameters: no server error, and answers
of the form that the document promises. By schemathesis, from the OpenAPI document; bounded.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import CHECKS, not_a_server_error
from sqlalchemy import Engine

from tests.unit.tools.audited_chain import AuditedChain
from tests.unit.tools.conftest import index, index_chain
from tests.unit.tools.test_explorer_api import run_api

pytestmark = pytest.mark.integration
__all__ = ["index", "index_chain"]

SEED = 20261124
EXAMPLES = 2
"""For each of some 150 addresses."""


@pytest.fixture(scope="module")
def url(index_chain: AuditedChain, index: Engine) -> Iterator[str]:
    """The interface in a thread of its own."""
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        async with run_api(index_chain, index, 1_000_000) as api:
            started.set_result((api.url, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    address, loop, stop = started.result(timeout=30)
    yield address
    loop.call_soon_threadsafe(stop.set)
    thread.join()


def test_made_up_requests_meet_no_server_error(url: str) -> None:
    print(f"seed {SEED}")
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json")
    wanted = [
        check for name in ("not_a_server_error", "response_schema_conformance")
        if (check := CHECKS.get_one(name)) is not None
    ]  # fmt: skip
    assert not_a_server_error in wanted and len(wanted) == 2
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        assert operation is not None

        @seed(SEED)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: schemathesis.Case) -> None:
            nonlocal asked
            response = case.call(base_url=url)
            asked += 1
            # No node is behind this interface: a proof is refused as it should be.
            if response.status_code == 502:
                assert response.json()["code"] in ("no-node", "proof-refused")
                return
            case.validate_response(response, checks=wanted)

        strategy = operation.as_strategy()
        fuzz = given(case=strategy)
        fuzz(ask)()
    assert asked > 300
