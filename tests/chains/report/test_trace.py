"""Traces as people read them."""

import msgspec
from eth_abi.abi import encode

from stoker.chains.evm.pyevm.addresses import CONSOLE
from stoker.chains.report.registry import Registry
from stoker.chains.report.trace import MAX_STEPS, Tracer
from stoker.chains.report.values import address_text
from stoker.chains.solidity.compilation import Compilation
from tests.chains.report.frames import (
    OTHER,
    ROUTER,
    SCRIPT,
    SENDER,
    TOKEN,
    VM,
    call,
    calldata,
    event,
    failing,
    function,
    selector,
    source,
    transfer,
)

REGISTRY = Registry(
    [
        source("Router", ROUTER, [function("swap", "uint256 amount, address to", "uint256 out")]),
        source("Token", TOKEN, [failing("Short", "uint256 by")]),
    ]
)


def test_a_trace_has_names_arguments_logs_and_returns_in_their_order() -> None:
    inner = call(
        TOKEN,
        calldata("transfer(address,uint256)", "0x" + OTHER.hex(), 10**18),
        from_=ROUTER,
        output=(1).to_bytes(32),
        logs=(transfer(TOKEN, ROUTER, OTHER, 10**18),),
        gas_used=5_000,
    )
    quote = call(TOKEN, calldata("totalSupply()"), kind="STATICCALL", output=(9).to_bytes(32))
    outer = call(
        ROUTER,
        calldata("swap(uint256,address)", 5, "0x" + OTHER.hex()),
        value=7,
        output=(42).to_bytes(32),
        calls=(quote, inner),
        logs=(event(ROUTER, "Unknown()", position=1),),
        gas_used=50_000,
    )
    other, router, token = (address_text(one) for one in (OTHER, ROUTER, TOKEN))
    topic = outer.logs[0].topics[0].hex()
    assert Tracer(REGISTRY, 1).text(outer).splitlines() == [
        f"  [50000] Router::swap{{value: 7}}(5, {other})",
        "    ├─ [21000] Token::totalSupply() [staticcall]",
        "    │   └─ ← [Return] 9",
        f"    ├─ emit unknown event of Router: [{router}]: topics [0x{topic}], data 0x",
        f"    ├─ [5000] Token::transfer({other}, 1000000000000000000 [1e18])",
        f"    │   ├─ emit Transfer(from: Router: [{router}], to: {other}, "
        "value: 1000000000000000000 [1e18])",
        "    │   └─ ← [Return] true",
        "    └─ ← [Return] out: 42",
    ], token


def test_why_it_failed_is_read_by_the_innermost_contract() -> None:
    error = calldata("Short(uint256)", 3)
    failed = call(TOKEN, calldata("decimals()"), error="execution reverted", output=error)
    outer = call(ROUTER, error="execution reverted", output=error, calls=(failed,))
    last = Tracer(REGISTRY, 1).text(outer).splitlines()
    assert last[2:] == ["    │   └─ ← [Revert] Short(by: 3)", "    └─ ← [Revert] Short(by: 3)"]
    spent = call(ROUTER, error="out of gas")
    handed = call(ROUTER, error="execution reverted", calls=(call(TOKEN), spent))
    assert Tracer(REGISTRY, 1).reason(handed) == "out of gas, in Router::receive()"
    caught = call(ROUTER, error="execution reverted", calls=(spent, call(TOKEN)))
    assert Tracer(REGISTRY, 1).reason(caught) == "reverted without a reason"
    assert Tracer(REGISTRY, 1).text(spent).endswith("← [out of gas]")


def test_what_a_script_creates_is_known_by_its_code() -> None:
    token = [function("mint", "address to, uint256 amount"), function("burn", "uint256 amount")]
    script = Compilation(
        name="Deploy",
        file="Deploy.s.sol",
        abi=[function("run", "")],
        bytecode=b"",
        runtime=b"",
        contracts={"IToken": token, "MyToken": [*token, failing("No")], "Vm": []},
    )
    runtime = b"\x60\x80" + b"".join(
        b"\x63" + selector(one) + b"\x14" for one in ("mint(address,uint256)", "burn(uint256)")
    )
    create = call(OTHER, b"\x60", kind="CREATE", output=runtime)
    run = call(SCRIPT, calldata("run()"), calls=(create,))
    registry = Registry((), [script])
    registry.learn_script(script, SCRIPT)
    registry.learn(run)
    lines = Tracer(registry).text(run).splitlines()
    assert lines[0] == "  [21000] Deploy::run()"
    assert lines[1] == f"    ├─ [21000] → new MyToken@{address_text(OTHER)}"
    assert lines[2] == f"    │   └─ ← [Return] {len(runtime)} bytes of code"


