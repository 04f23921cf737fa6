"""What commands share that speak to governance: send one call, open a proposal.

A proposal is carried out at once where one vote is enough; else its number is what
administrators vote on ('carbonode validator vote'). Source: vm/contracts/README.md.
"""

from __future__ import annotations

from primitives.codec import Value
from primitives.transaction import Call
from tools.cli.key_commands import find_key_path
from tools.cli.session import Refused, Session
from tools.client.client import Client
from tools.client.keyfile import read_key
from tools.client.results import FinalTransaction

GOVERNANCE = "governance"


def send_call(
    session: Session, key_name: str, call: Call, *, whole_gas: bool = False
) -> FinalTransaction:
    """Send one call and wait until it is final; raise Refused when its receipt is a failure.

    ``whole_gas``: the chain's highest limit, for what costs more than a view may use and so
    cannot be estimated; only what is used is charged.
    """
    key = read_key(find_key_path(session, key_name))

    async def send(client: Client) -> FinalTransaction:
        gas_limit = (await client.status()).transaction_gas_max if whole_gas else None
        transaction = await client.build(key, [call], gas_limit=gas_limit)
        await client.submit(transaction)
        return await client.wait(transaction.id)

    final = session.run(send)
    if not final.is_ok:
        raise Refused(f"{call.contract} refused: {final.status} {final.code}".rstrip())
    return final


def open_proposal(
    session: Session, key_name: str, method: str, *arguments: Value, whole_gas: bool = False
) -> tuple[int, int, int]:
    """Return (proposal, height, votes needed); with one needed it is carried out already."""
    call = Call(GOVERNANCE, method, arguments)
    final = send_call(session, key_name, call, whole_gas=whole_gas)
    number = int(final.receipt["values"][0])
    answer = session.run(lambda client: client.state_call(GOVERNANCE, "get_threshold"))
    threshold = int(answer.value)
    if threshold == 1:
        final = send_call(session, key_name, Call(GOVERNANCE, "execute", (number,)))
    return number, final.height, threshold
