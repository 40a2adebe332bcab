"""Cheatcodes that are known and refused, so that a refusal can name them: they read or write files,
the environment, the network or other programs, ask people, or need what is not here."""

from __future__ import annotations

from itertools import product

from eth_utils.crypto import keccak

_SCALARS = ("bool", "uint256", "int256", "address", "bytes32", "string", "bytes")
_NAMED = """
ffi(string[]) tryFfi(string[]) sleep(uint256) unixTime()
prompt(string) promptSecret(string) promptSecretUint(string) promptAddress(string)
promptUint(string)
setEnv(string,string) envExists(string) isContext(uint8)
projectRoot() readFile(string) readFileBinary(string) readLine(string) closeFile(string)
writeFile(string,string) writeFileBinary(string,bytes) writeLine(string,string)
copyFile(string,string)
removeFile(string) exists(string) isFile(string) isDir(string) createDir(string,bool)
removeDir(string,bool) readDir(string) readDir(string,uint64) readDir(string,uint64,bool)
readLink(string) fsMetadata(string)
rpc(string,string) rpc(string,string,string) rpcUrls() rpcUrlStructs()
eth_getLogs(uint256,uint256,address,bytes32[]) broadcastRawTransaction(bytes)
transact(bytes32) transact(uint256,bytes32)
createFork(string,bytes32) createSelectFork(string,bytes32)
rollFork(bytes32) rollFork(uint256,bytes32)
getCode(string) getDeployedCode(string) deployCode(string) deployCode(string,bytes)
deployCode(string,uint256) deployCode(string,bytes,uint256) getArtifactPathByCode(bytes)
getBroadcast(string,uint64,uint8) getBroadcasts(string,uint64) getDeployment(string)
getDeployment(string,uint64) getDeployments(string,uint64)
createWallet(string) createWallet(uint256) createWallet(uint256,string)
rememberKeys(string,string,uint32) deriveKey(string,uint32)
deriveKey(string,string,uint32) getWallets() sign(bytes32) sign(address,bytes32)
parseJson(string) parseJson(string,string) parseToml(string) parseToml(string,string)
writeJson(string,string) writeJson(string,string,string) writeToml(string,string)
writeToml(string,string,string) loadAllocs(string) dumpState(string) cloneAccount(address,address)
startStateDiffRecording() stopAndReturnStateDiff() getStateDiff() getStateDiffJson()
startMappingRecording() stopMappingRecording() lastCallGas() startSnapshotGas(string)
stopSnapshotGas() attachDelegation((uint8,bytes32,bytes32,uint64,uint256,address))
signDelegation(address,uint256) signAndAttachDelegation(address,uint256) attachBlob(bytes)
skip(bool) skip(bool,string) breakpoint(string) breakpoint(string,bool) allowCheatcodes(address)
expectSafeMemory(uint64,uint64) setArbitraryStorage(address) randomUint() randomAddress()
mockFunction(address,address,bytes) getFoundryVersion() foundryVersionCmp(string)
"""


def _signatures() -> list[str]:
    named = _NAMED.split()
    for kind in _SCALARS:
        name = kind[0].upper() + kind[1:].removesuffix("256")
        named += [f"env{name}(string)", f"env{name}(string,string)"]
        named += [f"envOr(string,{kind})", f"envOr(string,string,{kind}[])"]
        for what, array in product(("Json", "Toml"), ("", "Array")):
            named.append(f"parse{what}{name}{array}(string,string)")
        named += [
            f"serialize{name}(string,string,{kind})",
            f"serialize{name}(string,string,{kind}[])",
        ]
    return named


REFUSED = {keccak(text=one)[:4]: one for one in _signatures()}
"""Selector -> signature."""
