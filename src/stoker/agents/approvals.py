"""What agents ask to be allowed, and how it is answered."""

from __future__ import annotations

from typing import Any

from stoker.agents.inbox import Reply
from stoker.agents.policy import Policy
from stoker.agents.scribe import Scribe, State
from stoker.agents.stream import Answer, Approval, Option, ToolKind


class Approvals(Scribe):
    """Of one adapter."""

    def __init__(self, state: State, policy: Policy) -> None:
        super().__init__(state)
        self._policy = policy

    def reply(self, pending: Any, option: Option, answer: Answer) -> None:
        """Answer a request for approval. `pending` is what `ask` was given for it."""
        raise NotImplementedError

    def ask(
        self,
        approval: str,
        pending: Any,
        *,
        kind: ToolKind,
        title: str,
        options: tuple[Option, ...],
        command: str | None = None,
        paths: tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        """The agent asks whether it may; the policy answers, or a person will."""
        if approval in self.state.pending:
            return
        request = Approval(
            id=approval,
            kind=kind,
            title=title,
            options=options,
            command=command,
            paths=paths,
            **more,
        )
        self.put(request, f"approval:{approval}")
        self.state.pending[approval] = pending
        allowed = self._policy.decide(kind, command, paths)
        if allowed is not None:
            reason = "" if allowed else "the profile's policy denies it"
            self.answer(Reply(approval=approval, allowed=allowed, by="policy", reason=reason))

    @property
    def asking(self) -> tuple[int, Approval] | None:
        """The request that has waited for a person the longest, and its entry."""
        for key in self.state.pending:
            found = self.state.open.get(f"approval:{key}")
            if found is not None and isinstance(found.content, Approval):
                return found.index, found.content
        return None

    def answer(self, reply: Reply) -> None:
        """An answer; nothing if nobody waits for it."""
        entry = self.state.open.get(f"approval:{reply.approval}")
        if reply.approval not in self.state.pending or entry is None:
            return
        request = entry.content
        assert isinstance(request, Approval)  # noqa: S101 - its key says so
        option = _chosen(request.options, reply)
        if option is None:
            self.fail(f"approval {reply.approval} has no option {reply.option!r}")
            return
        answer = Answer(
            option=option.id,
            allowed=option.kind.startswith("allow"),
            by=reply.by,
            reason=reply.reason,
            time=self.now,
        )
        pending = self.state.pending.pop(reply.approval)
        if not answer.allowed and request.tool_call is not None:
            self.state.denied.add(request.tool_call)
        self._settle_approval(reply.approval, answer)
        self.reply(pending, option, answer)

    def withdraw(self, approval: str) -> None:
        """The agent does not want to know any more."""
        if self.state.pending.pop(approval, None) is not None:
            reason = "the agent took its request back"
            self._settle_approval(
                approval, Answer(option="", allowed=False, reason=reason, time=self.now)
            )

    def _settle_approval(self, approval: str, answer: Answer) -> None:
        key = f"approval:{approval}"
        self.change(key, answer=answer)
        self.close(key)


def _chosen(options: tuple[Option, ...], reply: Reply) -> Option | None:
    if reply.option is not None:
        return next((option for option in options if option.id == reply.option), None)
    word = "allow" if reply.allowed else "reject"
    fitting = [option for option in options if option.kind.startswith(word)]
    ending = "always" if reply.always else "once"
    return next(
        (option for option in fitting if option.kind.endswith(ending)),
        fitting[0] if fitting else None,
    )
