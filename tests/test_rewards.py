"""Rewards: the published reward's faults are absent here, each shown by running it."""

import contextlib
import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import psutil
import pytest

from tarot_lite.curriculum import get_policy
from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, TestCase, Tier
from tarot_lite.rewards import FormatReward, TierReward, extract_code, signal_share
from tarot_lite.sandbox import Limits, Sandbox, SandboxError

DOUBLE = Problem(
    "double",
    "Print twice the number.",
    (
        TestCase("9\n", "18\n"),
        *(TestCase(f"{n}\n", f"{2 * n}\n", tier) for n, tier in zip((1, 20, -300, 0), Tier, strict=True)),
    ),
)
RIGHT = "print(2 * int(input()))"
FAILS_EDGE = "n = int(input())\nprint(2 * n if n else 'zero')"
LOOPS_ON_COMPLEX = "n = int(input())\nwhile n < -100: pass\nprint(2 * n)"
PREFIX = "n = int(input())\nprint(str(2 * n)[:1])"
RAISES_ON_BASIC = "n = int(input())\nassert n != 1\nprint(2 * n)"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=2, limits=Limits(cpu_seconds=0.5)) as sandbox:
        yield sandbox


def reward_of(sandbox, policy, code, progress=1.0, **options):
    state = SimpleNamespace(global_step=round(progress * 100), max_steps=100)
    logged = {}
    reward = TierReward(
        {"double": DOUBLE}, get_policy(policy), sandbox, lambda problem, text: text, group_size=1, **options
    )
    [value] = reward(completions=[code], problem_id=["double"], trainer_state=state, log_metric=logged.__setitem__)
    return value, logged


def test_the_reward_follows_the_curriculum(sandbox):
    for progress, expected in ((0.0, 0.35), (0.2, 0.7), (0.4, 0.85), (0.6, 0.85), (1.0, 0.85)):
        assert reward_of(sandbox, "var", FAILS_EDGE, progress)[0] == pytest.approx(expected)
    for progress, expected in ((0.0, 0.35), (0.2, 0.35), (0.4, 0.5), (0.6, 0.65)):
        assert reward_of(sandbox, "var_asce_rev", FAILS_EDGE, progress)[0] == pytest.approx(expected)


def test_all_tiers_are_run_and_logged_even_when_one_is_active(sandbox):
    value, logged = reward_of(sandbox, "basic_only", FAILS_EDGE)
    assert value == 1
    assert [logged[f"tier/{tier}"] for tier in Tier] == [1, 1, 1, 0]
    assert logged["suite"] == 0 and logged["verdict/wrong_answer"] == 0.25 and logged["seconds/scoring"] > 0


def test_a_timeout_leaves_the_other_tiers_their_verdicts(sandbox):
    value, logged = reward_of(sandbox, "flat", LOOPS_ON_COMPLEX)
    assert value == 0.75
    assert logged["tier/complex"] == 0 and logged["tier/edge"] == 1 and logged["verdict/timeout"] == 0.25


def test_an_exception_in_the_first_test_leaves_the_others_their_verdicts(sandbox):
    assert reward_of(sandbox, "flat", RAISES_ON_BASIC)[0] == 0.75


def test_a_prefix_of_the_answer_earns_nothing_beyond_the_tiers_it_answers(sandbox):
    value, _ = reward_of(sandbox, "edge_only", PREFIX)
    assert value == 1  # 2 * 0 is "0": truly right
    value, _ = reward_of(sandbox, "complex_only", PREFIX)
    assert value == 0


def test_the_original_test_without_a_tier_is_worth_nothing(sandbox):
    only_the_original = "n = int(input())\nprint(18 if n == 9 else 'no')"
    assert reward_of(sandbox, "flat", only_the_original)[0] == 0


