"""``demo``: what Purveyor does, told in ten chapters, on clouds that run inside this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import click

from purveyor import (
    Attempt,
    Candidate,
    GiB,
    Instance,
    InstanceSpec,
    IntentState,
    MultiProviderClient,
    Needs,
    Plan,
)
from purveyor_cli import exits
from purveyor_cli.commands.demo_chain import containers
from purveyor_cli.commands.instances import INSTANCES, sum_up
from purveyor_cli.commands.intents import INTENTS
from purveyor_cli.commands.ordering import CANDIDATES
from purveyor_cli.commands.providers import HEALTH
from purveyor_cli.commands.sandbox import sandbox_class
from purveyor_cli.session import Session
from purveyor_cli.shared import Command, pass_session
from purveyor_cli.story import Story
from purveyor_cli.tables import Column
from purveyor_cli.words import latency

if TYPE_CHECKING:
    from purveyor_testing.sandbox import Sandbox

__all__ = ["demo"]

WANTED = "--cpus 2 --memory 4GiB --image ubuntu-24.04 --region nl"
NEEDS = Needs(cpus=2, memory=4 * GiB)
PATIENCE = 1.5
"""Seconds that the hanging account gets."""


@attrs.frozen
class Truth:
    """What a cloud's own log says about its machines."""

    name: str
    refused: int
    made: int
    deleted: int


TRUTH: tuple[Column[Truth], ...] = (
    Column("ITS OWN LOG", lambda one: one.name),
    Column("REFUSED", lambda one: str(one.refused), right=True),
    Column("MADE", lambda one: str(one.made), right=True),
    Column("DELETED", lambda one: str(one.deleted), right=True),
    Column("LEFT", lambda one: str(one.made - one.deleted), right=True),
)
ATTEMPTS: tuple[Column[Attempt], ...] = (
    Column("ASKED", lambda one: one.provider),
    Column("ANSWER", lambda one: one.error.message if one.error else "made"),
    Column("TOOK", lambda one: latency(one.seconds), right=True),
)


@click.command(cls=Command)
@pass_session
def demo(session: Session) -> int:
    """See what Purveyor does, without an account, in seconds.

    Clouds run inside this process. Everything that is claimed is checked against their own logs; the exit code is
    1 if anything is not so. Leaves nothing behind.
    """
    as_json = session.format == "json"  # a story, unless JSON is really asked for
    session.format = session.format or "table"
    session.quiet = True  # the story says itself what the log would
    began = time.monotonic()
    story = Story(session.out)
    session.out.quiet = as_json
    asyncio.run(_tell(story))
    told = all(claim.held for claim in story.claims)
    if as_json:
        session.show_json(
            {"claims": story.claims, "held": told, "seconds": round(time.monotonic() - began, 1)}
        )
    else:
        _end(story, told, time.monotonic() - began)
    return exits.OK if told else exits.FAILED


def _end(story: Story, told: bool, seconds: float) -> None:  # noqa: FBT001 - a fact
    story.console.print()
    if told:
        story.tell(
            f"All {len(story.claims)} claims held, in {seconds:.1f} s. Nothing left this machine.", "bold"
        )
        story.tell("Next: 'purveyor init' writes a configuration for accounts of your own.")
    else:
        broken = sum(not claim.held for claim in story.claims)
        story.tell(f"{broken} of {len(story.claims)} claims did not hold.", "bold red")


async def _tell(story: Story) -> None:
    kind = sandbox_class("digitalocean")
    async with kind(seed=1) as a, kind(seed=2) as b:
        clouds = {"do-a": a, "do-b": b}
        config = {
            "state": "memory",
            "selection_policy": "weighted_round_robin",
            "providers": [_account("do-a", a, 200), _account("do-b", b, 100)],
        }
        story.tell("Purveyor: many clouds, one command.", "bold")
        story.tell(
            "Two clouds run inside this process, each with a true log of what happened in it. "
            "No account, no network, no money."
        )
        async with MultiProviderClient.from_config(config, health_interval=None) as client:
            stage = Stage(story, client, clouds)
            await stage.meet()
            await stage.explain()
            await stage.place()
            await stage.run_out()
            await stage.lose_an_answer()
            await stage.hang()
            await stage.look()
            await _elsewhere(story, a)
            await containers(story)
            await stage.clean_up()


async def _elsewhere(story: Story, cloud: Sandbox) -> None:
    """The same request on a cloud that speaks another language; what is made there does not outlive the chapter."""
    story.chapter(
        "Another cloud, the same request",
        "Linode has sizes, images and places of its own. The request stays as it is.",
        command=f"purveyor instances create blog {WANTED} --count 2 --strategy round_robin --wait",
    )
    cloud.clear_faults()
    async with sandbox_class("linode")(seed=3) as other:
        config = {
            "state": "memory",
            "selection_policy": "round_robin",
            "providers": [_account("do-a", cloud, 100), _account("akamai", other, 100)],
        }
        async with MultiProviderClient.from_config(config, health_interval=None) as client:
            made = sorted((await client.provision(_spec("blog"), count=2, wait=True)).instances, key=_where)
            story.show(made, INSTANCES, sum_up)
            story.claim(
                "One machine on each, alike in cores and memory; each cloud's own words are in its row.",
                held=[one.provider for one in made] == ["akamai", "do-a"]
                and len({(one.cpus, one.memory) for one in made}) == 1
                and len({(one.plan, one.image, one.region) for one in made}) == 2,
            )
            await asyncio.gather(*(client.delete_instance(_where(one)) for one in made))


