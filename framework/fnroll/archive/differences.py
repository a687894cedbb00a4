"""Where gitignore's meaning of a `.lambdaignore` and lambroll's differ on the files at hand.

A project that comes from lambroll wrote its lines for lambroll's wildcard; here they are read as gitignore's, unless
somebody says otherwise. Most lines say the same of most trees. Those that do not are found by judging each file both
ways, and the gitignore line that says what lambroll's meant by trying the likely ones on the same files. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fnroll.archive import gitignore, wildcard
from fnroll.archive.ignore import Decision, IgnoreRules, Line, Rule
from fnroll.archive.scan import Survey


@dataclass(frozen=True, slots=True)
class Difference:
    """One line that two readers understand differently.

    `dropped`: what it leaves out in the style that is read, and would not in the other; `kept`: the other way round. A
    directory ends in "/": what lies below it was not looked at. `instead`: gitignore lines that mean what lambroll's
    wildcard means by it, for these files; empty: the line meant nothing; None: no line does.
    """

    rule: Rule
    dropped: tuple[str, ...]
    kept: tuple[str, ...]
    instead: tuple[str, ...] | None


def differences(rules: IgnoreRules, found: Survey) -> tuple[Difference, ...]:
    """By line. Empty where both styles say the same of every file."""
    if not rules.text:
        return ()
    names = [entry.name for entry in found.entries] + [one.name for one in found.dropped if one.rule.line]
    other = _read(rules, "lambroll" if rules.style == "gitignore" else "gitignore")
    by_rule: dict[Rule, tuple[list[str], list[str]]] = {}
    for name in names:
        here, there = _decide(rules, name), _decide(other, name)
        if here.included == there.included:
            continue
        rule = there.rule if here.included else here.rule
        assert rule is not None  # without a rule a path is included
        by_rule.setdefault(rule, ([], []))[here.included].append(name)
    ordered = sorted(by_rule.items(), key=lambda item: item[0].line)
    return tuple(
        Difference(rule, tuple(dropped), tuple(kept), _instead(rule, names)) for rule, (dropped, kept) in ordered
    )


def _read(rules: IgnoreRules, style: str) -> IgnoreRules:
    """The same text in the other style; a line that is malformed there says nothing there."""
    compile_line = gitignore.compile_line if style == "gitignore" else wildcard.compile_line
    lines = []
    for number, text in enumerate(rules.text, 1):
        try:
            pattern = compile_line(text)
        except (ValueError, re.error):
            continue
        if pattern is not None:
            lines.append(Line(pattern, Decision(pattern.includes, Rule(text.strip(), rules.source, number))))
    return replace(rules, lines=tuple(lines))


def _decide(rules: IgnoreRules, name: str) -> Decision:
    return rules.decide(name, name.endswith("/"))


def _instead(rule: Rule, names: Sequence[str]) -> tuple[str, ...] | None:
    pattern = wildcard.compile_line(rule.pattern)
    if pattern is None:
        return ()
    wanted = {name for name in names if pattern.matches(name.rstrip("/"), name.endswith("/"))}
    if not wanted:
        return ()
    for lines in wildcard.translations(rule.pattern):
        compiled = [gitignore.compile_line(line) for line in lines]
        said = IgnoreRules(
            tuple(Line(one, Decision(one.includes, rule)) for one in compiled if one is not None), side_files=False
        )
        if {name for name in names if not _decide(said, name).included} == wanted:
            return tuple(lines)
    return None
