"""Cheatcodes of Foundry that scripts may use, by what they are about. A handler is listed with the
signature that it answers to; importing this package lists them all."""

from stoker.chains.evm.pyevm.cheats import accounts as accounts
from stoker.chains.evm.pyevm.cheats import assertions as assertions
from stoker.chains.evm.pyevm.cheats import blocks as blocks
from stoker.chains.evm.pyevm.cheats import broadcasts as broadcasts
from stoker.chains.evm.pyevm.cheats import forks as forks
from stoker.chains.evm.pyevm.cheats import keys as keys
from stoker.chains.evm.pyevm.cheats import records as records
from stoker.chains.evm.pyevm.cheats import texts as texts
