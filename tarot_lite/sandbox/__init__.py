"""Run untrusted Python programs, thousands a minute, and say what became of each.

It protects your files, processes, network and secrets, the trainer that waits for a reward, the reward itself
(what a test expects is never where the program is), and the machine's processors and memory, against programs
that are broken or hostile.  How well depends on the machine: `Sandbox.report` names every layer that holds.

It does not protect against a hole in the Linux kernel, against a program that watches timing or shared caches
of the processor, or against programs at the level ``rlimits`` (macOS, or a kernel without seccomp), where only
limits hold.  A program can see the Python library, its own input and the clock, and it can use all the limits
allow; of other programs it sees nothing, not even what they left in memory.  The sandbox uses only what Linux
gives to everybody: nothing is installed, no daemon, no container.

>>> from tarot_lite.sandbox import Sandbox
>>> with Sandbox(workers=1) as sandbox:
...     [run] = sandbox.run("import os; os.fork()", [""])
"""

from tarot_lite.sandbox.limits import Limits
from tarot_lite.sandbox.pool import Sandbox
from tarot_lite.sandbox.report import LEVELS, Layer, SandboxReport
from tarot_lite.sandbox.results import Execution, SandboxError, TestResult

__all__ = [
    "LEVELS",
    "Execution",
    "Layer",
    "Limits",
    "Sandbox",
    "SandboxError",
    "SandboxReport",
    "TestResult",
]
