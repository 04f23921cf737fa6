"""The page that verifies a certificate in a browser, alone or with the files inside.

``page.html`` beside this file is the whole program; nothing is added but data. It needs no
server and no network: it is opened from the disk.
"""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).with_name("page.html")


def make_page(certificate: str | None = None, genesis: str | None = None) -> str:
    """Return the page; with JSON texts of a certificate and a genesis it shows them at once."""
    page = PAGE.read_text("utf-8")
    for name, text in (("certificate", certificate), ("genesis", genesis)):
        if text is not None:
            empty = f'id="embedded-{name}">null<'
            assert empty in page
            # "</" would end the element; JSON may write the slash as an escape.
            harmless = text.replace("</", "<\\/")
            page = page.replace(empty, f'id="embedded-{name}">{harmless}<')
    return page
