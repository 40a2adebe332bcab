"""What an agent is told before it begins: chosen from the repository, within a budget.

`assembly.assemble` is the door; `index.Index` what it chooses from. Everything is lexical and
structural, so that the same tree, document and memory give the same text, without a model.
"""
