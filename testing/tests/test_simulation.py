"""Twenty thousand worlds in which everything goes wrong, and what happens when one guard is taken out."""

import contextlib
import copy
import functools
import itertools
import random
from collections import Counter
from unittest.mock import patch

import attrs
import pytest

from purveyor.engine import gate, guarded
from purveyor.engine.sending import Sender
from purveyor.engine.settling import Settler
from purveyor.model.errors import ConflictError, StateUnavailableError
from purveyor.model.intent import IntentState
from purveyor.plugin import Mark, Marking
from purveyor.policy import reconciling
from purveyor.state import table
from purveyor.state.identity import Identity
from purveyor.state.journal import Journal
from purveyor.state.store import Store
from purveyor_testing.simulation import disk, process, provider
from purveyor_testing.simulation.cloud import Cloud, Walk
from purveyor_testing.simulation.faults import Faults
from purveyor_testing.simulation.run import simulate, simulate_many, tell

SEEDS = 20_000


def test_no_machine_is_bought_twice_or_lost_whatever_goes_wrong() -> None:
    done, failures = 0, []
    for number, failed in simulate_many(range(SEEDS), jobs=2):
        done += number
        failures += failed
    assert done == SEEDS
    assert not failures, "\n".join(
        f"make simulate SEED={one.seed}: {'; '.join(one.broken)}" for one in failures[:10]
    )


def test_a_seed_gives_the_same_world_again() -> None:
    stories = [tell(seed) for seed in range(20)]
    assert stories == [tell(seed) for seed in range(20)]
    assert all(broken == () for broken, _ in stories)


def test_worlds_are_rough() -> None:
    words = Counter[str]()
    for seed in range(1000):
        story = "\n".join(tell(seed)[1])
        words.update(
            word
            for word in (
                "dies before a commit",
                "dies after a commit",
                "dies before create",
                "dies after create",
                "power is lost",
                "UNCERTAIN_OUTCOME",
                "found",
                "was not made",
                "vanishes while pages",
                "is cancelled",
                "gives up",
                "failed to come up",
                "nothing was bought there",
                "the clock of",
                "deleted by somebody",
                "circuit breaker is open",
                " probes ",
                " of None within ",
                "is full",
                "could not be written as confirmed",
                "stands still",
                "changed by another process",
                "is never seen again",
                "written on another host",
                "claims the journal",
                "belongs to the owner",
                "is no orphan of this journal",
            )
            if word in story
        )
    assert min(words.values()) > 0
    assert len(words) == 27


def test_rows_that_come_and_go_in_one_walk_move_none_in_another() -> None:
    chance = random.Random(1)
    faults = attrs.evolve(Faults.drawn(chance, tight=True), shift=1.0)
    moment = itertools.count()
    cloud = Cloud("c", Marking.TAG, faults, lambda: float(next(moment)), lambda *_: None, lambda *_: None)
    for rank in range(12):
        cloud.add("other", rank=float(rank))
    quiet = Walk(cloud.now(), shifts=False)
    seen = [one.id for one in cloud.page(quiet, 1)[0]]
    cloud.add("comes", rank=-1.0)
    for number in itertools.count(2):
        rows, pages = cloud.page(quiet, number)
        seen += [one.id for one in rows]
        if number >= pages:
            break
        others = Walk(cloud.now(), shifts=True)
        cloud.page(others, 1)
        cloud.stir(others)
    left = {one.id for one in cloud.machines.values() if one.gone is None and one.name == "other"}
    assert {f"c-{number}" for number in range(12)} & left <= set(seen)
    assert any(one.gone is not None for one in cloud.machines.values())


# What is taken out, one guard at a time.


def without_the_sync():
    """What is written down before a request is not safely on the disk."""
    whole = Store.transact

    async def transact(self, work, *, durable=False, reading=False):
        return await whole(self, work, reading=reading)

    return patch.object(Store, "transact", transact)


def without_the_wait():
    """Two walks that find nothing are believed at once."""
    whole = Settler._look

    async def look(self, hold, member, deadline):
        found, _ = await whole(self, hold, member, deadline)
        return found or await self._machines(hold.intent, member, deadline), 0.0

    return patch.object(Settler, "_look", look)


def without_the_second_walk():
    """One walk that finds nothing is believed, if it is late enough."""
    whole = Settler._look

    async def look(self, hold, member, deadline):
        lazy, walked = copy.copy(self), []

        async def machines(*asked):
            if not walked:
                walked.append(await self._machines(*asked))
            return walked[0]

        lazy._machines = machines
        return await whole(lazy, hold, member, deadline)

    return patch.object(Settler, "_look", look)


def without_page_order():
    """Pages of one walk are fetched at the same time."""
    return patch.object(provider, "by_page", functools.partial(provider.by_page, overlap=3))


