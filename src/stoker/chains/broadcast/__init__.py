"""Transactions on their way: Foundry's artefacts of them, rehearsal, and sending them once each."""
