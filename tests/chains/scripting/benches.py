"""What tests of the script agent put on the bench."""

from __future__ import annotations

from deploy import World

from stoker.chains.group import OperationGroup
from stoker.chains.sources.contract_source import ContractSource


def sources_of(worlds: dict[int, World], group: OperationGroup) -> tuple[ContractSource, ...]:
    """As a fetcher has them."""
    found = []
    for contract in group.contracts:
        one = worlds[contract.chain_id].contracts[contract.name]
        found.append(
            ContractSource(
                chain_id=contract.chain_id,
                address=contract.address,
                name=one.contract,
                abi=one.abi,
                files=one.files,
                compiler=one.compiler,
                origin="etherscan",
            )
        )
    return tuple(found)
