"""``carbonode``: the root of the command line. Commands live one file a family."""

from __future__ import annotations

from pathlib import Path

import click

from tools.cli.auction import auction
from tools.cli.audit import audit
from tools.cli.calc import calc
from tools.cli.cash import cash
from tools.cli.chain_commands import consensus, peers, status
from tools.cli.contract import contract
from tools.cli.contract_life import LIFE_COMMANDS
from tools.cli.doctor import doctor
from tools.cli.explorer import explorer_command
from tools.cli.factors import factors_group
from tools.cli.finance import finance_group
from tools.cli.futures import futures_group
from tools.cli.home_commands import config, init, start
from tools.cli.imports import import_group
from tools.cli.inventory import inventory_group
from tools.cli.key_commands import keys
from tools.cli.light import light
from tools.cli.lookups import index
from tools.cli.market import market
from tools.cli.methodology import methodology_group
from tools.cli.mrv import mrv
from tools.cli.network_commands import localnet, testnet
from tools.cli.project import project
from tools.cli.query_commands import query
from tools.cli.quote import quote
from tools.cli.session import RootGroup, Session
from tools.cli.snapshots import backup, snapshot
from tools.cli.surveillance import surveillance_group
from tools.cli.tx_commands import tx
from tools.cli.utility_commands import bench, version
from tools.cli.validator_commands import validator

DEFAULT_HOME = "~/.carbonode"


@click.group(
    cls=RootGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_HOME,
    envvar="CARBONODE_HOME",
    show_default=True,
    help="Home folder of a node, or the folder of a local network.",
)
@click.option(
    "--node",
    "nodes",
    multiple=True,
    envvar="CARBONODE_ENDPOINTS",
    help="RPC endpoint to ask, several for fail-over. Default: the node in --home.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    envvar="CARBONODE_OUTPUT",
    show_default=True,
    help="Form of the answer on standard output.",
)
@click.pass_context
def main(ctx: click.Context, home: Path, nodes: tuple[str, ...], output: str) -> None:
    """Run and use a Carbonode: a permissioned chain for carbon inventory.

    Exit codes: 0 ok, 1 failure, 2 usage, 3 node unreachable, 4 refused by the chain,
    5 not final in time, 6 not found, 130 interrupted.
    """
    ctx.obj = Session(home=home.expanduser(), output=output, nodes=nodes)


for _command in (
    init,
    start,
    localnet,
    testnet,
    keys,
    tx,
    query,
    validator,
    status,
    peers,
    consensus,
    contract,
    audit,
    calc,
    light,
    snapshot,
    backup,
    index,
    explorer_command,
    config,
    import_group,
    project,
    factors_group,
    finance_group,
    futures_group,
    inventory_group,
    methodology_group,
    mrv,
    cash,
    market,
    auction,
    quote,
    surveillance_group,
    doctor,
    bench,
    version,
):
    main.add_command(_command)
for _command in LIFE_COMMANDS:
    contract.add_command(_command)

if __name__ == "__main__":
    main()
