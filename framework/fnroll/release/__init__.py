"""Aliases and the traffic that they route. Shifting it by evidence, the canary, will live here."""

from fnroll.release.aliases import AliasRow, list_rows

__all__ = ["AliasRow", "list_rows"]
