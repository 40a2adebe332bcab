"""The list of hosts, and the proxy that holds an agent to it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct

import pytest

from stoker.agents.egress_main import Egress
from stoker.agents.hosts import Hosts
from stoker.agents.profiles import loads
from stoker.plan.errors import PlanError

HOSTS = Hosts(
    [
        "Example.com.",
        "api.example.org:443",
        "*.wide.example",
        "*.narrow.example:8443",
        "10.0.0.7:8080",
        "[fd00::1]",
        "localhost:11434",
        "bücher.example",
    ]
)


@pytest.mark.parametrize(
    ("host", "port", "listed"),
    [
        ("example.com", 1, True),
        ("EXAMPLE.com.", 443, True),
        ("www.example.com", 443, False),
        ("notexample.com", 443, False),
        ("api.example.org", 443, True),
        ("api.example.org", 80, False),
        ("a.b.wide.example", 80, True),
        ("wide.example", 80, False),
        ("evilwide.example", 80, False),
        ("a.narrow.example", 8443, True),
        ("a.narrow.example", 443, False),
        ("10.0.0.7", 8080, True),
        ("::ffff:10.0.0.7", 8080, True),
        ("10.0.0.7", 80, False),
        ("fd00:0:0::1", 22, True),
        ("localhost", 11434, True),
        ("127.0.0.1", 11434, True),
        ("::1", 11434, True),
        ("localhost", 22, False),
        ("2130706433", 11434, False),
        ("xn--bcher-kva.example", 443, True),
        ("", 443, False),
        (".wide.example", 443, False),
    ],
)
def test_what_is_listed(host, port, listed):
    assert HOSTS.names(host, port) is listed


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.0.0.7", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:192.168.1.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
        ("fd00::1", True),
    ],
)
def test_where_a_listed_name_may_lead(address, allowed):
    assert HOSTS.leads(address, 443) is allowed


def test_a_port_of_this_machine_and_a_listed_private_address_may_be_led_to():
    assert HOSTS.leads("127.0.0.1", 11434)
    assert HOSTS.leads("10.0.0.7", 8080)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("localhost", "expected a port, as in localhost:8080"),
        ("127.0.0.1", "expected a port"),
        ("*", "expected a host"),
        ("*.", "expected a host"),
        ("a*.example", "expected a host"),
        ("https://example.com", "expected a"),
        ("example.com:0", "expected a port from 1 to 65535, found '0'"),
        ("example.com:http", "expected a port from 1 to 65535"),
        ("", "expected a host"),
    ],
)
def test_a_profile_with_an_entry_that_is_none_is_told_where(entry, why):
    settings = {"network": ["good.example", entry]}
    text = json.dumps({"executors": {"CODEX": {"MINE": settings}}})
    with pytest.raises(PlanError, match=why) as raised:
        loads(text, name="profiles.json")
    assert raised.value.problems[0].pointer == "/executors/CODEX/MINE/network"


class Turned(Egress):
    """Names lead where whoever owns them has them lead."""

    async def resolve(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "turned.example" else ["192.0.2.1", "10.0.0.9"]


@pytest.mark.parametrize(
    ("request_line", "status", "why"),
    [
        ("CONNECT turned.example:443 HTTP/1.1", 403, "leads to 127.0.0.1"),
        ("GET http://turned.example/ HTTP/1.1", 403, "leads to 127.0.0.1"),
        ("CONNECT other.turned.example:443 HTTP/1.1", 403, "leads to 192.0.2.1"),
        ("CONNECT else.example:443 HTTP/1.1", 403, "is not in the list"),
        ("CONNECT turned.example HTTP/1.1", 400, "not a request"),
        ("GET / HTTP/1.1", 400, "not a request"),
        ("GET https://turned.example/ HTTP/1.1", 400, "not a request"),
        ("nonsense", 400, "not a request"),
    ],
)
def test_a_name_that_is_turned_inwards_is_refused(request_line, status, why, capsys):
    async def ask() -> bytes:
        proxy = socket.create_server(("127.0.0.1", 0))
        await Turned(Hosts(["turned.example", "*.turned.example"])).listen(proxy)
        reader, writer = await asyncio.open_connection(*proxy.getsockname())
        writer.write(f"{request_line}\r\nHost: turned.example\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer

    answer = asyncio.run(ask()).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert why in answer
    assert (why in capsys.readouterr().err) is (status == 403)


def test_who_hangs_up_in_the_midst_of_asking_is_let_go():
    class Served(Egress):
        async def _serve(self, reader, writer):
            try:
                await super()._serve(reader, writer)
            except Exception as error:
                served.set_exception(error)
            else:
                served.set_result(writer.is_closing())

    async def ask() -> bool:
        nonlocal served
        served = asyncio.get_running_loop().create_future()
        proxy = socket.create_server(("127.0.0.1", 0))
        await Served(Hosts(["some.example"])).listen(proxy)
        _, writer = await asyncio.open_connection(*proxy.getsockname())
        writer.write(b"CONNECT some")
        await writer.drain()
        linger = struct.pack("ii", 1, 0)  # a reset, not an end
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        return await served

    served: asyncio.Future[bool]
    assert asyncio.run(ask())


def test_what_can_be_no_name_of_a_host_is_not_found():
    with pytest.raises(OSError, match="label"):
        asyncio.run(Egress(HOSTS).resolve("x" * 64 + ".wide.example", 443))
