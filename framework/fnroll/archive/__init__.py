"""A directory to a reproducible zip, and a zip to a directory that nothing can escape from.

    rules = load_rules(root)              ignore.py   what stays out, and which rule says so
    entries = scan(root, rules)           scan.py     the files, sorted, links settled
    package = pack(entries)               writer.py   bytes that depend on names, modes and contents alone
    unpack(package.data, target)          reader.py   all or nothing, everything checked before it is written

Nothing here knows of functions, layers or AWS. `pathspec`, `deflate` and `zipfile` are imported by the call that
needs them, so that importing this room costs nothing.
"""

from fnroll.archive.ignore import Decision, IgnoreRules, Rule, load_rules
from fnroll.archive.limits import MAX_UNZIPPED, MAX_ZIPPED
from fnroll.archive.reader import unpack, unpack_layers
from fnroll.archive.scan import Entry, scan
from fnroll.archive.writer import Package, pack

__all__ = [
    "MAX_UNZIPPED",
    "MAX_ZIPPED",
    "Decision",
    "Entry",
    "IgnoreRules",
    "Package",
    "Rule",
    "load_rules",
    "pack",
    "scan",
    "unpack",
    "unpack_layers",
]
