"""From one portable request to one provider's slugs: what is chosen fits, and nothing cheaper does."""

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from purveyor import GiB, InstanceSpec, Money, Needs
from purveyor.policy.resolve import Catalogue, Fit, Unfit, resolve

from ._cloud import image, plan, region

SPEC = InstanceSpec(name="web", plan=Needs(cpus=1), image="ubuntu-24.04")
CATALOGUE = Catalogue(
    plans=(
        plan("big", "0.05", cpus=4, memory=8 * GiB, disk=160 * GiB),
        plan("small", "0.01"),
        plan("gpu", "0.001", cpus=64, memory=512 * GiB, gpu=2),
    ),
    images=(image("u24", "ubuntu-24.04"), image("d12", "debian-12", min_disk=50 * GiB)),
    regions=(
        region("ams3", "amsterdam", "nl", "eu"),
        region("fra1", "frankfurt", "de", "eu"),
        region("nyc1", "new york", "us", available=False),
    ),
)


def fit(catalogue=CATALOGUE, **wish) -> Fit:
    got = resolve(attrs.evolve(SPEC, **wish), catalogue)
    assert isinstance(got, Fit), got
    return got


def unfit(catalogue=CATALOGUE, **wish) -> Unfit:
    got = resolve(attrs.evolve(SPEC, **wish), catalogue)
    assert isinstance(got, Unfit), got
    return got


class TestPlans:
    def test_the_cheapest_that_fits(self):
        assert fit().plan.id == "small"
        assert fit(plan=Needs(cpus=2)).plan.id == "big"
        assert fit(plan=Needs(memory=2 * GiB)).plan.id == "big"
        assert fit(plan=Needs(disk=26 * GiB)).plan.id == "big"

    def test_a_plan_with_gpus_is_never_the_answer_to_a_request_without(self):
        assert "64 cores" in unfit(plan=Needs(cpus=64)).reason
        assert fit(plan=Needs(cpus=64, gpu=1)).plan.id == "gpu"
        assert fit(plan="gpu").plan.id == "gpu"
        assert unfit(plan=Needs(gpu=3)) == Unfit("plan", "no plan has 1 cores, 3 GPUs")

    def test_by_slug_and_a_near_match(self):
        assert fit(plan="big").plan.id == "big"
        assert unfit(plan="bigg") == Unfit("plan", "no plan is called 'bigg'; did you mean 'big'?")

    def test_a_price_limit_is_kept_and_the_cheapest_is_named(self):
        assert fit(plan=Needs(max_price="0.01")).plan.id == "small"
        assert unfit(plan=Needs(max_price="0.009")) == Unfit(
            "max_price", "the cheapest fitting plan, small, costs 0.01 USD an hour"
        )

    def test_without_a_price_a_limit_cannot_be_kept(self):
        catalogue = attrs.evolve(CATALOGUE, plans=(plan("free", None),))
        assert fit(catalogue).plan.id == "free"
        assert unfit(catalogue, plan=Needs(max_price=1)).field == "max_price"

    def test_what_has_a_price_comes_before_what_has_none(self):
        catalogue = attrs.evolve(CATALOGUE, plans=(plan("free", None), plan("dear", "99")))
        assert fit(catalogue).plan.id == "dear"

    def test_what_is_not_sold_is_not_chosen(self):
        catalogue = attrs.evolve(CATALOGUE, plans=(plan("gone", available=False), CATALOGUE.plans[0]))
        assert fit(catalogue).plan.id == "big"
        assert unfit(catalogue, plan="gone").reason == "gone is not sold at present"

    def test_the_same_price_falls_to_the_smaller_and_then_to_the_name(self):
        rows = (plan("b"), plan("a"), plan("large", memory=2 * GiB))
        for plans in (rows, rows[::-1]):
            assert fit(attrs.evolve(CATALOGUE, plans=plans)).plan.id == "a"


