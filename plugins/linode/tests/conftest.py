import aiohttp
import pytest

from ._sandbox_api import Api, sandbox


@pytest.fixture
async def cloud():
    async with sandbox() as running:
        yield running


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def api(cloud, session):
    return Api(cloud, session)
