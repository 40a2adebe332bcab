"""Chain groups: operations on EVM chains that become scripts, are simulated on forks of the real
chains, and are handed back as transactions to sign.

`orchestrator` is the door: a plan of groups is a run, a group a step of it (`kind`). `workshop` has
what all groups of an engine share, `tools` what those with the same settings do; `node` is what can
be done with one group, and `path` the order of it; `backend` is the state of one plan. Beneath:

- `sources`: what explorers know of contracts, and where proxies lead;
- `scripting`: the model that writes scripts, what becomes of its lines, the agent that mends them;
- `solidity`: compilers, what they are given, and what can be told of a source without them;
- `evm`: engines: py-evm in processes of its own (`pyevm`), anvil, forge;
- `state`: chains at pinned blocks, and what groups have made of them;
- `report`: what an execution came to, for people, models and programs;
- `broadcast`: sending it, in Foundry's shape.
"""
