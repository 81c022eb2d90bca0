"""Run untrusted Python programs, thousands a minute, and say what became of each.

It protects the machine, the trainer and the reward against a program that is broken or hostile; it does not
protect against a hole in the kernel.
"""

from tarot_lite.sandbox.limits import Limits
from tarot_lite.sandbox.pool import Sandbox
from tarot_lite.sandbox.results import Execution, SandboxError, TestResult

__all__ = ["Execution", "Limits", "Sandbox", "SandboxError", "TestResult"]
