"""``carbonode version`` and ``carbonode bench``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import subprocess
import sys

import click
from rich.console import Console

from tools.cli.render import show_pairs
from tools.cli.session import Session, pass_session

DISTRIBUTION = "carbonode"
LIBRARIES = (
    "aiohttp",
    "PyNaCl",
    "plyvel",
    "msgpack",
    "uvloop",
    "prometheus-client",
    "cryptography",
    "click",
    "rich",
)
"""The libraries named in pyproject.toml."""


def get_version(distribution: str) -> str | None:
    """Return an installed distribution's version, None when it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@click.command()
@pass_session
def version(session: Session) -> None:
    """Show the versions of the program, of Python and of the libraries."""
    document = {
        "carbonode": get_version(DISTRIBUTION) or "not installed (run from its source)",
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: get_version(name) for name in LIBRARIES},
    }

    def show(console: Console) -> None:
        click.echo(f"carbonode {document['carbonode']}")
        libraries = {name: get_version(name) or "missing" for name in LIBRARIES}
        show_pairs(console, "", {"python": document["python"], **libraries})

    session.emit(document, show)


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def bench(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Run a benchmark of the source tree: carbonode bench throughput --seconds 60."""
    if importlib.util.find_spec("bench") is None:
        raise click.ClickException(
            "the benchmarks are in the source tree and not in this installation"
        )
    module, rest = "bench", list(arguments)
    if rest and not rest[0].startswith("-"):
        module = f"bench.{rest.pop(0)}"
    if importlib.util.find_spec(module) is None:
        raise click.UsageError(f"there is no benchmark {module.removeprefix('bench.')!r}")
    ctx.exit(subprocess.run([sys.executable, "-m", module, *rest], check=False).returncode)
