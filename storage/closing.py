"""What every open store shares: ``with store: ...`` closes it at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """Leaving the ``with`` block calls ``close``; nothing else happens here."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Release what is held. Closing twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
