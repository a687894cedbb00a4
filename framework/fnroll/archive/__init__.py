"""A directory to a reproducible zip, and a zip to a directory that nothing can escape from.

    rules = load_rules(root)              ignore.py   what stays out, and which rule says so
    entries = scan(root, rules)           scan.py     the files, sorted, links settled
    package = pack(entries)               writer.py   bytes that depend on names, modes, links and contents alone
    unpack(package.data, target)          reader.py   all or nothing, everything checked before it is written

An `Entry(name, source, size, executable, link)` may be made by hand, for files of any origin;
`dataclasses.replace(entry, name=...)` renames one. `pack(..., cache=Cache(directory, tree))` gives the same bytes
sooner.

Nothing here knows of functions, layers or AWS. `pathspec`, `deflate` and `zipfile` are imported by the call that
needs them, so that importing this room costs nothing.
"""

from fnroll.archive.cache import Cache
from fnroll.archive.ignore import Decision, IgnoreRules, Rule, Style, load_rules
from fnroll.archive.limits import MAX_UNZIPPED, MAX_ZIPPED
from fnroll.archive.reader import Like, unpack, unpack_layers
from fnroll.archive.scan import Dropped, Entry, Survey, scan, survey
from fnroll.archive.writer import Package, check_unzipped, pack

__all__ = [
    "MAX_UNZIPPED",
    "MAX_ZIPPED",
    "Cache",
    "Decision",
    "Dropped",
    "Entry",
    "IgnoreRules",
    "Like",
    "Package",
    "Rule",
    "Style",
    "Survey",
    "check_unzipped",
    "load_rules",
    "pack",
    "scan",
    "survey",
    "unpack",
    "unpack_layers",
]
