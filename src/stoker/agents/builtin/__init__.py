"""The built-in coding agent: a process of its own, `python -m stoker.agents.builtin`.

A small loop: ask the model, run the tools it calls, ask again. What is said and done goes
into an append-only transcript before it is acted on, so that an agent that was killed goes on
in the middle of its turn. Small files, a noun each:

    settings     what it may and shall do          protocol     stdin and stdout, as JSON lines
    transcript   the file, entry by entry          history      what its entries amount to
    loop         one turn                          session      turn after turn
    output       what a session says               tools/       what the model can call
    client       requests, retries, streams        wire_*       two providers' formats
    assembler    an answer, piece by piece         gate         questions that wait for answers
    budget, prices, compaction, room, repetition   what keeps a turn within bounds
"""
