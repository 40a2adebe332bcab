"""EVM code in worker processes of our own: py-evm's instructions and precompiled contracts over a
state that is read when it is looked at."""
