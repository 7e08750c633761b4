"""New processes for the tests."""

import os
import shutil
import sys
import sysconfig


def environment(**changes):
    """This process's environment, in which a new Python finds what this one finds."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | changes


def c_compiler():
    """The path of the compiler that made this Python, or None."""
    return shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0])
