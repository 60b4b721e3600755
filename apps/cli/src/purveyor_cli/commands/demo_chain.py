"""The demonstration's chapter about containers at providers that nobody configured."""

from __future__ import annotations

from contextlib import aclosing

from purveyor import MultiProviderClient
from purveyor_cli.commands.deployments import DEPLOYMENTS, sum_up
from purveyor_cli.commands.sandbox import sandbox_class
from purveyor_cli.story import Story
from purveyor_cli.words import count

__all__ = ["containers"]


async def containers(story: Story) -> None:
    """Find providers on a chain, list what runs there while one of them lies, and read a log."""
    story.chapter(
        "Providers that nobody configured",
        "A chain says who rents out containers, and where. Its word is not trusted: one provider now claims to live "
        "at an address inside your network.",
        command="purveyor deployments list",
    )
    async with sandbox_class("virtengine")(seed=4) as chain:
        honest, liar, *_ = chain.daemons
        settings = {
            **chain.settings(),
            "allow_private": [one.address for one in chain.daemons if one is not liar],
        }
        chain.announce(liar, host_uri="https://10.0.0.1:8443")
        config = {"state": "memory", "providers": [{"name": "ve", "type": "virtengine", "config": settings}]}
        async with MultiProviderClient.from_config(config, health_interval=None) as client:
            view = await client.list_deployments().collect()
            shown = sorted(view.items, key=lambda one: (one.provider, one.id))
            story.show(shown, DEPLOYMENTS, sum_up)
            name = f"ve/{honest.address}"
            mine = next(one for one in shown if one.provider == name)
            stream = client.stream_logs(f"{name}/{mine.id}", tail=3)
            async with aclosing(stream) as lines:
                told = [line.message async for line in lines]
            story.tell(f"Its log, the last {count(len(told), 'line')}: {' · '.join(told)}")
            health = (await client.check_health([f"ve/{liar.address}"]).collect()).items[0]
            story.aside(f"warning: {health.error.message if health.error else ''}")
        story.claim(
            "The liar was sent nothing, what runs there is known from the chain, and the others answered.",
            held=health.error is not None
            and all(entry.server != liar.server_name for entry in chain.log)
            and len(shown) >= len(chain.daemons)
            and bool(told),
        )
        story.claim(
            "Every signature went to a provider that a lease names.",
            held=bool(chain.signatures) and not chain.strays,
        )
