"""What the machines of all clouds have in common: a row, and the moments from which on it is shown."""

from typing import Any

import attrs

from purveyor_testing.sandbox._wire import compact


@attrs.define(eq=False)
class Machine:
    """One machine: its row as the API shows it, and what the API does not show. Times are the sandbox's, in seconds."""

    row: dict[str, Any]
    number: int
    """Its running number in the account, which its addresses come from."""
    created_at: float
    found_at: float
    """From when on GET finds it."""
    listed_at: float
    """From when on lists show it."""
    _rendered: bytes | None = attrs.field(default=None, init=False)

    @property
    def id(self) -> int:
        """Its id."""
        id_: int = self.row["id"]
        return id_

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        return tuple(self.row["tags"])

    def change(self, **fields: Any) -> None:
        """Change what the API shows."""
        self.row.update(fields)
        self._rendered = None

    def rendered(self) -> bytes:
        """Its row as JSON, kept until it changes."""
        if self._rendered is None:
            self._rendered = compact(self.row)
        return self._rendered
