"""The imports of the package form no circle, those inside of functions counted."""

import ast
import re
from pathlib import Path

import pytest

import chaffinch

ROOT = Path(chaffinch.__file__).parent
_NAME = re.compile(r"chaffinch(\.\w+)+")


def modules_in(root):
    """Path by name of each module; packages by the name of their folder."""
    return {
        ".".join((root.name, *path.relative_to(root).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in root.rglob("*.py")
    }


def imports_of(text, known):
    """Modules that a source names in an import, wherever that stands, or in a string."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} if _NAME.fullmatch(node.value) else set()
    return found & known


def circles(graph):
    """Names that can be reached from themselves."""

    def reached(start):
        seen, todo = set(), [start]
        while todo:
            for name in graph.get(todo.pop(), ()):
                if name not in seen:
                    seen.add(name)
                    todo.append(name)
        return seen

    return sorted(name for name in graph if name in reached(name))


def graph_of(modules):
    """What each module imports; a package's own parts are no imports of its ``__init__``."""
    known = set(modules) - {"chaffinch"}  # its front door names everything, lazily
    graph = {}
    for name in known:
        found = imports_of(modules[name].read_text("utf-8"), known) - {name}
        if modules[name].name == "__init__.py":
            found = {one for one in found if not one.startswith(f"{name}.")}
        graph[name] = found
    return graph


def test_no_module_is_in_a_circle_of_imports():
    assert circles(graph_of(modules_in(ROOT))) == []


@pytest.mark.parametrize(
    "text",
    [
        "from chaffinch.b import thing",
        "import chaffinch.b",
        "def late():\n    from chaffinch import b",
        "importlib.import_module('chaffinch.b')",
    ],
)
def test_every_form_of_import_is_seen(text):
    graph = {"chaffinch.a": imports_of(text, {"chaffinch.a", "chaffinch.b"})}
    graph["chaffinch.b"] = {"chaffinch.a"}
    assert circles(graph) == ["chaffinch.a", "chaffinch.b"]
