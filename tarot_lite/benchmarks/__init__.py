"""The paper's evaluation, scored in our sandbox: HumanEval(+), MBPP(+), CRUXEval, LiveCodeBench, CodeForces.

``run(student, ["humaneval+"])`` asks a model and scores it; ``score`` and ``python -m tarot_lite.benchmarks score``
do the second half for samples that another tool wrote.

How it judges.  Checks that only call a function and compare its answers are turned into calls: arguments go into the
sandbox, answers come out, and the comparison happens here, so a program cannot reach what is expected of it.  Checks
that cannot be turned into calls run beside the program (`Form.ASSERTION`); a hostile program can forge those, and
every report says how many there are.  Limits count processor time, so a busy machine does not change a score.
"""

from tarot_lite.benchmarks.registry import BENCHMARKS, Benchmark, get_benchmark
from tarot_lite.benchmarks.results import Report, SampleResult, breakdowns, compare, read_report, table
from tarot_lite.benchmarks.samples import Sample, read_samples, write_samples
from tarot_lite.benchmarks.scoring import references, run, score
from tarot_lite.benchmarks.sources import Loaded, Source, load
from tarot_lite.benchmarks.tasks import BenchmarkError, Task, UnreachableError, default_cache, prepare

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "BenchmarkError",
    "Loaded",
    "Report",
    "Sample",
    "SampleResult",
    "Source",
    "Task",
    "UnreachableError",
    "breakdowns",
    "compare",
    "default_cache",
    "get_benchmark",
    "load",
    "prepare",
    "read_report",
    "read_samples",
    "references",
    "run",
    "score",
    "table",
    "write_samples",
]
