"""What a person sees while the scenario runs: live tables on a terminal, lines elsewhere.

Shows, decides nothing. Both displays take the same calls.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

NOTES_KEPT = 30
NOTES_SHOWN_MIN = 3
LINES_BESIDE_NOTES = 9
"""The chain's panel, its frame and a margin; a taller picture than the screen is cut."""
RATE_WINDOW_S = 5.0
LINE_EVERY_S = 5.0
"""Without a terminal: a line on the chain's state so often."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One validator now; ``height`` is None while it does not answer."""

    name: str
    running: bool
    height: int | None


@dataclass(slots=True)
class ChainView:
    """The chain now, and what the scenario has got onto it."""

    nodes: Sequence[NodeView] = ()
    height: int = 0
    state_root: str = ""
    transactions: int = 0
    calls: int = 0
    _history: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=200))

    def count(self, transactions: int, calls: int) -> None:
        """Add final transactions and their calls."""
        self.transactions += transactions
        self.calls += calls

    def compute_rates(self, now: float) -> tuple[float, float]:
        """Return final transactions and calls a second over the last seconds."""
        self._history.append((now, self.transactions, self.calls))
        while len(self._history) > 2 and now - self._history[0][0] > RATE_WINDOW_S:
            self._history.popleft()
        first, transactions, calls = self._history[0]
        seconds = max(now - first, 1e-3)
        return (self.transactions - transactions) / seconds, (self.calls - calls) / seconds


class Display(Protocol):
    """A place to show a run. Use as ``with``."""

    chain: ChainView

    def __enter__(self) -> Display: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def begin(self, stage: str, total: int) -> None:
        """A stage of ``total`` calls begins."""
        ...

    def advance(self, count: int = 1) -> None:
        """So many more calls of the stage are final."""
        ...

    def note(self, text: str, *, good: bool = True) -> None:
        """Something worth reading happened."""
        ...

    def refresh(self) -> None:
        """The chain view changed."""
        ...


class PlainDisplay:
    """Lines, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self.chain = ChainView()
        self._console = console
        self._started = time.monotonic()
        self._line_at = self._started
        self._stage = ""
        self._done = 0

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_stage()

    def begin(self, stage: str, total: int) -> None:
        self._end_stage()
        self._stage, self._done = stage, 0
        self._print(f"{stage}: {total} calls" if total else stage)

    def advance(self, count: int = 1) -> None:
        self._done += count

    def note(self, text: str, *, good: bool = True) -> None:
        self._print(f"  {'+' if good else '!'} {text}")

    def refresh(self) -> None:
        now = time.monotonic()
        if now - self._line_at >= LINE_EVERY_S:
            self._line_at = now
            transactions, calls = self.chain.compute_rates(now)
            heights = " ".join(
                "-" if node.height is None else str(node.height) for node in self.chain.nodes
            )
            self._print(
                f"  height {self.chain.height} root {self.chain.state_root[:18]} "
                f"heights [{heights}] {transactions:.0f} tx/s {calls:.0f} calls/s"
            )

    def _end_stage(self) -> None:
        if self._stage and self._done:
            self._print(f"  {self._done} calls final")
        self._stage = ""

    def _print(self, text: str) -> None:
        seconds = time.monotonic() - self._started
        self._console.print(Text(f"{seconds:6.1f} s  {text}"), soft_wrap=True)


class LiveDisplay:
    """Tables that move, on a terminal."""

    def __init__(self, console: Console) -> None:
        self.chain = ChainView()
        self._started = time.monotonic()
        self._notes: deque[str] = deque(maxlen=NOTES_KEPT)
        self._progress = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
        )
        self._console = console
        self._task: TaskID | None = None
        self._is_over = False
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._render)

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over = True  # the last picture stays, whole
        self._live.__exit__(kind, error, trace)

    def begin(self, stage: str, total: int) -> None:
        self._task = self._progress.add_task(escape(f"{stage:<44}"), total=total or None)
        if not total:
            self._progress.update(self._task, total=1, completed=1)

    def advance(self, count: int = 1) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)

    def note(self, text: str, *, good: bool = True) -> None:
        mark = "[green]✓[/]" if good else "[yellow]![/]"
        self._notes.append(f"{mark} {escape(text)}")

    def refresh(self) -> None:
        """The live display draws itself."""

    def _render(self) -> Group:
        now = time.monotonic()
        transactions, calls = self.chain.compute_rates(now)
        chain = Table.grid(padding=(0, 2))
        chain.add_row("height", f"[bold]{self.chain.height}[/]")
        chain.add_row("state root", self.chain.state_root[:34] + "…")
        chain.add_row("now", f"{transactions:,.0f} transactions/s, {calls:,.0f} calls/s")
        chain.add_row(
            "so far", f"{self.chain.transactions:,} transactions, {self.chain.calls:,} calls"
        )
        chain.add_row(
            "validators",
            "  ".join(
                f"{node.name.removeprefix('validator-')}: {_describe_node(node, self.chain.height)}"
                for node in self.chain.nodes
            ),
        )
        title = f"Carbonode: the life of a forest's credits · {now - self._started:.0f} s"
        room = self._console.size.height - LINES_BESIDE_NOTES - len(self._progress.tasks)
        shown = len(self._notes) if self._is_over else max(room // 2, NOTES_SHOWN_MIN)
        notes = Text.from_markup("\n".join(list(self._notes)[-shown:]))
        return Group(Panel(chain, title=title, title_align="left"), self._progress, notes)


def _describe_node(node: NodeView, height: int) -> str:
    if not node.running:
        return "[red]killed[/]"
    if node.height is None:
        return "[yellow]starting[/]"
    behind = height - node.height
    return (
        f"[green]{node.height}[/]" if behind <= 1 else f"[yellow]{node.height}, {behind} behind[/]"
    )


def make_display(console: Console, *, plain: bool) -> Display:
    """Return the display that fits the console."""
    return PlainDisplay(console) if plain or not console.is_terminal else LiveDisplay(console)
