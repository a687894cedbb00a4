"""Go's text/template as far as definitions use it, with places kept.

    tokens.py     a text to its pieces: plain text and actions, white space trimmed, actions as tokens
    tree.py       actions to a tree: pipelines, conditions, loops, variables
    run.py        the tree to a text, segment by segment
    calls.py      what a function of a template is, and how it fails or has to wait
    builtins.py   the functions that every Go template has
    printing.py   how Go prints values

Not here: named templates (define, template, block) and break/continue; definitions are rendered without data, so `.`
is nothing. Pure, but for what the functions of the table do. The functions come as a table: others are added without
touching the reader.
"""

from fnroll.definition.template.calls import CallFailed, Function, Pending, Result
from fnroll.definition.template.run import Rendering, render

__all__ = ["CallFailed", "Function", "Pending", "Rendering", "Result", "render"]
