"""Templates at random, of the subset that definitions use; many of them wrong on purpose."""

from __future__ import annotations

from random import Random

ENV = {"A": "a", "B": "bee", "EMPTY": "", "Q": 'say "<hi>" & \\'}

_NAMES = ["A", "B", "EMPTY", "NONE", "Q", "dflt", "", " x "]
_QUOTED = ["A", "B", "x\\ty", 'q\\"q', "é", "%s-%s", "\\u00e9", "\\x41"]
_NUMBERS = ["1", "0", "-3", "0x1f", "1.5", "3.0", "1e3", "017", "'a'", "1_000", "1e21", "0.00001"]
_FORMS = ["%s", "%d %v", "%5s|", "%-5s|", "%05d", "%q", "%t", "%%", "%v%v", "%+d", "%.2f", "%6.2f", "%c", "% d"]
_ARGUMENTS = {"must_env": 1, "json_escape": 1, "not": 1, "len": 1, "caller_identity": 0}
_FUNCTIONS = ["env"] * 6 + ["must_env", "json_escape"] * 2 + ["printf", "print", "println", "eq", "ne", "lt", "gt"]
_FUNCTIONS += ["le", "ge", "and", "or", "not", "len", "index", "slice", "html", "js", "urlquery", "caller_identity"]
_RANGES = ["range $k, $v := caller_identity", "range caller_identity", "range $x := caller_identity", "range ."]


class Writer:
    """One stream of templates; the same seed writes the same ones. `plain`: without data, which there is none of, and
    without forms that do not fit their values."""

    def __init__(self, seed: int, *, plain: bool = False) -> None:
        self.random = Random(seed)
        self.plain = plain

    def template(self, depth: int = 2) -> str:
        parts = [self._one([" ", "\n", "a", "{ ", "}", " b \n", ""]) + self._action(depth) for _ in range(self._few())]
        return "".join(parts) + self._one(["", " ", "x"])

    def _one(self, items: list[str]) -> str:
        return self.random.choice(items)

    def _few(self) -> int:
        return self.random.choice([1, 1, 2])

    def _chance(self, percent: int) -> bool:
        return self.random.random() * 100 < percent

    def _literal(self) -> str:
        if self._chance(45):
            return f"`{self._one(_NAMES)}`"
        if self._chance(60):
            return f'"{self._one(_QUOTED)}"'
        if self._chance(60):
            return self._one(_NUMBERS)
        return self._one(["true", "false"] if self.plain else ["true", "false", "nil"])

    def _operand(self, depth: int) -> str:
        if depth <= 0 or self._chance(55):
            return self._literal()
        if self._chance(45):
            return f"({self._pipeline(depth - 1)})"
        if self.plain:
            return f"(env {self._literal()})"
        return self._one(["caller_identity.Account", "(caller_identity).Arn", "$", ".", f"(env {self._literal()})"])

    def _command(self, depth: int) -> str:
        if self._chance(15):
            return self._operand(depth)
        name = self._one(_FUNCTIONS[:-1] if self.plain else _FUNCTIONS)
        arguments = [self._operand(depth) for _ in range(_ARGUMENTS.get(name, self._few() + self._chance(30)))]
        if name == "printf":
            arguments.insert(0, f'"{self._one(["%s", "%v", "%q", "%%", "%v-%v"] if self.plain else _FORMS)}"')
        return " ".join([name, *arguments])

    def _pipeline(self, depth: int) -> str:
        return " | ".join(self._command(depth) for _ in range(self.random.choice([1, 1, 1, 2, 3])))

    def _action(self, depth: int) -> str:
        left, right = self._one(["{{ ", "{{", "{{- "]), self._one([" }}", "}}", " -}}"])
        if depth <= 0 or self._chance(60):
            return f"{left}{self._pipeline(2)}{right}"
        if self._chance(15):
            return self._one(["{{/* c */}}", "{{- /* c */ -}}", "{{/* c\n*/ -}}"])
        if self._chance(25):
            return f"{left}$y := {self._pipeline(1)}{right}{{{{ $y }}}}"
        if self._chance(80):
            return self._block(left, right, depth)
        return f"{{{{ {self._one(_RANGES)} }}}}{self.template(depth - 1)}{{{{ end }}}}"

    def _block(self, left: str, right: str, depth: int) -> str:
        text = f"{left}{self._one(['if', 'if', 'with'])} {self._pipeline(1)}{right}{self.template(depth - 1)}"
        if self._chance(40):
            text += f"{{{{ else }}}}{self.template(depth - 1)}"
        elif self._chance(30):
            first, second = self._pipeline(1), self._pipeline(1)
            text = f"{{{{ if {first} }}}}{self.template(depth - 1)}{{{{ else if {second} }}}}{self.template(depth - 1)}"
            text += f"{{{{ else }}}}{self.template(depth - 1)}"
        return text + "{{ end }}"