def test_a_problem_without_tiers_is_in_no_rate(sandbox):
    bare = Problem("bare", "", (TestCase("9\n", "18\n"),))
    reward = TierReward({"double": DOUBLE, "bare": bare}, get_policy("flat"), sandbox, lambda problem, text: text, 1)
    logged = {}
    reward([FAILS_EDGE, RIGHT], ["double", "bare"], log_metric=logged.__setitem__)
    assert logged["suite"] == 0 and logged["tier/basic"] == 1


def test_a_completion_without_code_earns_nothing_and_is_counted(sandbox):
    reward = TierReward({"double": DOUBLE}, get_policy("flat"), sandbox, lambda problem, text: extract_code(text), 2)
    logged = {}
    values = reward(["no idea", f"```python\n{RIGHT}\n```"], ["double", "double"], log_metric=logged.__setitem__)
    assert values == [0, 1] and logged["no_code"] == 0.5 and logged["signal/reward"] == 1


def test_the_baseline_sees_every_row_of_the_batch_and_changes_none(sandbox):
    other = Problem("negate", "", tuple(TestCase("3\n", "-3\n", tier) for tier in Tier))
    reward = TierReward(
        {"double": DOUBLE, "negate": other}, get_policy("binary"), sandbox, lambda problem, text: text, group_size=1
    )
    rows = ["double", "negate", "double"]
    assert reward([RIGHT, "print(-int(input()))", FAILS_EDGE], rows) == [1, 1, 0.75]
    assert rows == ["double", "negate", "double"]


def test_chat_messages_and_truncation(sandbox):
    kept = []
    reward = TierReward(
        {"double": DOUBLE}, get_policy("flat"), sandbox, lambda p, text: text, 1, max_tokens=3, on_rollouts=kept.extend
    )
    chat = [[{"role": "assistant", "content": RIGHT}], [{"role": "assistant", "content": RIGHT}]]
    assert reward(chat, ["double", "double"], completion_ids=[[1, 2, 3], [1, 2]]) == [1, 1]
    assert [rollout.truncated for rollout in kept] == [True, False]
    reward.end_tokens = {3}
    assert reward(chat, ["double", "double"], completion_ids=[[1, 2, 3], [1, 3, 2]]) == [1, 1]
    assert [rollout.truncated for rollout in kept[2:]] == [False, True]
    assert kept[0].verdicts == dict.fromkeys(Tier, Verdict.PASSED)
    assert json.loads(json.dumps(kept[0].verdicts)) == {tier.value: "passed" for tier in Tier}


def test_a_broken_sandbox_is_an_error_and_no_batch_of_zeros():
    with Sandbox(workers=1) as box:
        assert reward_of(box, "flat", RIGHT)[0] == 1
        stop = threading.Event()

        def break_it():
            while not stop.wait(0.02):
                for child in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        child.kill()

        thread = threading.Thread(target=break_it)
        thread.start()
        try:
            with pytest.raises(SandboxError):
                reward_of(box, "flat", "import time\ntime.sleep(2)\nprint(2 * int(input()))")
        finally:
            stop.set()
            thread.join()


def test_an_unknown_problem_is_named(sandbox):
    reward = TierReward({"double": DOUBLE}, get_policy("flat"), sandbox, lambda p, text: text, 1)
    with pytest.raises(ValueError, match="'treble' is none of the 1 problems"):
        reward([RIGHT], ["treble"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<think>\na\n</think>\n<answer>\nb\n```python\nc\n```\nd\n</answer>", 1),
        ("<think>\na\n</think>\n<answer>\nb\n```c\nc\n```\nd\n</answer>", 0),
        ("x<think>\na\n</think>\n<answer>\n```python\nc\n```\n</answer>", 0),
        ("<think>a</think><answer>```python\nc\n```</answer>", 0),
    ],
)
def test_format_is_the_whole_completion(text, value):
    assert FormatReward()([text]) == [value]
    tags = text.replace("think>", "reasoning>").replace("answer>", "solution>")
    assert FormatReward("reasoning", "solution")([tags]) == [value]