class TestImages:
    def test_by_slug_by_alias_and_a_near_match(self):
        assert fit(image="u24").image.id == "u24"
        assert fit(image="ubuntu-24.04").image.id == "u24"
        assert unfit(image="u25").reason == "no image is called 'u25'; did you mean 'u24'?"

    def test_one_that_is_discouraged_comes_last(self):
        images = (image("old", "x", deprecated=True), image("new", "x"))
        assert fit(attrs.evolve(CATALOGUE, images=images), image="x").image.id == "new"
        assert fit(attrs.evolve(CATALOGUE, images=images), image="old").image.id == "old"

    def test_its_disk_must_fit_and_so_the_plan_grows(self):
        assert fit(image="debian-12").plan.id == "big"
        assert (
            "d12 needs 50 GiB of disk; plan small has 25 GiB" in unfit(image="debian-12", plan="small").reason
        )

    def test_of_two_with_one_alias_the_one_that_the_region_has(self):
        images = (image("only-nyc", "x", regions=("nyc1",)), image("only-ams", "x", regions=("ams3",)))
        catalogue = attrs.evolve(CATALOGUE, images=images)
        assert fit(catalogue, image="x", region="ams3").image.id == "only-ams"


class TestRegions:
    def test_anywhere_if_nothing_is_said(self):
        assert fit().region is None
        assert fit(attrs.evolve(CATALOGUE, default_region="fra1")).region == "fra1"
        assert fit(attrs.evolve(CATALOGUE, default_region="fra1"), region="ams3").region == "ams3"

    @pytest.mark.parametrize(
        ("wanted", "slug"), [("fra1", "fra1"), ("de", "fra1"), ("EU", "ams3"), ("Amsterdam", "ams3")]
    )
    def test_by_slug_and_by_place(self, wanted, slug):
        assert fit(region=wanted).region == slug

    def test_unknown_and_closed(self):
        assert unfit(region="ams4").reason == "no region is called 'ams4'; did you mean 'ams3'?"
        assert unfit(region="us") == Unfit("region", "nyc1 takes no new machines at present")

    def test_only_where_the_plan_and_the_image_are_both_sold(self):
        catalogue = attrs.evolve(
            CATALOGUE,
            plans=(plan("here", regions=("ams3",)), plan("there", "0.2", regions=("fra1",))),
            images=(image("u24", "ubuntu-24.04", regions=("fra1",)),),
        )
        assert (fit(catalogue, region="eu").plan.id, fit(catalogue, region="eu").region) == ("there", "fra1")
        assert fit(catalogue).plan.id == "there"
        assert unfit(catalogue, region="ams3").field == "region"
        assert unfit(catalogue, plan="here").reason == "here with u24 is not sold in any region"

    def test_what_is_sold_nowhere_is_not_chosen(self):
        catalogue = attrs.evolve(
            CATALOGUE, plans=(plan("nowhere", "0.001", regions=()), plan("here", regions=None))
        )
        assert fit(catalogue).plan.id == "here"

    def test_a_region_of_its_own_price_may_be_cheaper_or_dearer(self):
        dear = plan("s", "1", region_prices=(("ams3", Money("3")),))
        cheap = plan("s", "1", region_prices=(("fra1", Money("0.5")),))
        got = fit(attrs.evolve(CATALOGUE, plans=(dear,)), region="eu")
        assert (got.region, got.price_per_hour) == ("fra1", Money("1"))
        got = fit(attrs.evolve(CATALOGUE, plans=(cheap,)), region="eu", plan=Needs(max_price="0.7"))
        assert (got.region, got.price_per_hour) == ("fra1", Money("0.5"))
        assert fit(attrs.evolve(CATALOGUE, plans=(dear,)), region="ams3").price_per_hour == Money("3")


