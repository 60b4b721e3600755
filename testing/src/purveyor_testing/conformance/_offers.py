"""Scenarios 1 to 3: what the plugin is and what its provider sells."""

from __future__ import annotations

import inspect

from purveyor.model.errors import (
    InvalidCredentialsError,
)
from purveyor.plugin import (
    FACETS,
)
from purveyor_testing.conformance._bench import CANARY, Bench
from purveyor_testing.context import plain_call

__all__ = ["Offers"]


class Offers(Bench):
    """The package, credentials, catalogues."""

    # 1. The package.

    def test_1_1_hook_implementations_take_no_defaults_and_register_this_type(self) -> None:
        """Versions of pluggy have passed them differently."""
        module = inspect.getmodule(self.descriptor.factory)
        assert module is not None
        hooks = [one for name, one in vars(module).items() if name.startswith("purveyor_")]
        assert hooks
        for hook in hooks:
            assert not [
                one for one in inspect.signature(hook).parameters.values() if one.default is not one.empty
            ]
        assert self.descriptor.name == self.plugin

    def test_1_2_the_package_ships_its_types(self) -> None:
        """Users of the plugin check their code too."""
        from importlib.resources import files  # noqa: PLC0415 - only here

        package = self.descriptor.factory.__module__.partition(".")[0]
        assert (files(package) / "py.typed").is_file()

    async def test_1_3_it_implements_exactly_the_facets_that_it_declares(self) -> None:
        """The engine trusts the declaration."""
        async with self.cloud() as cloud, self.provider(cloud) as provider:
            assert {
                name for name, facet in FACETS.items() if isinstance(provider, facet)
            } == self.descriptor.facets

    async def test_1_4_closing_twice_is_fine(self) -> None:
        """Whoever cleans up may not know who did before."""
        async with self.cloud() as cloud, self.provider(cloud) as provider:
            await provider.check_health(plain_call())
            await provider.aclose()
            await provider.aclose()

    # 2. Credentials.

    async def test_2_1_good_credentials_are_online(self) -> None:
        """And the report says whose they are."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            (health,) = (await client.check_health().collect()).items
            assert health.health.value == "online"
            (report,) = (await client.validate_credentials().collect()).items
            assert report.provider == "it"
            assert report.account

    async def test_2_2_bad_credentials_are_named_as_such(self) -> None:
        """In every facet, not only when asked for."""
        async with self.cloud() as cloud, self.client(cloud, token=CANARY) as client:
            for view in (client.validate_credentials(), client.list_instances()):
                (error,) = (await view.collect()).failures.values()
                assert isinstance(error, InvalidCredentialsError)

    # 3. Catalogues.

    async def test_3_1_catalogues_are_whole_and_unique(self) -> None:
        """Ids are what a create call takes."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            for view in (client.list_plans(), client.list_images(), client.list_regions()):
                rows = await view.collect()
                assert rows.complete
                assert rows.items
                assert len({row.id for row in rows.items}) == len(rows.items)
                assert all(row.provider == "it" and row.raw for row in rows.items)

    async def test_3_2_plans_are_in_the_right_units(self) -> None:
        """No machine has less than 256 MiB or more than 64 TiB of memory."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            for plan in (await client.list_plans().collect()).items:
                assert plan.cpus >= 1
                assert 2**28 <= plan.memory <= 2**46
                assert plan.disk == 0 or 2**30 <= plan.disk <= 2**47
                if plan.price_per_hour and plan.price_per_month:
                    assert 0 < plan.price_per_hour.amount < plan.price_per_month.amount

    async def test_3_3_common_images_and_places_have_portable_names(self) -> None:
        """The same request lands on any cloud."""
        async with self.cloud() as cloud, self.client(cloud) as client:
            aliases = {
                alias for image in (await client.list_images().collect()).items for alias in image.aliases
            }
            assert {"debian-12", "ubuntu-24.04"} <= aliases
            places = {
                place for region in (await client.list_regions().collect()).items for place in region.places
            }
            assert {"eu", "us"} <= places or {"eu", "na"} <= places
            assert all(place == place.lower() for place in places)
