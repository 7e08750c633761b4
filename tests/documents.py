"""The code in the documentation and of the examples, for the tests that run it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"

needs_docs = pytest.mark.skipif(not DOCS.exists(), reason="docs/ is not beside the tests")

# A fenced block; with a mark "<!-- NAME -->" before it, it belongs to a test of its own.
BLOCK = re.compile(r"^(?:<!-- ([^>\n]+) -->\n+)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def marked_blocks(page):
    """The blocks of a page that have a mark, by its name."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    return {mark: code for mark, _, code in blocks if mark}


def sections(page):
    """The title and the Python code of each section, which all share the code before the first."""
    text = page.read_text(encoding="utf-8")
    shared, *rest = re.split(r"^## ", text, flags=re.MULTILINE)
    found = {"": _python(shared)}
    for section in rest:
        if code := _python(section):
            found[section.partition("\n")[0]] = found[""] + code
    return {title: code for title, code in found.items() if code}


def _python(text):
    blocks = BLOCK.findall(text)
    return "".join(code for mark, language, code in blocks if language == "python" and not mark)


def require_imports(code):
    """Skip a test where a package that its code imports is not installed."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        else:
            continue
        for name in names:
            pytest.importorskip(name.partition(".")[0])
