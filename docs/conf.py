"""Sphinx: ``sphinx-build -W docs build/docs``, where levelsnap is installed."""

import levelsnap

project = "levelsnap"
copyright = "the levelsnap developers"
version = release = levelsnap.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_click",
]
html_theme = "furo"
nitpicky = True
myst_heading_anchors = 3

# In docstrings, `name` links what is public and is emphasis elsewhere, as for parameters.
default_role = "autolink"
autosummary_generate = False
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings have them in words
numpydoc_show_class_members = False

# All but extended summaries, examples and "See Also" everywhere.
numpydoc_validation_checks = {"all", "ES01", "EX01", "SA01"}
numpydoc_validation_exclude = {
    # One line that refers to the function of this name.
    r"\.Codebook\.(labels|snap|labels_and_snap|thresholds)$",
    r"\.LevelsnapAccessor\.",
    # Its options depend on the kind.
    r"\.Codebook\.plot$",
    # A dataclass, whose parameters are its attributes.
    r"\.KChoice$",
}


def escape_stars(app, context, lines):
    """Keep the ``*`` of the commands' help text, which is no markup."""
    lines[:] = [line.replace("*", r"\*") for line in lines]


def setup(app):
    for part in ("description", "options"):
        app.connect(f"sphinx-click-process-{part}", escape_stars)