SLUGS = st.sampled_from(["r1", "r2", "r3"])
SOME = st.none() | st.lists(SLUGS, unique=True).map(tuple)
PRICE = st.none() | st.decimals("0.01", "9", places=2)
PLANS = st.lists(
    st.builds(
        lambda slug, price, own, **traits: plan(
            slug,
            None if price is None else str(price),
            region_prices=tuple((r, Money(p)) for r, p in own.items()),
            **traits,
        ),
        slug=st.uuids().map(str),
        price=PRICE,
        own=st.dictionaries(SLUGS, st.decimals("0.01", "9", places=2), max_size=2),
        cpus=st.integers(1, 8),
        memory=st.integers(1, 8),
        disk=st.integers(1, 8),
        gpu=st.integers(0, 2),
        regions=SOME,
        available=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda one: one.id,
)
IMAGES = st.lists(
    st.builds(
        lambda slug, **traits: image(slug, "x", **traits),
        slug=st.sampled_from(["i1", "i2", "i3"]),
        min_disk=st.integers(0, 8),
        regions=SOME,
        deprecated=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda one: one.id,
)
REGIONS = st.lists(
    st.builds(lambda slug, **traits: region(slug, "eu", **traits), slug=SLUGS, available=st.booleans()),
    max_size=3,
    unique_by=lambda one: one.id,
)
NEEDS = st.builds(
    Needs,
    cpus=st.integers(0, 8),
    memory=st.integers(0, 8),
    disk=st.integers(0, 8),
    gpu=st.integers(0, 2),
    max_price=st.none() | st.decimals("0.01", "9", places=2),
)


def everything_that_fits(needs: Needs, catalogue: Catalogue, wanted: str | None) -> list[Decimal | None]:
    """Every price at which the request could be served, by trying all there is."""
    places = [r.id for r in catalogue.regions if r.available and wanted in {r.id, *r.places}]
    found = []
    for one in catalogue.plans:
        gpus = one.gpu >= needs.gpu if needs.gpu else one.gpu == 0
        big = one.cpus >= needs.cpus and one.memory >= needs.memory and one.disk >= needs.disk
        for picture in catalogue.images:
            if not (gpus and big and one.available and picture.min_disk <= one.disk):
                continue
            for place in places if wanted else ["r1", "r2", "r3"]:
                if place in (one.regions if one.regions is not None else [place]) and place in (
                    picture.regions if picture.regions is not None else [place]
                ):
                    price = (
                        dict(one.region_prices).get(place, one.price_per_hour)
                        if wanted
                        else one.price_per_hour
                    )
                    found.append(price.amount if price else None)
    limit = needs.max_price
    return [price for price in found if limit is None or (price is not None and price <= limit)]


@given(needs=NEEDS, plans=PLANS, images=IMAGES, regions=REGIONS, wanted=st.sampled_from([None, "eu", "r1"]))
def test_whatever_is_chosen_fits_and_nothing_cheaper_does(needs, plans, images, regions, wanted):
    catalogue = Catalogue(plans=plans, images=images, regions=regions)
    got = resolve(attrs.evolve(SPEC, plan=needs, image="x", region=wanted), catalogue)
    possible = everything_that_fits(needs, catalogue, wanted)
    if isinstance(got, Unfit):
        assert not possible
        assert got.reason
        return
    priced = [price for price in possible if price is not None]
    assert possible
    assert (got.price_per_hour.amount if got.price_per_hour else None) == (min(priced) if priced else None)
    assert got.plan.available
    assert got.plan.disk >= max(needs.disk, got.image.min_disk)
    assert (got.plan.gpu > 0) == (needs.gpu > 0)
    assert (got.region is None) == (wanted is None)


@given(needs=NEEDS, plans=PLANS, images=IMAGES, regions=REGIONS, wanted=st.sampled_from([None, "eu", "r1"]))
def test_the_order_of_the_rows_decides_nothing_about_plan_and_region(needs, plans, images, regions, wanted):
    spec = attrs.evolve(SPEC, plan=needs, image="x", region=wanted)
    one = resolve(spec, Catalogue(plans=plans, images=images, regions=regions))
    other = resolve(spec, Catalogue(plans=plans[::-1], images=images, regions=regions[::-1]))
    assert type(one) is type(other)
    if isinstance(one, Fit):
        assert one == other
