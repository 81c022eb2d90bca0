"""What a function returned is judged by ``==``, as the benchmarks' own checkers do, and nothing a program bends helps."""

from __future__ import annotations

import ast
from collections import Counter, OrderedDict, defaultdict, namedtuple
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarot_lite.judging import Verdict
from tarot_lite.literals import plain, written
from tarot_lite.problems import Form, Problem, TestCase
from tarot_lite.sandbox import Sandbox

FRACTIONS = "from fractions import Fraction\ndef f(x): return "
DECIMAL = "from decimal import Decimal\ndef f(x): return "
COLLECTIONS = "from collections import *\ndef f(x): return "

RETURNED = [  # expected, program, whether it is right
    ("3", "import numpy\ndef f(x): return numpy.int64(3)", True),
    ("[3, 0.5]", "import numpy\ndef f(x): return [numpy.int64(3), numpy.float64(0.5)]", True),
    ("True", "import numpy\ndef f(x): return numpy.bool_(True)", True),
    ("3", FRACTIONS + "Fraction(3)", True),
    ("0.5", FRACTIONS + "Fraction(1, 2)", True),
    ("0.3333333333333333", FRACTIONS + "Fraction(1, 3)", False),
    ("Fraction(1, 3)", FRACTIONS + "Fraction(1, 3)", True),
    ("3", DECIMAL + "Decimal('3.00')", True),
    ("0.1", DECIMAL + "Decimal('0.1')", False),
    ("2", "import enum\nclass C(enum.IntEnum):\n    A = 2\ndef f(x): return C.A", True),
    ("2", "import enum\nclass C(enum.Enum):\n    A = 2\ndef f(x): return C.A", False),
    ("{'a': 1}", COLLECTIONS + "OrderedDict(a=1)", True),
    ("{'a': 1}", COLLECTIONS + "defaultdict(int, a=1)", True),
    ("{'a': 2}", COLLECTIONS + "Counter('aa')", True),
    ("(1, 2)", COLLECTIONS + "namedtuple('P', 'x y')(1, 2)", True),
    ("[1, 2]", COLLECTIONS + "deque([1, 2])", False),
    ("{1, 2}", COLLECTIONS + "{1: 0, 2: 0}.keys()", True),
    ("{1}", "def f(x): return frozenset([1])", True),
    ("b'a'", "def f(x): return bytearray(b'a')", True),
    ("3", "class I(int):\n    def __repr__(self): return 'three'\ndef f(x): return I(3)", True),
    ("'a'", "class S(str):\n    def __repr__(self): return 'three'\ndef f(x): return S('a')", True),
    ("3", "class L:\n    def __eq__(self, other): return True\ndef f(x): return L()", False),
    ("3", "class L:\n    def __repr__(self): return '3'\ndef f(x): return L()", False),
    ("[1, 2]", "class L:\n    def __repr__(self): return '[1, 2]'\ndef f(x): return L()", False),
    ("nan", "def f(x): return float('nan')", True),
    ("[inf, -inf, 1]", "def f(x): return [float('inf'), -float('inf'), 1]", True),
    ("[1, 2]", "def f(x): return (1, 2)", False),
    ("1", "def f(x): return True", True),
    (hex(10**5000), "def f(x): return 10 ** 5000", True),
    # what the module does besides
    ("3", "print('noise')\ndef f(x):\n    print('more')\n    return 3", True),
    ("3", "def f(x): return 3\nif __name__ == '__main__':\n    print(f(int(input())))", True),
    ("3", "import sys\ndef f(x): return 3\nif __name__ == '__main__':\n    sys.exit(1)", True),
    ("3", "import sys\nsys.stdout = open('/dev/null', 'w')\ndef f(x): return 3", True),
    ("3", "import sys\nread = sys.stdin.readline\ndef f(x):\n    sys.stdout.write('a')\n    return 3", True),
    ("3", "'''Doc.'''\nfrom __future__ import (\n    annotations,\n)\n\ndef f(x: no) -> no: return 3", True),
    ("3", "from dataclasses import dataclass\n@dataclass\nclass D:\n    a: 'int'\ndef f(x): return D(3).a", True),
    ("3", "def isinstance(*a): return False\ndef repr(x): return '7'\nplain = print = None\ndef f(x): return 3", True),
    ("7", "def isinstance(*a): return False\ndef repr(x): return '7'\nplain = print = None\ndef f(x): return 3", False),
]


@pytest.mark.parametrize(("expected", "program", "is_right"), RETURNED)
def test_what_a_function_returned(expected: str, program: str, is_right: bool, sandbox: Sandbox) -> None:
    problem = Problem("p", "", (TestCase("[1]", expected),), form=Form.FUNCTION, entry_point="f")
    [result] = sandbox.judge(problem, program)
    assert (result.verdict is Verdict.PASSED) is is_right, result


class Colour(IntEnum):
    RED = 1


Pair = namedtuple("Pair", "x y")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner)
)


@given(VALUES)
def test_a_literal_equals_its_value(value: Any) -> None:
    assert ast.literal_eval(plain(value)) == value


@pytest.mark.parametrize(
    "value",
    [Colour.RED, Pair(1, "a"), Counter("aab"), OrderedDict(a=1), defaultdict(int, a=1), np.int64(3), np.float32(0.5),
     np.True_, Fraction(4, 2), Decimal("2.0"), {1: 2}.keys(), {1: 2}.items(), 1 << 9999, -(1 << 20000), [], (), set(), {}],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_so_do_those_of_subclasses_and_numbers_of_other_kinds(value: Any) -> None:
    assert ast.literal_eval(plain(value)) == value


@pytest.mark.parametrize("value", [object(), len, iter([]), range(3), Fraction(1, 3), Decimal("0.1"), np.array([1, 2])])
def test_what_no_literal_equals_is_written_as_none(value: Any) -> None:
    with pytest.raises(TypeError):
        plain(value)
    assert written(value).startswith(f"<{type(value).__name__}: ")


def test_what_is_put_around_a_function_asks_for_no_rarer_worker(sandbox: Sandbox) -> None:
    """The sandbox looks at a program's text for the modules that it may need, and its common workers are the quickest."""
    problem = Problem("p", "", form=Form.FUNCTION, entry_point="f")
    assert sandbox._kind(problem.program("def f(x): return x")) == "common"
