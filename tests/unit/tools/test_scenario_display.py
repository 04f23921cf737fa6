"""What a person sees of a run: on a terminal, in a pipe, and when it is over."""

from __future__ import annotations

import io

from rich.console import Console

from tools.scenario.display import ChainView, LiveDisplay, NodeView, PlainDisplay, make_display

NODES = [
    NodeView("validator-1", True, 12),
    NodeView("validator-2", False, None),
    NodeView("validator-3", True, None),
    NodeView("validator-4", True, 7),
]


def make_console(*, terminal: bool, height: int = 24) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=100, height=height)
    return console, text


def tell(display: PlainDisplay | LiveDisplay, notes: int = 3) -> None:
    with display:
        display.chain.nodes = NODES
        display.chain.height = 12
        display.chain.state_root = "0x" + "ab" * 32
        display.begin("A stage with [brackets]", 3)
        display.advance(3)
        display.chain.count(1, 3)
        for number in range(notes):
            display.note(f"note {number} [not a style]", good=number != 1)
        display.begin("A stage without calls", 0)
        display.refresh()


def test_a_pipe_gets_lines_and_a_terminal_gets_pictures() -> None:
    assert isinstance(make_display(make_console(terminal=False)[0], plain=False), PlainDisplay)
    assert isinstance(make_display(make_console(terminal=True)[0], plain=True), PlainDisplay)
    assert isinstance(make_display(make_console(terminal=True)[0], plain=False), LiveDisplay)


def test_lines_say_every_stage_and_note_without_control_characters() -> None:
    console, text = make_console(terminal=False)
    tell(PlainDisplay(console))
    shown = text.getvalue()
    for words in ("A stage with [brackets]: 3 calls", "3 calls final", "+ note 0", "! note 1"):
        assert words in shown
    assert "\x1b" not in shown


def test_the_last_picture_has_every_note_and_the_state_of_each_validator() -> None:
    console, text = make_console(terminal=True)
    tell(LiveDisplay(console), notes=15)
    shown = text.getvalue()
    for words in ("note 0", "note 14 [not a style]", "killed", "starting", "5 behind", "0xabab"):
        assert words in shown


def test_rates_are_of_the_last_seconds_only() -> None:
    view = ChainView()
    view.compute_rates(100.0)
    view.count(10, 40)
    assert view.compute_rates(102.0) == (5.0, 20.0)
    view.compute_rates(107.0)
    assert view.compute_rates(112.0) == (0.0, 0.0)
