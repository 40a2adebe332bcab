"""The model that writes scripts: asked for what matters in sources, and for the lines."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import msgspec
from msgspec import Struct

from stoker.agents.builtin.assembler import ModelError
from stoker.agents.builtin.entries import Answer, Asked, Message, Noted
from stoker.agents.builtin.settings import Settings
from stoker.agents.builtin.tools.tool import schema_of
from stoker.agents.builtin.wire import Request
from stoker.agents.builtin.wire_openai import OpenAI
from stoker.chains.errors import ModelFailed
from stoker.chains.group import OperationGroup
from stoker.chains.log import log
from stoker.chains.scripting.answers import Invalid, decoded, response_format
from stoker.chains.scripting.block import checked_block
from stoker.chains.scripting.briefing import brief, extraction, generation
from stoker.chains.scripting.formats import ExtractedContractInfo, ScriptBlock
from stoker.chains.scripting.infos import checked_infos
from stoker.chains.scripting.prompts import AGAIN, EXTRACT, FORM, GENERATE
from stoker.chains.settings import ModelSettings
from stoker.chains.sources.contract_source import ContractSource
from stoker.process.redact import Redactor

if TYPE_CHECKING:
    from stoker.agents.builtin.client import Client

K = TypeVar("K", bound=Struct)
R = TypeVar("R")
_RETRIES: Final = 2
_SHOWN: Final = 20_000
_UNFIT: Final = re.compile(r"HTTP 4\d\d.*(response_format|json_schema|structured)", re.DOTALL)


class _Extraction(Struct, frozen=True):
    contracts: tuple[ExtractedContractInfo, ...]


class ScriptModel:
    """Shared by all plans. Of one event loop; its connections end with its block."""

    def __init__(
        self, settings: ModelSettings, aliases: Mapping[int, str], sender: str | None = None
    ) -> None:
        """`aliases`: of chains, by id. `sender`: who signs, of groups that do not say."""
        self._settings = settings
        self._aliases = aliases
        self._sender = sender
        self._plain = False
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the connections."""
        if self._client is not None:
            await self._client.close()

    async def extract(
        self,
        group: OperationGroup,
        sources: Sequence[ContractSource],
    ) -> tuple[ExtractedContractInfo, ...]:
        """What matters in the sources. Raises `ModelFailed`."""
        if not sources:
            return ()
        # Large sources take a while to cut.
        prompt = await asyncio.to_thread(extraction, group, sources, self._aliases)

        def check(found: _Extraction) -> tuple[ExtractedContractInfo, ...]:
            return checked_infos(found.contracts, sources)

        return await self._structured("extraction", EXTRACT, prompt, _Extraction, check)

    async def generate(
        self,
        group: OperationGroup,
        infos: Sequence[ExtractedContractInfo],
    ) -> ScriptBlock:
        """The lines of the script. Raises `ModelFailed`."""
        prompt = generation(group, infos, self._aliases, group.sender or self._sender)

        def check(found: ScriptBlock) -> ScriptBlock:
            return checked_block(found, infos)

        return await self._structured("script", GENERATE, prompt, ScriptBlock, check)

    def brief(self, group: OperationGroup) -> str:
        """Operations, contracts, chains and the account, for the model to read."""
        return brief(group, self._aliases, group.sender or self._sender)

    async def ask(self, request: Request) -> Answer:
        """Raises `ModelFailed`."""
        name, seconds = self._settings.model, self._settings.timeout
        try:
            async with asyncio.timeout(seconds):
                return await self._connected().ask(request, lambda *_: None)
        except TimeoutError:
            raise ModelFailed(f"the model {name} gave no answer within {seconds:g} s") from None
        except ModelError as error:
            raise ModelFailed(f"the model {name} could not be asked: {error}") from error

    async def _structured(
        self,
        name: str,
        system: str,
        prompt: str,
        kind: type[K],
        check: Callable[[K], R],
    ) -> R:
        """What `check` makes of an answer of type `kind`. What is wrong with one is told the
        model, which may try again."""
        form = msgspec.json.encode(schema_of(kind)).decode()
        system = f"{system}\n\n{FORM.format(schema=form)}"
        messages: list[Message] = [Asked("1", prompt)]
        why = ""
        for attempt in range(1, max(self._settings.attempts, 1) + 1):
            answer = await self._formed(system, messages, response_format(kind, name))
            try:
                found = check(decoded(answer.text, kind))
            except Invalid as error:
                why = str(error) if answer.stop != "length" else "it was cut off: be shorter"
                log.debug("answer not valid", answer=name, attempt=attempt, why=why)
                said = msgspec.structs.replace(answer, text=answer.text[:_SHOWN], calls=())
                messages = [messages[0], said, Noted(AGAIN.format(why=why))]
            else:
                log.debug("answer", answer=name, attempt=attempt)
                return found
        raise ModelFailed(
            f"the model {self._settings.model} gave no valid {name} in {attempt} attempts: {why}"
        )

    async def _formed(
        self,
        system: str,
        messages: Sequence[Message],
        form: Mapping[str, Any],
    ) -> Answer:
        """Endpoints that know no form of answers are asked without one, from then on."""
        if not self._plain:
            try:
                return await self.ask(Request(system, messages, extra=form))
            except ModelFailed as error:
                if not _UNFIT.search(str(error)):
                    raise
                log.debug("the endpoint takes no JSON Schema", why=str(error))
                self._plain = True
        return await self.ask(Request(system, messages))

    def _connected(self) -> Client:
        from stoker.agents.builtin.client import Client

        if self._client is None:
            ours = self._settings
            settings = Settings(
                model=ours.model,
                wire="openai",
                base_url=ours.base_url,
                retries=_RETRIES,
                idle_sec=ours.timeout,
            )
            redactor = Redactor([ours.api_key])
            try:
                self._client = Client(OpenAI(), settings, ours.api_key, redactor, _retried)
            except ValueError as error:
                raise ModelFailed(f"the model's base_url: {error}") from error
        return self._client


def _retried(retry: int, of: int, pause: float, why: str) -> None:
    log.debug("model asked again", retry=retry, of=of, pause=pause, why=why)
