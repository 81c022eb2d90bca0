"""The attack zoo: programs that try to cheat, escape, hang or break whoever runs them, one trick each.

Every attack prints ``LEAK`` if its trick worked where that can be seen from inside, and none knows what its
test expects (`Stage.answer`), so one that passes has forged its verdict.  Their programs are in ``zoo.toml``, to be read and
not to be run outside a sandbox.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files

from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, TestCase, Tier


@dataclass(frozen=True, slots=True)
class Stage:
    """What the attacks find around them.

    Parameters
    ----------
    answer
        The expected output, unknown to the program: make it random.
    secret_file
        A file that everybody may read and the program must not.
    scratch
        A folder that everybody may write to and the program must not.
    port
        Of a TCP and UDP listener on 127.0.0.1.
    socket_path
        Of a unix stream listener.
    parent
        Process id of whoever runs the sandbox.
    """

    answer: str
    secret_file: str
    scratch: str
    port: int
    socket_path: str
    parent: int

    def problem(self) -> Problem:
        """The problem that all attacks pretend to solve."""
        return Problem("zoo", "Print the secret.", (TestCase("7\n", self.answer + "\n", Tier.BASIC),))


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile program.

    Parameters
    ----------
    name, group
        What it tries, and what kind of attack that is.
    source
        Its program, with ``@NAME@`` where `Stage` fills something in.
    verdicts
        Those that may come out where the sandbox reaches `level`.
    level
        The weakest level of the sandbox that stops it.
    """

    name: str
    group: str
    source: str
    verdicts: tuple[Verdict, ...]
    level: str = "seccomp"

    def program(self, stage: Stage) -> str:
        """The program for one stage."""
        return re.sub(r"@([A-Z_]+)@", lambda match: str(getattr(stage, match[1].lower())), self.source)


def _attacks() -> tuple[Attack, ...]:
    rows = tomllib.loads(files(__package__).joinpath("zoo.toml").read_text(encoding="utf-8"))["attack"]
    return tuple(
        Attack(
            row["name"],
            row["group"],
            row["program"].rstrip("\n") * row.get("repeat", 1),
            tuple(map(Verdict, row["verdicts"])),
            row.get("level", "seccomp"),
        )
        for row in rows
    )


ATTACKS: tuple[Attack, ...] = _attacks()
"""All of them, in groups (exhaust, files, network, processes, forge, end)."""
