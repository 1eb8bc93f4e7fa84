"""public.py IN OUT: cuts a library's description (abidw) down to what a user can rely on: the
exported functions and the types that their declarations lead to. A struct that is no ops table
is opaque to users, so its members go. (abidw can drop private types itself, but knows public headers
by their file names alone, and some of ours are namesakes of private ones.)"""

import os
import sys
import xml.etree.ElementTree as ET

TRANSPARENT = "_ops"
OPAQUE = ("class-decl", "union-decl")


def make_opaque(element):
    for child in list(element):
        element.remove(child)
    for attribute in ("size-in-bits", "alignment-in-bits"):
        element.attrib.pop(attribute, None)
    element.set("is-declaration-only", "yes")


def main():
    tree = ET.parse(sys.argv[1])
    corpus = tree.getroot()
    types, waiting = {}, []
    for unit in corpus.findall("abi-instr"):
        unit.set("path", os.path.basename(unit.get("path", "")))
        unit.attrib.pop("comp-dir-path", None)
        for element in list(unit):
            if element.tag in OPAQUE and not element.get("name", "").endswith(TRANSPARENT):
                make_opaque(element)
            if element.tag == "function-decl":
                waiting.append(element)
            elif element.get("id"):
                types.setdefault(element.get("id"), []).append(element)
    reached = set()
    while waiting:
        for part in waiting.pop().iter():
            for attribute in ("type-id", "naming-typedef-id"):
                name = part.get(attribute)
                if name and name not in reached:
                    reached.add(name)
                    waiting += types.get(name, [])
    for unit in corpus.findall("abi-instr"):
        for element in list(unit):
            if element.tag != "function-decl" and element.get("id") not in reached:
                unit.remove(element)
        if len(unit) == 0:
            corpus.remove(unit)
    tree.write(sys.argv[2])
    with open(sys.argv[2], "a") as out:
        out.write("\n")


main()
