"""Aliases and the traffic that they route, and the evidence by which a canary is judged.

aliases.py    the aliases of a function as rows
verdict.py    the canary rule: counts -> evidence -> FAIL, HOLD or PASS
counts.py     counts from a file
"""

from fnroll.release.aliases import AliasRow, list_rows

__all__ = ["AliasRow", "list_rows"]