def _where(one: Instance) -> str:
    return f"{one.provider}/{one.id}"


def _account(name: str, cloud: Sandbox, weight: int) -> dict[str, object]:
    return {
        "name": name,
        "type": cloud.name,
        "weight": weight,
        "config": {"token": cloud.token, "base_url": cloud.base_url},
    }


@attrs.frozen
class Stage:
    """Where the story plays; each method is a chapter."""

    story: Story
    client: MultiProviderClient
    clouds: dict[str, Sandbox]

    async def meet(self) -> None:
        """Two accounts, both well."""
        self.story.chapter("Two accounts", command="purveyor providers health")
        view = await self.client.check_health().collect()
        healthy = sorted(view.items, key=lambda one: one.provider)
        self.story.show(healthy, HEALTH, lambda _: "do-a has twice the weight of do-b")
        self.story.claim("Both answer.", held=[one.health.value for one in healthy] == ["online", "online"])

    async def explain(self) -> None:
        """A request in nobody's vocabulary, and where it would go."""
        self.story.chapter(
            "A choice that explains itself",
            "The request says what is needed, in no vendor's words. Each account answers with its own.",
            command=f"purveyor explain web {WANTED}",
        )
        explanation = await self.client.explain(_spec("web"))
        numbered = list(enumerate(explanation.candidates, 1))
        self.story.show(numbered, CANDIDATES, lambda _: "nothing was bought")
        plans = await self.client.list_plans().collect()
        fitting = [plan for plan in plans.items if _fits(plan)]
        self.story.claim(
            f"Of {len(plans.items) // 2} plans {len(fitting) // 2} would do; each account offers its cheapest.",
            held=[one.provider for one in explanation.candidates] == ["do-a", "do-b"]
            and all(_is_cheapest(one, fitting) for one in explanation.candidates),
        )
        self.story.claim(
            "ubuntu-24.04 became its image there, nl became a region in Amsterdam.",
            held={(one.image, one.region) for one in explanation.candidates}
            == {("ubuntu-24-04-x64", "ams3")},
        )

    async def place(self) -> None:
        """Six machines by weight."""
        self.story.chapter(
            "Six machines, two to one", command=f"purveyor instances create web {WANTED} --count 6 --wait"
        )
        made = await self.client.provision(_spec("web"), count=6, wait=True)
        self.story.show(made.instances, INSTANCES, sum_up)
        placed = [one.made for one in self._truth().values()]
        self.story.claim(
            f"By the clouds' own logs do-a made {placed[0]} and do-b made {placed[1]}.",
            held=placed == [4, 2] and len(made.instances) == 6,
        )
        self.story.claim("All run and have an address.", held=all(one.ready for one in made.instances))

    async def run_out(self) -> None:
        """One account has no capacity; the request moves on."""
        self.clouds["do-a"].fault("no_capacity", method="POST", path="/v2/droplets", times=None)
        self.story.chapter(
            "An account runs out",
            "It is do-a's turn, but from now on it has no capacity. Only a clear no lets a request move on.",
            command=f"purveyor instances create mail {WANTED} --wait",
        )
        made = await self.client.provision(_spec("mail"), wait=True)
        self.story.show(
            made.attempts, ATTEMPTS, lambda _: f"mail is {made.instance.provider}/{made.instance.id}"
        )
        truth = self._truth()
        self.story.show(list(truth.values()), TRUTH, lambda _: "what truly happened in the clouds")
        self.story.claim(
            "do-a refused and made nothing; do-b made the machine, once.",
            held=(truth["do-a"].refused, truth["do-a"].made, truth["do-b"].made) == (1, 4, 3)
            and made.instance.provider == "do-b",
        )
        why = await self.client.explain(_spec("mail"))
        self.story.claim(
            "do-a is not asked for that again for ten minutes.",
            held=[(one.provider, one.code) for one in why.rejected] == [("do-a", "blocked")],
        )
        self.clouds["do-a"].clear_faults()

    async def lose_an_answer(self) -> None:
        """A machine is made and nobody is told; it is found, and asking again makes no second one."""
        cloud = self.clouds["do-b"]
        cloud.fault("reset_after", method="POST", path="/v2/droplets")
        self.story.chapter(
            "An answer is lost",
            "do-b makes the machine, and the connection breaks before it can say so. To ask again, or to ask do-a, could "
            "buy a second one. What was sent was written down before, so the machine is looked for instead.",
            command=f"purveyor instances create shop {WANTED} --provider do-b --key shop-1",
        )
        made = await self.client.provision(_spec("shop"), provider="do-b", key="shop-1")
        (intent,) = [one for one in await self.client.list_intents() if one.key == "shop-1"]
        self.story.show([intent], INTENTS, lambda _: "the journal")
        found = await self.client.list_instances(tag=f"pv-{intent.owner}-{intent.id}").collect()
        self.story.claim(
            "It was found by its mark and adopted; exactly one machine carries it.",
            held=[one.id for one in found.items] == [made.instance.id]
            and intent.state is IntentState.ADOPTED,
        )
        again = await self.client.provision(_spec("shop"), provider="do-b", key="shop-1")
        self.story.claim(
            "The same command again, with its key, gives the same machine.",
            held=again.instance.id == made.instance.id and self._truth()["do-b"].made == 4,
        )
        self.story.claim(
            "No machine was bought twice: eight machines, eight marks.", held=self._marks() == (8, 8)
        )

    async def hang(self) -> None:
        """One account does not answer; the other's machines are there at once."""
        self.clouds["do-b"].fault("hang", method="GET", path="/v2/droplets", times=None)
        self.story.chapter(
            "An account hangs",
            "do-b takes requests and never answers. It delays nobody, and it is not forgotten either.",
            command=f"purveyor instances list --deadline {PATIENCE:g}",
        )
        began, there, first = time.monotonic(), [], PATIENCE
        stream = self.client.list_instances(deadline=PATIENCE)
        async for instance in stream:
            there.append(instance)
            first = min(first, time.monotonic() - began)
        took = time.monotonic() - began
        self.story.show(there, INSTANCES, sum_up)
        for provider, error in stream.failures.items():
            self.story.aside(f"warning: {provider}: {error.message}")
        self.story.claim(
            f"do-a's machines were there after {latency(first)}; do-b was given up after {latency(took)}.",
            held=[one.provider for one in there] == ["do-a"] * 4 and first < took,
        )
        self.story.claim("The view says that it is not whole.", held=list(stream.failures) == ["do-b"])
        self.clouds["do-b"].clear_faults()

    async def look(self) -> None:
        """Everything in one view."""
        self.story.chapter("Everything in one view", "do-b answers again.", command="purveyor instances list")
        view = await self.client.list_instances().collect()
        everything = sorted(view.items, key=lambda one: (one.provider, one.name))
        self.story.show(everything, INSTANCES, sum_up)
        self.story.claim("Eight machines, all there.", held=view.complete and len(everything) == 8)

    async def clean_up(self) -> None:
        """Everything goes, and the clouds agree."""
        self.story.chapter("Cleaning up", command="purveyor instances delete ID…")
        view = await self.client.list_instances().collect()
        await asyncio.gather(*(self.client.delete_instance(_where(one)) for one in view.items))
        truth = self._truth()
        self.story.show(list(truth.values()), TRUTH, lambda _: "what truly happened in the clouds")
        left = await self.client.list_instances().collect()
        self.story.claim(
            "Both clouds are empty, by their own logs and by the view.",
            held=all(one.made == one.deleted for one in truth.values()) and left.complete and not left.items,
        )

    def _truth(self) -> dict[str, Truth]:
        return {name: _read(name, cloud) for name, cloud in self.clouds.items()}

    def _marks(self) -> tuple[int, int]:
        """How many machines were made at all, and how many different requests they were made for."""
        marks = [
            effect.tags
            for cloud in self.clouds.values()
            for entry in cloud.log
            for effect in entry.effects
            if (effect.kind, effect.type) == ("created", "droplet")
        ]
        return len(marks), len(set(marks))


def _spec(name: str) -> InstanceSpec:
    return InstanceSpec(name=name, plan=NEEDS, image="ubuntu-24.04", region="nl")


def _fits(plan: Plan) -> bool:
    sold = plan.available and (plan.regions is None or "ams3" in plan.regions)
    return sold and not plan.gpu and plan.cpus >= NEEDS.cpus and plan.memory >= NEEDS.memory


def _is_cheapest(candidate: Candidate, plans: Sequence[Plan]) -> bool:
    prices = [one.price_per_hour for one in plans if one.provider == candidate.provider]
    offered = candidate.price_per_hour
    return offered is not None and all(price is None or offered.amount <= price.amount for price in prices)


def _read(name: str, cloud: Sandbox) -> Truth:
    orders = [entry for entry in cloud.log if (entry.method, entry.path) == ("POST", "/v2/droplets")]
    kinds = [effect.kind for entry in cloud.log for effect in entry.effects if effect.type == "droplet"]
    return Truth(
        name=name,
        refused=sum((entry.status or 0) >= 400 for entry in orders),
        made=kinds.count("created"),
        deleted=kinds.count("deleted"),
    )
