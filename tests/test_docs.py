"""What the documentation shows runs, and it describes all that is public."""

import doctest
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from documents import DOCS, ROOT, needs_docs, require_imports, sections

import levelsnap as ls

PAGES = [page for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))) if page.exists()]
SECTIONS = [
    pytest.param(code, id=f"{page.name}: {title}")
    for page in PAGES
    for title, code in sections(page).items()
]
SOURCES = Path(ls.__file__).parent.glob("*.py")
WITH_EXAMPLES = sorted(p.stem for p in SOURCES if ">>> " in p.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _closes_figures():
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@needs_docs
@pytest.mark.filterwarnings("ignore:Numba not installed")
@pytest.mark.parametrize("code", SECTIONS)
def test_pages(code, tmp_path, monkeypatch):
    require_imports(code)
    monkeypatch.chdir(tmp_path)
    image = np.arange(600, dtype="uint16").reshape(20, 30)
    exec(code, {"image": image, "tiles": [image[:10], image[10:]]})  # the README's


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_docstrings(name):
    module = pytest.importorskip(f"levelsnap.{name}", exc_type=ImportError)
    found = doctest.DocTestFinder().find(module, globs={"np": np, "ls": ls})
    for test in found:
        require_imports("".join(example.source for example in test.examples))
        assert doctest.DocTestRunner().run(test).failed == 0


@needs_docs
def test_reference_has_every_name():
    reference = (DOCS / "reference" / "python.rst").read_text(encoding="utf-8")
    described = re.findall(r"^\.\. auto(?:function|class):: (\w+)$", reference, re.MULTILINE)
    assert set(ls.__all__) <= set(described)
