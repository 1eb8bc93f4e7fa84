"""Reads the public headers through the C preprocessor: functions, enums, structs, callbacks. Used by
the tests of the ABI and by those that hold the bindings in step.

    headers.py INCLUDE_DIR CC layout      sizes, offsets and constants, one a line, sorted
    headers.py INCLUDE_DIR CC functions   names of the public functions, sorted
    headers.py INCLUDE_DIR CC frozen      all declarations in one header without macros
"""

import os
import re
import subprocess
import sys
import tempfile

EXPORT = r'__attribute__\s*\(\(visibility\("default"\)\)\)'


def preprocessed(include, cc):
    """What the public headers say after preprocessing, without the system's headers."""
    text = subprocess.run([cc, "-E", "-x", "c", "-std=c11", "-I", include, "-"],
                          input="#include <panicmon/panicmon.h>\n", check=True,
                          stdout=subprocess.PIPE, universal_newlines=True).stdout
    ours, lines = False, []
    for line in text.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            ours = "/panicmon/" in marker.group(1) and marker.group(1).startswith(include)
        elif ours and line.strip():
            lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


def split(arguments):
    """An argument list, split at its outer commas."""
    depth, last, parts = 0, 0, []
    for at, char in enumerate(arguments):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(arguments[last:at])
            last = at + 1
    parts.append(arguments[last:])
    parts = [part.strip() for part in parts]
    return [] if parts == ["void"] else parts


class Headers:
    """The declarations, with types in a plain form: without const, enums as `int`."""

    def __init__(self, include, cc):
        self.include, self.cc = include, cc
        self.raw = preprocessed(include, cc)
        text = re.sub(r"\s+", " ", self.raw)
        self.enums = {}  # name, or first constant of a nameless one -> [constant]
        for name, body in re.findall(r"enum (\w*) ?\{([^}]*)\}", text):
            constants = re.findall(r"(?:^|,) ?(\w+)", body)
            constants = [constant for constant in constants if not constant.endswith("_MAX_")]
            self.enums[name or constants[0]] = constants
        self.aliases = dict((new, old) for old, new in
                            re.findall(r"typedef (\w+) (\w+) ?;", text))
        self.aliases.update((name, "int") for name in self.enums)
        self.callbacks = {}
        for result, name, arguments in re.findall(
                r"typedef ([\w ]+?\*?) ?\(\*(\w+)\) ?\(([^;]*)\) ?;", text):
            self.callbacks[name] = (result, arguments)
        self.structs = {}
        for body, name in re.findall(r"typedef struct \w+ \{([^}]*)\} (\w+) ?;", text):
            members = [member.strip() for member in body.split(";") if member.strip()]
            self.structs[name] = [member for line in members for member in self._member(line)]
        self.functions = {}
        for declaration in re.findall(EXPORT + r" ([^;{]+);", text):
            result, name, arguments = re.match(r"(.*?)(\w+) ?\((.*)\)$", declaration).groups()
            self.functions[name] = self._signature(result, arguments)

    def _signature(self, result, arguments):
        return [self.plain(result)] + [self._argument(part) for part in split(arguments)]

    def _member(self, line):
        if "(*" in line:
            name = re.search(r"\(\*(\w+)\)", line).group(1)
            return [(name, self._argument(line))]
        first, *others = [part.strip() for part in line.split(",")]
        kind, name = re.match(r"(.*?)(\w+)$", first).groups()
        return [(each, self.plain(kind)) for each in [name] + others]

    def _argument(self, part):
        pointer = re.match(r"(.*?)\(\*\w*\) ?\((.*)\)$", part)
        if pointer:
            return self._function(*pointer.groups())
        part = re.sub(r"(\w+) ?\[\w*\]$", r"*\1", part)  # an array argument is a pointer
        return self.plain(re.match(r"(.*?)(\w+)$", part).group(1))

    def _function(self, result, arguments):
        signature = self._signature(result, arguments)
        return f"{signature[0]}({', '.join(signature[1:])})"

    def plain(self, kind):
        kind = re.sub(r"\bconst\b|\bstruct\b|\benum\b|\s+", " ", kind)
        stars = kind.count("*")
        name = kind.replace("*", " ").strip()
        if name in self.callbacks:
            return self._function(*self.callbacks[name]) + "*" * stars
        return self.aliases.get(name, name) + "*" * stars

    def layout(self):
        """Sizes and offsets of the public structs, values of all constants: name -> number."""
        lines = []
        for name, members in sorted(self.structs.items()):
            lines.append(f'SHOW("sizeof {name}", sizeof({name}))')
            for member, _ in members:
                lines.append(f'SHOW("offsetof {name} {member}", offsetof({name}, {member}))')
                lines.append(f'SHOW("sizeof {name} {member}", sizeof((({name} *)0)->{member}))')
        for constants in self.enums.values():
            lines += [f'SHOW("{constant}", {constant})' for constant in constants]
        for name in self.enums:
            if name.startswith("panicmon_"):
                lines.append(f'SHOW("sizeof {name}", sizeof({name}))')
        source = ("#include <panicmon/panicmon.h>\n#include <stddef.h>\n#include <stdio.h>\n"
                  '#define SHOW(name, number) printf("%s %lld\\n", name, (long long)(number));\n'
                  "int main(void)\n{\n" + "\n".join(lines) + "\nreturn 0;\n}\n")
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "layout")
            subprocess.run([self.cc, "-x", "c", "-I", self.include, "-", "-o", program],
                           input=source, check=True, universal_newlines=True)
            out = subprocess.run([program], check=True, stdout=subprocess.PIPE,
                                 universal_newlines=True).stdout
        return {name: int(number) for name, number in
                (line.rsplit(" ", 1) for line in out.splitlines())}


def main():
    include, cc, what = sys.argv[1:]
    headers = Headers(include, cc)
    if what == "layout":
        for name, number in sorted(headers.layout().items()):
            print(name, number)
    elif what == "functions":
        print("\n".join(sorted(headers.functions)))
    elif what == "frozen":
        print("/* The headers as released, written by tests/abi/update.sh. */\n"
              "/* clang-format off */\n#include <stddef.h>\n#include <stdint.h>")
        print(headers.raw, end="")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
