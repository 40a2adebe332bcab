"""The script agent: mends a script that fails, with tools, until it passes all checks.

A session is a loop of asking the model and doing what it calls for. There are two at most, the
second with a script written anew.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from stoker.agents.builtin.entries import Answer, Asked, Message, Noted, Usage
from stoker.agents.builtin.wire import Request
from stoker.chains.errors import MENDABLE, ChainError, ModelFailed, NotMended, SourcesMissing
from stoker.chains.hexadecimal import excerpt
from stoker.chains.log import log
from stoker.chains.scripting.formats import Talk
from stoker.chains.scripting.model import ScriptModel
from stoker.chains.scripting.prompts import ELSEWHERE, GO_ON, MEND, REPAIR
from stoker.chains.scripting.session import Session
from stoker.chains.scripting.toolbox import OFFERS
from stoker.chains.settings import RepairSettings

if TYPE_CHECKING:
    from stoker.chains.node import GroupNode

_MOST_CALLS: Final = 8
"""Of one answer."""
_SHOWN: Final = 2_000


class ScriptApp:
    """Shared by all plans: what it works on is a group's own bench."""

    def __init__(self, model: ScriptModel, settings: RepairSettings) -> None:
        self._model = model
        self._settings = settings

    async def mend(self, bench: GroupNode, text: str, failure: ChainError) -> str:
        """A script that passes all checks; `text` is the one that fails. Raises `NotMended`, and
        `ChainError` for what no script does better. The bench keeps what was said."""
        work = _Mending(self._model, bench, self._settings.rounds, failure)
        seconds = self._settings.seconds
        try:
            async with asyncio.timeout(seconds):
                mended, why = await work.run(text)
            if mended is not None:
                return mended
        except TimeoutError:
            why = f"the {seconds:g} s for mending it are over"
        except (ModelFailed, SourcesMissing) as error:
            why = str(error)
        finally:
            bench.keep(work.talk())
        rounds = f"rounds: {work.rounds}{', with a restart' if work.restarted else ''}"
        raise NotMended(f"{work.failure} (not mended: {why}; {rounds})") from work.failure


class _Mending:
    """One script's, from its failure on."""

    def __init__(
        self, model: ScriptModel, bench: GroupNode, rounds: int, failure: ChainError
    ) -> None:
        self.failure = failure
        """The last one."""
        self.rounds = 0
        self.restarted = False
        self._model = model
        self._bench = bench
        self._rounds = rounds
        self._usage = Usage()
        self._messages: list[Message] = []

    def talk(self) -> Talk:
        """So far."""
        return Talk(
            messages=tuple(self._messages),
            rounds=self.rounds,
            restarted=self.restarted,
            usage=self._usage,
        )

    async def run(self, text: str) -> tuple[str | None, str]:
        """The mended script, or None and why there is none. Raises `ModelFailed`."""
        mended, why = await self._session(text, "")
        # A script that somebody has brought is mended, but not put aside for another one.
        if mended is None and self._bench.group.script is None:
            self.restarted = True
            infos = await self._bench.extract()
            block = await self._bench.generate_script(infos)
            try:
                text = self._bench.assemble(block)
            except MENDABLE as error:
                self.failure = error
                return None, "the new script cannot be put together"
            mended, why = await self._session(text, ELSEWHERE.format(why=str(self.failure)))
        return mended, why

    async def _session(self, text: str, before: str) -> tuple[str | None, str]:
        session = Session(self._bench, text)
        try:
            await session.check()
            self.failure = session.failure or self.failure
            parts = (self._model.brief(self._bench.group), before)
            prompt = MEND.format(
                brief="\n\n".join(filter(None, parts)), script=text, why=session.why()
            )
            messages: list[Message] = [Asked("1", prompt)]
            self._messages.append(messages[0])
            silent = 0
            for _ in range(self._rounds):
                if session.passed:
                    break
                answer = await self._ask(messages)
                said = await self._done(session, answer)
                self.failure = session.failure or self.failure
                messages += said
                self._messages += said
                silent = 0 if answer.calls else silent + 1
                if silent == 2:
                    break
            if session.failure is None and not session.passed:
                await session.check()
        finally:
            session.close()
        if session.passed:
            return session.text, ""
        self.failure = session.failure or self.failure
        if silent == 2:
            return None, f"the model gave up: {excerpt(answer.text.strip(), _SHOWN)}"
        return None, f"the limit of {self._rounds} rounds is reached"

    async def _ask(self, messages: list[Message]) -> Answer:
        request = Request(REPAIR, tuple(messages), tuple(OFFERS.values()))
        answer = await self._model.ask(request)
        self.rounds += 1
        self._usage += answer.usage
        calls = [
            replace(call, id=f"call_{self.rounds}_{number}")
            for number, call in enumerate(answer.calls[:_MOST_CALLS])
        ]
        answer = replace(answer, calls=tuple(calls))
        messages.append(answer)
        self._messages.append(answer)
        return answer

    async def _done(self, session: Session, answer: Answer) -> list[Message]:
        """What came of its calls, or what is said to an answer that has none."""
        if not answer.calls:
            if session.failure is None and not session.passed:
                await session.check()
            return [] if session.passed else [Noted(GO_ON.format(why=session.why()))]
        found: list[Message] = []
        for call in answer.calls:
            result = await session.call(call)
            log.debug("script agent", tool=call.name, wrong=result.is_error, round=self.rounds)
            found.append(result)
        return found
