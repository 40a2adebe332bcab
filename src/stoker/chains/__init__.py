"""Chain groups: operations on EVM chains that become scripts, are simulated on forks of the real
chains, and are handed back as transactions to sign."""
