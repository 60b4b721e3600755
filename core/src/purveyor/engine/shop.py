"""Where the request for a machine and its refusal are both seen, so that the blocklist can learn from them."""

from __future__ import annotations

from typing import Any

from purveyor.engine.gate import Gate
from purveyor.model.errors import PurveyorError
from purveyor.model.instance import Instance
from purveyor.spi.call import Call
from purveyor.spi.facets import Compute, CreateRequest

__all__ = ["Shop"]


class Shop:
    """A provider's ``Compute``, unchanged but for that what it says of capacity and quota is kept."""

    def __init__(self, compute: Compute, gate: Gate) -> None:
        self._compute = compute
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compute, name)

    async def create_instance(self, request: CreateRequest, call: Call) -> Instance:
        """Make one machine; see ``Compute``."""
        try:
            return await self._compute.create_instance(request, call)
        except PurveyorError as error:
            await self._gate.refused(error, request.plan, request.region)
            raise