class Anybody(str):
    """An owner that is the same as every other."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


def without_the_owner_check():
    """Every mark counts as ours."""
    whole = reconciling.read_mark

    def read_mark(tags):
        mark = whole(tags)
        return mark and Mark(Anybody(mark.owner), mark.intent)

    return patch.object(reconciling, "read_mark", read_mark)


class RefusedError(Exception):
    pass


def without_conflict_adoption():
    """A name that is taken when a request is sent again counts as a refusal of the request."""
    sending, settling = Sender.send, Settler.settle

    async def send(self, hold, search, *args):
        again = hold.intent.state is IntentState.UNKNOWN
        try:
            return await sending(self, hold, search, *args)
        except ConflictError as error:
            if again:
                await self.note(hold, search, IntentState.ABSENT, error=error.message)
                raise RefusedError from error
            raise

    async def settle(self, *args, **kwargs):
        try:
            return await settling(self, *args, **kwargs)
        except RefusedError:
            return None

    taken_out = contextlib.ExitStack()
    taken_out.enter_context(patch.object(Sender, "send", send))
    taken_out.enter_context(patch.object(Settler, "settle", settle))
    return taken_out


def without_the_holders_lock():
    """Every other process counts as dead."""
    return patch.object(process.Locks, "lives", lambda self, holder: False)


def without_compare_and_swap():
    """Whoever writes an intent writes over what somebody else has written."""
    whole = table.write

    def write(db, intent, before):
        row = db.execute("SELECT version FROM intent WHERE id = ?", (intent.id,)).fetchone()
        whole(db, intent, row[0] if row else before)

    return patch.object(table, "write", write)


def without_one_intent_for_a_key():
    """Nothing keeps two from writing an intent each for one key."""
    whole = disk._opened.__wrapped__

    @functools.cache
    def opened(number):
        db = whole(number)
        db.execute("DROP INDEX intent_slot")
        return db

    return patch.object(disk, "_opened", opened)


def without_the_host_check():
    """A journal that was copied from another host is used as it is."""
    whole = Journal._identify

    def identify(self, db):
        try:
            return whole(self, db)
        except StateUnavailableError:
            notes = dict(db.execute("SELECT key, value FROM note WHERE space = 'identity'"))
            return Identity(notes["owner"].decode(), notes["secret"])

    return patch.object(Journal, "_identify", identify)


def without_a_new_owner():
    """Whoever claims a journal goes on as its old owner."""

    async def claim(self):
        def work(db):
            db.execute("DELETE FROM note WHERE space = 'identity' AND key = 'host'")
            return self._identify(db)

        return await self._store.transact(work)

    return patch.object(Journal, "claim", claim)


def without_leaving_alone():
    """Whoever claims a journal goes on with what its old owner has left."""
    whole = Journal.take

    async def take(self, intent):
        return await whole(self, attrs.evolve(intent, owner=(await self.identity()).owner))

    return patch.object(Journal, "take", take)


def without_the_refusal():
    """What cannot be written down is sent all the same."""
    whole = Sender._write_down

    async def write_down(self, *args):
        with contextlib.suppress(StateUnavailableError):
            await whole(self, *args)

    return patch.object(Sender, "_write_down", write_down)


def without_the_warning():
    """A machine that could not be written down is returned as if it were."""
    whole = Sender.note

    async def note(self, hold, search, *args, **changes):
        await whole(self, hold, search, *args, **changes)
        search.warnings.clear()

    return patch.object(Sender, "note", note)


def without_the_half_open_bound():
    """Whoever asks may be the probe, also while another is under way."""
    whole = guarded.claimed

    def claimed(breaker, now, seconds):
        return whole(attrs.evolve(breaker, probing_until=0.0), now, seconds)

    return patch.object(guarded, "claimed", claimed)


def without_the_breaker():
    """Calls go out whatever the breaker says."""

    async def admit(self, operation, deadline):
        await self.hear()
        return False

    return patch.object(gate.Gate, "_admit", admit)


@pytest.mark.parametrize(
    ("taken_out", "tight", "seeds"),
    [
        (without_the_sync, None, range(5)),
        (without_the_wait, None, range(200)),
        (without_the_second_walk, True, range(400)),
        (without_page_order, True, range(1000)),
        (without_the_owner_check, None, range(200)),
        (without_conflict_adoption, None, range(1000)),
        (without_the_holders_lock, None, range(9_000, 10_000)),
        (without_compare_and_swap, None, range(2000)),
        (without_one_intent_for_a_key, None, range(500)),
        (without_the_host_check, None, range(300)),
        (without_a_new_owner, None, range(300)),
        (without_leaving_alone, None, range(1000)),
        (without_the_refusal, None, range(300)),
        (without_the_warning, None, range(1000)),
        (without_the_half_open_bound, None, range(1000)),
        (without_the_breaker, None, range(1000)),
    ],
)
def test_every_guard_is_needed(taken_out, tight, seeds) -> None:
    with taken_out():
        assert any(simulate(seed, tight=tight) for seed in seeds)
    assert not any(simulate(seed, tight=tight) for seed in range(20))
