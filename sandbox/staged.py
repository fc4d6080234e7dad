"""What is started piece by piece and ended the other way round."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Self


class Staged(ABC):
    """A context: all is up from `with` to its end. When a piece can't be started, those before it are ended again."""

    def __enter__(self) -> Self:
        """Starts everything."""
        with ExitStack() as undo:
            self._stage(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        """Ends everything."""
        self._undo.close()

    @abstractmethod
    def _stage(self, undo: ExitStack) -> None:
        """Starts the pieces and tells `undo` how each is ended."""
