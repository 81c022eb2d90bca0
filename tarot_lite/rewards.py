"""Rewards for GRPO: run a completion on all its tiers once, pay for the tiers that the curriculum has switched on.

Two reward functions in the shape that TRL's ``GRPOTrainer`` calls: `TierReward` and `FormatReward`.  What the
published reward got wrong and this one does not (each shown in ``tests/test_rewards.py``): outputs are compared
whole, a test that times out leaves the other tiers their verdicts, a failure of the sandbox is raised instead of
scoring the whole batch 0, the data set's rows are never changed, and code is found in any usual fence -- in the
answer, not in the reasoning.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tarot_lite.curriculum import Group, Policy
from tarot_lite.fences import program
from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, Tier
from tarot_lite.sandbox import Sandbox, TestResult

_REASONED = re.compile(r"</(?:think|thinking|reasoning)>")


def extract_code(completion: str, answer_tag: str = "answer") -> str | None:
    """Find the program in a chat completion: the best fence of the answer, see `tarot_lite.fences.program`.

    Examples
    --------
    >>> extract_code("<think>```python\\ndraft\\n```</think><answer>```py\\nprint(1)\\n```</answer>")
    'print(1)\\n'
    >>> extract_code("I would print 1.") is None
    True
    """
    opening, closing = f"<{answer_tag}>", f"</{answer_tag}>"
    last = completion.rfind(opening) if opening in completion else len(completion)
    *_, end = [0, *(match.end() for match in _REASONED.finditer(completion, 0, last))]
    before, *opened = completion[end:].split(opening)
    if not opened:
        return program(before)
    for text in reversed(opened):
        answer = text.rpartition(closing)[0] or text
        code = program(answer)
        if code is not None or (closing in text and "\n" in answer):  # else the text only speaks of the tags
            return code
    return None


def tier_verdicts(results: Sequence[TestResult]) -> dict[Tier, Verdict]:
    """One verdict per tier: passed if every test of the tier passed, else the first other verdict.

    Tests without a tier do not count.  Tiers come easy to hard.
    """
    verdicts: dict[Tier, Verdict] = {}
    for tier in Tier:
        of_tier = [result.verdict for result in results if result.test.tier is tier]
        if of_tier:
            verdicts[tier] = next((verdict for verdict in of_tier if verdict is not Verdict.PASSED), Verdict.PASSED)
    return verdicts


def signal_share(values: Sequence[float], group_size: int) -> float:
    """Share of groups whose values differ: only those give GRPO a gradient.

    Examples
    --------
    >>> signal_share([0, 0, 1, 0], group_size=2)
    0.5
    """
    groups = [values[i : i + group_size] for i in range(0, len(values), group_size)]
    return sum(len(set(group)) > 1 for group in groups) / len(groups) if groups else 0.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """One scored completion, as handed to `TierReward.on_rollouts`."""

    step: int
    progress: float
    phase: int
    problem_id: str
    completion: str
    code: str | None
    verdicts: Mapping[Tier, Verdict]
    reward: float
    truncated: bool


class TierReward:
    """TRL reward function: the weights of the active tiers whose every test passes.

    Parameters
    ----------
    problems
        What the rows' ``problem_id`` refers to.
    policy
        Which tiers count at which progress, and how much.
    sandbox
        Runs the programs.
    extract
        ``extract(problem, completion)`` gives the candidate's code, or None.
    group_size
        Completions per prompt (``num_generations``).
    normalize
        Divide by the active weight (see `Policy.reward`).
    gather
        Joins a list with those of the other processes of the training; None: there are none.
    max_tokens
        Longest completion; one that reaches it and does not end there counts as truncated.
    end_tokens
        Tokens that end a completion; the trainer sets its own.
    on_rollouts
        Called with every scored batch, for the completions table.

    Raises
    ------
    tarot_lite.sandbox.SandboxError
        On calling, if the sandbox failed twice on a program: never scored as a wrong answer.

    Notes
    -----
    Progress is ``trainer_state.global_step / trainer_state.max_steps``.  Outside training (`evaluate`) all tiers
    count, as at progress 1.  Per batch these metrics are logged: ``tier/<tier>`` pass rate, ``signal/<tier>`` share
    of groups in which the tier tells completions apart, ``signal/reward`` the same for the reward in force,
    ``all_fail/<tier>`` share of groups in which no completion passes it (of ``reward``: earns anything),
    ``part/<tier>`` mean reward that the tier gave, ``paid/<tier>`` share of groups whose gradient came from the tier
    (one that came from several is shared out by their prices), ``suite`` share that passes everything, of those that
    have tiers, ``truncated``, ``no_code``, ``code_length`` mean characters of the code, ``verdict/<verdict>``,
    ``phase``, ``seconds/scoring`` (time that the sandbox worked, whether anybody waited for it or not).
    """

    def __init__(
        self,
        problems: Mapping[str, Problem],
        policy: Policy,
        sandbox: Sandbox,
        extract: Callable[[Problem, str], str | None],
        group_size: int,
        normalize: bool = False,
        max_tokens: int | None = None,
        on_rollouts: Callable[[list[Rollout]], None] | None = None,
        gather: Callable[[list[Any]], list[Any]] | None = None,
        end_tokens: Collection[int] = (),
    ) -> None:
        self.__name__ = "tier_reward"  # TRL names its metrics after this
        self.problems = problems
        self.policy = policy
        self.sandbox = sandbox
        self.extract = extract
        self.group_size = group_size
        self.normalize = normalize
        self.max_tokens = max_tokens
        self.on_rollouts = on_rollouts
        self.gather = gather
        self.end_tokens = end_tokens
        self.state: Mapping[str, float] = {}  # what the policy has learnt; belongs into the training's checkpoints
        self._thread = ThreadPoolExecutor(1, "scoring")
        self._begun: tuple[list[str], list[str], Future[_Judged]] | None = None

    def begin(self, completions: Sequence[Any], problem_id: Sequence[str]) -> None:
        """Start to run a batch of completions in the background; the call for the same batch then takes its verdicts."""
        texts = [_text(completion) for completion in completions]
        self._begun = (texts, list(problem_id), self._thread.submit(self._judge, texts, list(problem_id)))

    def _judge(self, texts: Sequence[str], problem_id: Sequence[str]) -> _Judged:
        problems = [self._problem(identifier) for identifier in problem_id]
        codes = [self.extract(problem, text) for problem, text in zip(problems, texts, strict=True)]
        started = time.perf_counter()
        results = self.sandbox.judge_many(zip(problems, codes, strict=True))
        return _Judged(codes, results, time.perf_counter() - started)

    def _judged(self, texts: list[str], problem_id: list[str]) -> _Judged:
        """Verdicts that were begun before, or that are made now."""
        begun, self._begun = self._begun, None
        if begun is not None and begun[:2] == (texts, problem_id):
            return begun[2].result()
        return self._judge(texts, problem_id)

    def __call__(
        self,
        completions: Sequence[Any],
        problem_id: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        trainer_state: Any = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float]:
        """Score one batch of completions (text, or TRL's list of chat messages); see the class for what is logged."""
        step = trainer_state.global_step if trainer_state is not None else 0
        progress = step / trainer_state.max_steps if trainer_state is not None and trainer_state.max_steps else 1.0
        texts = [_text(completion) for completion in completions]
        judged = self._judged(texts, list(problem_id))
        codes, results = judged.codes, judged.results
        passes = [_passes(tests) for tests in results]
        paying = self._settle(passes, problem_id, step, progress)
        rewards = [policy.reward(of, progress, self.normalize) for policy, of in zip(paying, passes, strict=True)]
        verdicts = [tier_verdicts(tests) for tests in results]
        truncated = [self._is_truncated(ids) for ids in completion_ids or [()] * len(texts)]
        if log_metric is not None:
            for name, value in self._metrics(verdicts, rewards, truncated, codes).items():
                log_metric(name, value)
            for name, value in self._parts(passes, paying, rewards, progress).items():
                log_metric(name, value)
            log_metric("phase", float(self.policy.phase_at(progress)))
            log_metric("seconds/scoring", judged.seconds)
        if self.on_rollouts is not None:
            phase = self.policy.phase_at(progress)
            rows = zip(problem_id, texts, codes, verdicts, rewards, truncated, strict=True)
            self.on_rollouts([Rollout(step, progress, phase, *row) for row in rows])
        if trainer_state is not None:
            self._learn(passes, paying, progress)
        return rewards

    def _is_truncated(self, ids: Sequence[int]) -> bool:
        return self.max_tokens is not None and len(ids) >= self.max_tokens and ids[-1] not in self.end_tokens

    def _groups(self, values: Sequence[Any]) -> list[Sequence[Any]]:
        return [values[i : i + self.group_size] for i in range(0, len(values), self.group_size)]

    def _settle(
        self, passes: Sequence[Mapping[Tier, list[bool]]], problem_id: Sequence[str], step: int, progress: float
    ) -> list[Policy]:
        """What pays for each completion: the policy, or what its rule makes of the completion's group."""
        paying: list[Policy] = []
        for group, (name, *_) in zip(self._groups(passes), self._groups(problem_id), strict=True):
            draw = random.Random(f"{step} {name}").random()
            settled = self.policy.settle(Group.of(group, state=self.state, progress=progress, draw=draw))
            paying += [settled] * len(group)
        return paying

    def _learn(self, passes: Sequence[Mapping[Tier, list[bool]]], paying: Sequence[Policy], progress: float) -> None:
        """Show the policy the groups of all processes, in the same order everywhere."""
        if self.policy.learn is None:
            return
        seen = [
            (Group.of(group, progress=progress), policy)
            for group, (policy, *_) in zip(self._groups(passes), self._groups(paying), strict=True)
        ]
        for group, settled in self.gather(seen) if self.gather is not None else seen:
            self.state = self.policy.learnt(self.state, group, settled)

    def _problem(self, problem_id: str) -> Problem:
        try:
            return self.problems[problem_id]
        except KeyError:
            raise ValueError(
                f"the row's problem_id {problem_id!r} is none of the {len(self.problems)} problems given to TierReward; "
                "make the data set from the same problems"
            ) from None

    def _metrics(
        self,
        verdicts: Sequence[Mapping[Tier, Verdict]],
        rewards: Sequence[float],
        truncated: Sequence[bool],
        codes: Sequence[str | None],
    ) -> dict[str, float]:
        count = len(rewards)
        metrics = {
            "signal/reward": signal_share(rewards, self.group_size),
            "all_fail/reward": _nothing_share(rewards, self.group_size),
        }
        for tier in Tier:
            passed = [float(of[tier] is Verdict.PASSED) for of in verdicts if tier in of]
            metrics[f"tier/{tier.value}"] = sum(passed) / max(len(passed), 1)
            metrics[f"signal/{tier.value}"] = signal_share(passed, self.group_size)
            metrics[f"all_fail/{tier.value}"] = _nothing_share(passed, self.group_size)
        suites = [all(verdict is Verdict.PASSED for verdict in of.values()) for of in verdicts if of]
        metrics["suite"] = sum(suites) / max(len(suites), 1)
        metrics["truncated"] = sum(truncated) / count
        metrics["no_code"] = sum(code is None for code in codes) / count
        metrics["code_length"] = sum(len(code) for code in codes if code is not None) / max(
            count - codes.count(None), 1
        )
        seen = Counter(verdict for of in verdicts for verdict in of.values())
        for verdict in Verdict:
            metrics[f"verdict/{verdict.value}"] = seen[verdict] / max(seen.total(), 1)
        return metrics

    def _parts(
        self,
        passes: Sequence[Mapping[Tier, list[bool]]],
        paying: Sequence[Policy],
        rewards: Sequence[float],
        progress: float,
    ) -> dict[str, float]:
        """``part/<tier>``, together the mean reward, and ``paid/<tier>``, together the share of groups with a gradient."""
        parts, paid = dict.fromkeys(Tier, 0.0), dict.fromkeys(Tier, 0.0)
        for of, policy, reward in zip(passes, paying, rewards, strict=True):
            alone = {tier: policy.reward({tier: tests}, progress) for tier, tests in of.items()}
            for tier, value in alone.items():
                parts[tier] += reward * value / sum(alone.values()) if value else 0.0
        groups = list(zip(*map(self._groups, (passes, paying, rewards)), strict=True))
        for of_group, (policy, *_), earned in groups:
            told = (
                [tier for tier in Group.of(of_group).mixed if tier in policy.at(progress)]
                if len(set(earned)) > 1
                else []
            )
            for tier in told:
                paid[tier] += policy.weights[tier] / sum(policy.weights[other] for other in told) / len(groups)
        return {f"part/{tier.value}": value / len(passes) for tier, value in parts.items()} | {
            f"paid/{tier.value}": value for tier, value in paid.items()
        }


class FormatReward:
    """TRL reward function: 1 if the whole completion has the wanted form, else 0.

    Parameters
    ----------
    think, answer
        Names of the two tags: as published ``think`` and ``answer`` (Qwen3: ``reasoning`` and ``solution``).

    Examples
    --------
    >>> good = "<think>\\nEasy.\\n</think>\\n<answer>\\n```python\\nprint(1)\\n```\\n</answer>"
    >>> FormatReward()([good, good[:-9]])
    [1.0, 0.0]
    """

    def __init__(self, think: str = "think", answer: str = "answer") -> None:
        self.__name__ = "format_reward"
        self._pattern = re.compile(
            rf"<{think}>\n.*?\n</{think}>\n<{answer}>\n.*?```python.*?```.*?\n</{answer}>", re.DOTALL
        )

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]:
        """Score one batch of completions (text, or TRL's list of chat messages)."""
        return [float(self._pattern.fullmatch(_text(completion)) is not None) for completion in completions]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A batch with its verdicts: codes, results of all tests, and the sandbox's seconds."""

    codes: list[str | None]
    results: list[list[TestResult]]
    seconds: float


def _nothing_share(values: Sequence[float], group_size: int) -> float:
    """Share of groups whose values are all 0."""
    groups = [values[i : i + group_size] for i in range(0, len(values), group_size)]
    return sum(not any(group) for group in groups) / len(groups) if groups else 0.0


def _text(completion: Any) -> str:
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


def _passes(results: Sequence[TestResult]) -> dict[Tier, list[bool]]:
    passes: dict[Tier, list[bool]] = {}
    for result in results:
        if result.test.tier is not None:
            passes.setdefault(result.test.tier, []).append(result.verdict is Verdict.PASSED)
    return passes