def test_a_constructor_shows_its_arguments_of_any_type() -> None:
    inputs = [{"type": "string", "name": "name"}, {"type": "uint256", "name": "supply"}]
    script = Compilation(
        name="Deploy",
        file="Deploy.s.sol",
        abi=[],
        bytecode=b"",
        runtime=b"",
        contracts={"Coin": [{"type": "constructor", "inputs": inputs}]},
        creations={"Coin": b"\x60\x80", "Other": b"\x60\x81"},
    )
    code = b"\x60\x80" + encode(["string", "uint256"], ["Gold", 9])
    create = call(OTHER, code, kind="CREATE", output=b"\x00")
    registry = Registry((), [script])
    registry.learn(create, 1)
    line = Tracer(registry, 1).call_line(create)
    assert line == f'[21000] → new Coin@{address_text(OTHER)}(name: "Gold", supply: 9)'


def test_cheatcodes_and_calls_without_data() -> None:
    deal = call(VM, calldata("deal(address,uint256)", "0x" + OTHER.hex(), 5))
    lines = Tracer(Registry()).text(call(OTHER, calls=(deal,))).splitlines()
    assert lines == [
        f"  [21000] {address_text(OTHER)}::receive()",
        f"    ├─ [21000] VM::deal({address_text(OTHER)}, 5)",
        "    │   └─ ← [Return]",
        "    └─ ← [Stop]",
    ]
    assert "::fallback(00ff)" in Tracer(REGISTRY).call_line(call(OTHER, b"\x00\xff"))


def deep(levels: int) -> tuple[object, ...]:
    frame = call(TOKEN)
    for _ in range(levels):
        frame = call(ROUTER, calls=(frame,))
    return (frame,)


def test_calls_a_thousand_deep_and_thousands_beside_each_other_are_bounded() -> None:
    (frame,) = deep(1_023)
    tracer = Tracer(REGISTRY, 1)
    text = tracer.text(frame)
    assert len(text) < 100_000 and "deeper" in text
    encoded = msgspec.json.encode(tracer.json(frame))
    assert b'"omitted":1' in encoded
    wide = call(ROUTER, calls=tuple(call(TOKEN) for _ in range(20_000)))
    assert len(tracer.text(wide).splitlines()) < 2 * MAX_STEPS + 10
    assert "… more than is shown" in tracer.text(wide)
    assert tracer.json(wide)["omitted"] == 20_000 - MAX_STEPS


def test_a_returndata_bomb_is_shown_by_its_size() -> None:
    bomb = call(ROUTER, calldata("swap(uint256,address)", 5, SENDER), output=bytes(5_000_000))
    tracer = Tracer(REGISTRY, 1)
    assert len(tracer.text(bomb)) < 2_000
    assert len(msgspec.json.encode(tracer.json(bomb))) < 20_000
    failed = call(ROUTER, output=b"\xee" * 5_000_000, error="execution reverted")
    assert len(tracer.text(failed)) < 2_000


def test_a_trace_as_json() -> None:
    data = calldata("swap(uint256,address)", 5, "0x" + OTHER.hex())
    log = transfer(TOKEN, ROUTER, OTHER, 3)
    shown = Tracer(REGISTRY, 1).json(call(ROUTER, data, output=(42).to_bytes(32), logs=(log,)))
    assert shown["function"] == "swap(uint256,address)" and shown["contract"] == "Router"
    assert shown["arguments"] == [
        {"name": "amount", "type": "uint256", "value": "5"},
        {"name": "to", "type": "address", "value": address_text(OTHER)},
    ]
    assert shown["returns"] == [{"name": "out", "type": "uint256", "value": "42"}]
    assert shown["logs"][0]["event"] == "Transfer(address,address,uint256)"


def test_what_is_printed_is_in_its_place() -> None:
    told = calldata("log(string,uint256)", "n = %d\x1b", 7)
    line = Tracer(REGISTRY).call_line(call(CONSOLE, told, kind="STATICCALL"))
    assert line == '[21000] console::log("n = 7\\x1b") [staticcall]'
    odd = Tracer(REGISTRY).call_line(call(CONSOLE, b"\1\2\3\4\5"))
    assert odd == "[21000] console::01020304(05)"
