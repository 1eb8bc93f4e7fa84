"""test_in_step.py INCLUDE_DIR CC LIBRARY: the Python binding says what the headers say, and the
other way round: functions with all their types, enums, structs, versions, and the symbols of the
library."""

import ctypes
import os
import re
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests/abi"), os.path.join(ROOT, "bindings/python/src")]
INCLUDE, CC, LIBRARY = sys.argv[1:4]
os.environ["PANICMON_LIBRARY"] = LIBRARY

from headers import Headers  # noqa: E402
from panicmon import _ffi  # noqa: E402
import panicmon  # noqa: E402

HEADERS = Headers(INCLUDE, CC)
C_NAMES = {python: name for name, python in _ffi.STRUCTS.items()}
NUMBERS = {ctypes.c_int: "int", ctypes.c_uint8: "uint8_t", ctypes.c_uint16: "uint16_t",
           ctypes.c_uint32: "uint32_t", ctypes.c_int64: "int64_t", ctypes.c_size_t: "size_t",
           ctypes.c_char: "char", ctypes.c_char_p: "char*", ctypes.c_void_p: "void*",
           None: "void"}


def plain(kind):
    """A ctypes type in the form that headers.py gives C types."""
    if kind in NUMBERS:
        return NUMBERS[kind]
    if hasattr(kind, "_argtypes_"):
        arguments = ", ".join(plain(argument) for argument in kind._argtypes_)
        return f"{plain(kind._restype_)}({arguments})"
    if hasattr(kind, "contents"):
        return plain(kind._type_) + "*"
    return C_NAMES.get(kind, kind.__name__)


def same(theirs):
    """size_t and uint64_t are one type to ctypes on this platform; so are long and int64_t."""
    return theirs.replace("size_t", plain(ctypes.c_size_t))


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


class InStep(unittest.TestCase):
    maxDiff = None

    def test_functions(self):
        bound, declared = set(_ffi.SIGNATURES), set(HEADERS.functions)
        self.assertGreater(len(declared), 50, "the headers could not be read")
        self.assertEqual(bound & set(_ffi.EXCLUDED), set())
        self.assertEqual(declared - bound - set(_ffi.EXCLUDED), set(), "not bound in _ffi.py")
        self.assertEqual(bound - declared, set(), "in _ffi.py, but in no header")
        self.assertEqual(set(_ffi.EXCLUDED) - declared, set(), "excluded, but in no header")
        self.assertTrue(all(_ffi.EXCLUDED.values()), "an exclusion needs a reason")

    def test_types(self):
        for name, signature in _ffi.SIGNATURES.items():
            with self.subTest(name):
                self.assertEqual([plain(kind) for kind in signature],
                                 [same(kind) for kind in HEADERS.functions[name]])

    def test_every_function_is_used(self):
        folder = os.path.dirname(panicmon.__file__)
        text = "".join(read(folder, file) for file in os.listdir(folder) if file.endswith(".py"))
        unused = [name for name in _ffi.SIGNATURES
                  if not re.search(rf"lib(rary)?\.{name}\b", text)]
        # What C offers for reading one by one, Python reads whole.
        self.assertEqual(set(unused), {
            "panicmon_err_at", "panicmon_err_count", "panicmon_error_code", "panicmon_config_has",
            "panicmon_config_set_word"}, "bound, but no class of the package calls them")

    def test_enums(self):
        layout = HEADERS.layout()
        self.assertEqual(set(HEADERS.enums), set(_ffi.ENUMS))
        for name, python in _ffi.ENUMS.items():
            with self.subTest(name):
                values = sorted(layout[constant] for constant in HEADERS.enums[name])
                self.assertEqual(sorted(int(member) for member in python.__members__.values()), values)
                for member in python.__members__.values():
                    ends = [c for c in HEADERS.enums[name] if c.endswith("_" + member.name)]
                    self.assertIn(int(member), [layout[constant] for constant in ends])
                if name.startswith("panicmon_"):
                    self.assertEqual(layout["sizeof " + name], ctypes.sizeof(_ffi.Enum))

    def test_structs(self):
        layout = HEADERS.layout()
        self.assertEqual(set(HEADERS.structs), set(_ffi.STRUCTS))
        for name, python in _ffi.STRUCTS.items():
            self.assertEqual(ctypes.sizeof(python), layout["sizeof " + name])
            self.assertEqual([member for member, _ in python._fields_],
                             [member for member, _ in HEADERS.structs[name]])
            for (member, kind), (_, theirs) in zip(python._fields_, HEADERS.structs[name]):
                with self.subTest(f"{name}.{member}"):
                    self.assertEqual(plain(kind), theirs)
                    self.assertEqual(getattr(python, member).offset,
                                     layout[f"offsetof {name} {member}"])
                    self.assertEqual(getattr(python, member).size,
                                     layout[f"sizeof {name} {member}"])

    def test_callbacks(self):
        theirs = {HEADERS.plain(name) for name in HEADERS.callbacks}
        ours = {plain(kind) for kind in vars(_ffi).values() if hasattr(kind, "_argtypes_")}
        self.assertEqual(theirs - ours, set())

    def test_versions(self):
        text = read(INCLUDE, "panicmon/version.h")
        numbers = re.findall(r"#define PANICMON_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text)
        self.assertEqual(panicmon.__version__, ".".join(numbers))
        self.assertEqual(panicmon.library_version(), ".".join(numbers))
        self.assertEqual([str(_ffi.MAJOR), str(_ffi.MINOR)], numbers[:2])
        project = read(ROOT, "bindings/python/pyproject.toml")
        self.assertIn(f'version = "{panicmon.__version__}"', project)

    def test_symbols(self):
        out = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], check=True,
                             stdout=subprocess.PIPE, universal_newlines=True).stdout
        names = {line.split()[-1].split("@")[0] for line in out.splitlines()}
        names = {name for name in names if not name.startswith("PANICMON_")}
        self.assertEqual(set(_ffi.SIGNATURES) | set(_ffi.EXCLUDED), names)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
