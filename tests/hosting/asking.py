"""A client of a forge, asked one thing."""

import asyncio

import pytest
from forges import TOKEN

from stoker.hosting.client import connect
from stoker.hosting.detection import detect
from stoker.hosting.model import NewPullRequest
from stoker.hosting.settings import Host, Settings

WANTED = NewPullRequest(title="Add a list", body="All of it.", source="task", target="main")


def remote(forge, repository="acme/widgets"):
    host = Host(provider=forge.provider, api=forge.url + forge.prefix)
    return detect(f"{forge.url}/{repository}.git", Settings({forge.host: host}))


def ask(forge, question, *, token=TOKEN, repository="acme/widgets", **limits):
    """What a client of the forge answers."""

    async def main():
        async with connect(remote(forge, repository), token, **limits) as client:
            return await question(client)

    return asyncio.run(main())


def refused(forge, error, question=lambda client: client.create(WANTED), **how):
    with pytest.raises(error) as caught:
        ask(forge, question, **how)
    assert type(caught.value) is error
    assert TOKEN not in str(caught.value) + repr(caught.value)
    return caught.value
