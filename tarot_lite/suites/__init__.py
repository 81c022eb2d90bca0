"""Stage 1: tiered test suites, proposed, proven and calibrated.

``build(problems, sandbox)`` takes problems that have a reference solution and returns four-tier suites in which every
expected output comes from running the reference (`proof`), and difficulty is measured on wrong programs (`candidates`,
`calibration`) instead of only claimed.  Inputs come from `proposers`.
"""

from tarot_lite.suites.build import build
from tarot_lite.suites.candidates import Candidate, Mutants, Stubs
from tarot_lite.suites.proposers import Given, Mutation, Proposal
from tarot_lite.suites.report import SuiteReport

__all__ = ["Candidate", "Given", "Mutants", "Mutation", "Proposal", "Stubs", "SuiteReport", "build"]
