"""Lists of Linodes in which each is there once, and what became of new ones.

Rows move from page to page while others come and go. Filters are asked for and checked here again: a field has dropped
out of those that can be filtered before.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from purveyor.plugin import (
    Call,
    Instance,
    InstanceStatus,
    PermissionDeniedError,
    ProtocolMismatchError,
    PurveyorError,
)
from purveyor.wire import Row, Walk, tagged, unique
from purveyor_linode import _rows as rows
from purveyor_linode._api import Api

__all__ = ["Births", "every", "marked"]

_PATIENCE = 5.0
"""Seconds to wait for what is good to know but not needed."""
_YOUNG = timedelta(hours=1)
"""For how long something may still go wrong with the making of a machine."""


def every(api: Api, call: Call, tag: str | None) -> Walk[rows.Linode]:
    """All Linodes, or those with a tag, as fast as the API gives them."""
    operation = "list_instances"
    if tag is None:
        return _each_once(api.linodes(call, operation))
    return _each_once(tagged(api.linodes(call, operation, {"tags": tag}), tag))


def marked(api: Api, call: Call, mark: str) -> Walk[rows.Linode]:
    """The Linodes with a mark, one page after the other, so that none can slip from one to another unseen."""
    return _each_once(tagged(api.linodes(call, "find_by_mark", {"tags": mark}, overlap=1), mark))


def _each_once(walk: Walk[rows.Linode]) -> Walk[rows.Linode]:
    return unique(walk, lambda linode: linode.id)


class Births:
    """Tells which new machines failed to come up; their status does not: it is ``offline``, or never changes."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._forbidden = False

    async def failed(self, machine: Instance, now: datetime, call: Call) -> bool:
        """Whether the making of this machine is known to have failed; without the scope for events it never is."""
        if self._forbidden or not _in_question(machine, now):
            return False
        only = {"entity.id": int(machine.id), "entity.type": "linode", "action": "linode_create"}
        try:
            async with asyncio.timeout(_PATIENCE):
                events = await self._api.events(call, "get_instance", only)
        except PermissionDeniedError:
            self._forbidden = True
            return False
        except (PurveyorError, TimeoutError):
            # What was asked for is known without.
            return False
        return any(_is_failure(row, machine.id) for row in events.rows)


def _in_question(machine: Instance, now: datetime) -> bool:
    if machine.status not in {InstanceStatus.PROVISIONING, InstanceStatus.STOPPED}:
        return False
    return machine.created_at is not None and now - machine.created_at < _YOUNG


def _is_failure(row: Row[rows.Event], linode_id: str) -> bool:
    if isinstance(row, ProtocolMismatchError):
        return False
    event, about = row[0], row[0].entity or rows.Entity()
    told = event.action, event.status, about.type, str(about.id)
    return told == ("linode_create", "failed", "linode", linode_id)
