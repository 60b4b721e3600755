"""Asking a provider that is tested without an engine around it, and its sandbox what truly happened."""

from __future__ import annotations

from typing import Any

from purveyor.plugin import (
    Action,
    ActionRequest,
    Compute,
    Instance,
    InstanceRequest,
    ListRequest,
    Mark,
    MarkRequest,
    Page,
)
from purveyor_testing.context import MARK, plain_call
from purveyor_testing.sandbox import Entry, Sandbox

__all__ = ["act", "effects", "get", "listed", "marked", "sent"]


async def get(provider: Compute, instance_id: str) -> Instance:
    """One machine."""
    return await provider.get_instance(InstanceRequest(instance_id), plain_call())


async def act(provider: Compute, instance_id: str, action: Action, **parameters: str) -> None:
    """Do something to one machine."""
    request = ActionRequest(id=instance_id, action=action, parameters=parameters)
    await provider.perform_action(request, plain_call())


async def listed(provider: Compute, tag: str | None = None) -> list[Instance]:
    """All machines, or those with a tag."""
    pages = provider.list_instances(ListRequest(tag=tag), plain_call())
    return [one async for page in pages for one in page.items]


async def marked(provider: Compute, mark: Mark = MARK) -> list[Page[Instance]]:
    """The pages of machines with a mark."""
    return [page async for page in provider.find_by_mark(MarkRequest(mark), plain_call())]


def sent(cloud: Sandbox, method: str | None = None, path: str = "/") -> list[Entry]:
    """The requests that arrived below a path."""
    return [one for one in cloud.log if method in {None, one.method} and one.path.startswith(path)]


def effects(cloud: Sandbox) -> list[tuple[Any, Any]]:
    """What the requests that arrived did: kind of effect, and kind of thing."""
    return [(one.kind, one.type) for entry in cloud.log for one in entry.effects]