def test_signal_share_of_nothing_is_none():
    assert signal_share([], 8) == 0
    assert signal_share([1, 1, 0, 1, 0, 0], 2) == pytest.approx(1 / 3)


def test_a_batch_begun_before_it_is_asked_for_is_judged_once_and_a_failure_reaches_who_asks(sandbox):
    class Watched(Sandbox):
        calls = 0

        def judge_many(self, pairs, progress=False):
            self.calls += 1
            if self.calls > 1:
                raise SandboxError("gone", [])
            return sandbox.judge_many(pairs, progress)

    watched = Watched(workers=1)  # starts nothing
    reward = TierReward({"double": DOUBLE}, get_policy("flat"), watched, lambda problem, text: text, group_size=2)
    reward.begin([RIGHT, FAILS_EDGE], ["double"] * 2)
    expected = [reward_of(sandbox, "flat", code)[0] for code in (RIGHT, FAILS_EDGE)]
    assert reward([RIGHT, FAILS_EDGE], ["double"] * 2) == expected
    assert watched.calls == 1
    reward.begin([PREFIX, RIGHT], ["double"] * 2)
    with pytest.raises(SandboxError, match="gone"):
        reward([PREFIX, RIGHT], ["double"] * 2)
    assert watched.calls == 2


def test_groups_are_priced_by_what_they_do_and_the_policy_learns_the_same_in_one_process_and_in_two(sandbox):
    """Two groups a step: RIGHT and FAILS_EDGE differ in edge alone; PREFIX passes basic and edge alone."""
    batch = [RIGHT, FAILS_EDGE, RIGHT, PREFIX]
    other = dataclasses.replace(DOUBLE, problem_id="other")
    ids = ["double", "double", "other", "other"]
    steps = [SimpleNamespace(global_step=step, max_steps=4) for step in range(3)]

    def scorer(policy, gather=None):
        both = {"double": DOUBLE, "other": other}
        return TierReward(both, get_policy(policy), sandbox, lambda problem, text: text, group_size=2, gather=gather)

    logged = {}
    assert scorer("frontier")(batch, ids, trainer_state=steps[0], log_metric=logged.__setitem__) == [1, 0, 1, 0]
    assert [logged[f"paid/{tier}"] for tier in Tier] == [0, 0, 0.5, 0.5] and logged["signal/reward"] == 1
    assert [logged[f"part/{tier}"] for tier in Tier] == [0, 0, 0.25, 0.25]
    scorer("uni")(batch, ids, trainer_state=steps[1], log_metric=logged.__setitem__)  # basic and intermediate count
    assert [logged[f"paid/{tier}"] for tier in Tier] == [0, 0.5, 0, 0] == [0, logged["signal/reward"], 0, 0]

    for name in ("signal_weighted", "bandit"):
        whole = scorer(name)
        alone = [whole(batch, ids, trainer_state=step) for step in steps]
        barrier, shared = threading.Barrier(2), {}

        def gather(seen, rank, barrier=barrier, shared=shared):
            shared[rank] = seen
            barrier.wait(60)
            joined = [*shared[0], *shared[1]]
            barrier.wait(60)
            return joined

        halves = [scorer(name, partial(gather, rank=rank)) for rank in (0, 1)]
        parts = [slice(0, 2), slice(2, 4)]
        for step, expected in zip(steps, alone, strict=True):
            with ThreadPoolExecutor(2) as pool:
                runs = [
                    pool.submit(half, batch[part], ids[part], trainer_state=step)
                    for half, part in zip(halves, parts, strict=True)
                ]
                assert [value for run in runs for value in run.result(60)] == expected
        assert halves[0].state == halves[1].state == whole.state != {}
        resumed = scorer(name)
        resumed.state = json.loads(json.dumps(whole.state))
        last = SimpleNamespace(global_step=3, max_steps=4)
        assert resumed(batch, ids, trainer_state=last) == whole(batch, ids, trainer_state=last)
        measured = dict(whole.state)
        whole(batch, ids)  # outside a training nothing is learnt
        assert whole.state == measured
