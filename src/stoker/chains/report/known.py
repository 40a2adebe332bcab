"""Interfaces that everybody knows: what is read by them when nothing better is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from stoker.chains.evm.pyevm.addresses import CHEATCODES, CONSOLE, CREATE2_DEPLOYER
from stoker.chains.report.abi import Entry, Parameter
from stoker.chains.solidity import forge_std

_PRECOMPILES: Final = (
    *("ecrecover", "sha256", "ripemd", "identity", "modexp"),
    *("ecadd", "ecmul", "ecpairing", "blake2f", "pointEvaluation"),
)
NAMES: Final[dict[bytes, str]] = {
    CHEATCODES: "VM",
    CONSOLE: "console",
    CREATE2_DEPLOYER: "Create2Deployer",
    **{number.to_bytes(20): name for number, name in enumerate(_PRECOMPILES, start=1)},
}

_TEXT: Final = """
function balanceOf(address account) returns (uint256)
function allowance(address owner, address spender) returns (uint256)
function approve(address spender, uint256 amount) returns (bool)
function transfer(address to, uint256 amount) returns (bool)
function transferFrom(address from, address to, uint256 amount) returns (bool)
function totalSupply() returns (uint256)
function decimals() returns (uint8)
function symbol() returns (string)
function name() returns (string)
function deposit()
function withdraw(uint256 amount)
function mint(address to, uint256 amount)
function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
function nonces(address owner) returns (uint256)
function ownerOf(uint256 tokenId) returns (address)
function setApprovalForAll(address operator, bool approved)
function safeTransferFrom(address from, address to, uint256 tokenId)
function onERC721Received(address operator, address from, uint256 tokenId, bytes data) returns (bytes4)
event Transfer(address indexed from, address indexed to, uint256 value)
event Approval(address indexed owner, address indexed spender, uint256 value)
event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)
event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId)
event ApprovalForAll(address indexed owner, address indexed operator, bool approved)
function getReserves() returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast)
function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data)
event Sync(uint112 reserve0, uint112 reserve1)
event Swap(address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out, address indexed to)
event Mint(address indexed sender, uint256 amount0, uint256 amount1)
event Burn(address indexed sender, uint256 amount0, uint256 amount1, address indexed to)
event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1, uint160 sqrtPriceX96, uint128 liquidity, int24 tick)
event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares)
event Withdraw(address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares)
event OwnershipTransferred(address indexed previousOwner, address indexed newOwner)
event Deposit(address indexed dst, uint256 wad)
event Withdrawal(address indexed src, uint256 wad)
error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)
error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed)
error ERC20InvalidSender(address sender)
error ERC20InvalidReceiver(address receiver)
error ERC20InvalidApprover(address approver)
error ERC20InvalidSpender(address spender)
error ERC721NonexistentToken(uint256 tokenId)
error ERC721IncorrectOwner(address sender, uint256 tokenId, address owner)
error ERC721InsufficientApproval(address operator, uint256 tokenId)
error ERC721InvalidReceiver(address receiver)
error OwnableUnauthorizedAccount(address account)
error AccessControlUnauthorizedAccount(address account, bytes32 neededRole)
error SafeERC20FailedOperation(address token)
error AddressEmptyCode(address target)
error FailedCall()
error FailedInnerCall()
error InsufficientBalance(uint256 balance, uint256 needed)
error EnforcedPause()
error ReentrancyGuardReentrantCall()
error InvalidInitialization()
"""  # noqa: E501

_LINE: Final = re.compile(
    r"(function|event|error) (\w+)\((.*?)\)(?: external| pure| view)*(?: returns \((.*)\))?"
)


def known() -> Iterator[Entry]:
    """Of tokens, and of what most contracts are built upon."""
    return _entries(_TEXT)


def cheatcodes() -> Iterator[Entry]:
    """Of the machine that runs scripts."""
    return _entries(forge_std.sources()["forge-std/Vm.sol"])


def _entries(text: str) -> Iterator[Entry]:
    for match in _LINE.finditer(text):
        kind, name, inputs, outputs = match.groups()
        yield Entry(kind, name, _read(inputs), _read(outputs or ""))  # type: ignore[arg-type]


def _read(text: str) -> tuple[Parameter, ...]:
    found = []
    for one in filter(None, text.split(", ")):
        kind, *rest = one.split(" ")
        found.append(Parameter(rest[-1] if rest else "", kind, "indexed" in rest))
    return tuple(found)
