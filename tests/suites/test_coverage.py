"""Coverage of the reference: what does not belong in the examples of the docstrings."""

from __future__ import annotations

import subprocess
import sys


def test_coverage_py_is_imported_before_two_threads_need_it() -> None:
    """Its first import in two threads at once ended whole builds with an ImportError (circular import), now and then."""
    script = "import sys, tarot_lite.suites; print('coverage.parser' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
