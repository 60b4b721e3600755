"""Asking a provider that is tested without an engine around it, its sandbox over HTTP, and it again what truly happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import attrs

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

__all__ = ["Outsider", "act", "effects", "get", "listed", "marked", "sent"]


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


@attrs.define
class Outsider:
    """Asks a sandbox over HTTP as a client of its vendor would.

    Attributes:
        cloud: The sandbox.
        session: What asks.
        headers: Those of the last answer.
    """

    cloud: Sandbox
    session: aiohttp.ClientSession
    headers: Mapping[str, str] = attrs.field(factory=dict, init=False)

    async def ask(
        self, method: str, path: str, status: int = 200, *, token: str | None = None, **how: Any
    ) -> Any:
        """What the sandbox answers, with its own token or another: JSON values, or bytes; another status is a failure."""
        headers = {"Authorization": f"Bearer {token or self.cloud.token}", **how.pop("headers", {})}
        async with self.session.request(method, self.cloud.base_url + path, headers=headers, **how) as answer:
            body = await answer.json() if answer.content_type == "application/json" else await answer.read()
            if answer.status != status:
                raise AssertionError(f"{method} {path} gave {answer.status}: {body!r}")
            self.headers = answer.headers
            return body
