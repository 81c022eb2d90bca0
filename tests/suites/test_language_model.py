"""The language model proposer against a server that speaks the protocol, failures included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from endpoint_server import Endpoint, completion

from tarot_lite.problems import Problem, TestCase, Tier
from tarot_lite.sandbox import Sandbox
from tarot_lite.suites import Given, build
from tarot_lite.suites.language_model import LanguageModel, LanguageModelError

pytest.importorskip("openai", reason="the extra 'teacher' is not installed")

PROBLEM = Problem(
    "p", "Add n numbers.", (TestCase("2\n1 2\n", "3\n"),), "input()\nprint(sum(map(int, input().split())))"
)
TESTS = [
    {"tier": "basic", "input": "1\n4\n", "reason": "one number"},
    {"tier": "medium", "input": "3\n1 0 2\n", "reason": "a zero"},
    {"tier": "high", "input": "6\n9 -9 8 -8 7 1\n", "reason": "signs cancel"},
    {"tier": "edge", "input": "1\n0\n", "reason": "nothing but zero"},
]
GOOD = json.dumps({"tests": TESTS})


def model(endpoint: Endpoint, **options: Any) -> LanguageModel:
    options = {"retries": 2, "timeout": 5.0} | options
    return LanguageModel("served", base_url=endpoint.url, api_key="secret-key", **options)


def test_a_good_answer_becomes_proposals(endpoint: Endpoint) -> None:
    endpoint.replies = [GOOD]
    proposer = model(endpoint)
    found = proposer.propose(PROBLEM, seed=7)
    assert [proposal.tier for proposal in found] == list(Tier)
    assert found[1].input == "3\n1 0 2\n"
    assert found[1].reason == "a zero"
    assert all(proposal.output is None for proposal in found), "a model's outputs are never taken"
    (request,) = endpoint.requests
    assert (request["seed"], request["model"]) == (7, "served")
    assert "2\n1 2\n" in request["messages"][1]["content"]
    assert endpoint.headers[0]["authorization"] == "Bearer secret-key"
    assert repr(proposer) == "LanguageModel(model='served')"


def test_nothing_is_paid_for_twice(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.replies = [GOOD]
    first = model(endpoint, cache=tmp_path)
    found = first.propose(PROBLEM, 0)
    assert first.propose(PROBLEM, 0) == found
    later = model(endpoint, cache=tmp_path)
    assert later.propose(PROBLEM, 0) == found
    assert len(endpoint.requests) == 1
    later.propose(PROBLEM, 1)
    assert len(endpoint.requests) == 2, "another seed is another question"
    assert "secret-key" not in "".join(path.read_text() for path in tmp_path.iterdir())


@pytest.mark.parametrize("trouble", [(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"}), ("sleep", 3)])
def test_what_may_pass_is_tried_again(endpoint: Endpoint, trouble: Any) -> None:
    endpoint.replies = [trouble, GOOD]
    assert len(model(endpoint, timeout=0.5).propose(PROBLEM, 0)) == 4
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (429, "slow down", "wait, and start again"),
        (500, "oops", "finished problems are kept"),
        (401, "who are you", "check the key"),
        (404, "no such model", "check base_url and the model's name"),
        (400, "no such parameter", "may not know a parameter"),
    ],
)
def test_an_endpoint_that_refuses_is_named_with_a_remedy(
    endpoint: Endpoint, status: int, message: str, words: str
) -> None:
    endpoint.replies = [(status, {"error": {"message": message}}, {"Retry-After": "0"})]
    with pytest.raises(LanguageModelError, match=words) as caught:
        model(endpoint, retries=1).propose(PROBLEM, 0)
    assert endpoint.url in str(caught.value)
    assert len(endpoint.requests) == (2 if status in (429, 500) else 1)
    assert "secret-key" not in str(caught.value)


def test_an_endpoint_that_cannot_be_asked_says_why(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint.replies = [("sleep", 3)]
    with pytest.raises(LanguageModelError, match="timed out"):
        model(endpoint, timeout=0.3, retries=0).propose(PROBLEM, 0)
    with pytest.raises(LanguageModelError, match="try again later"):
        LanguageModel("m", base_url="http://127.0.0.1:9/v1", api_key="k", retries=0).propose(PROBLEM, 0)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(LanguageModelError, match="no key"):
        LanguageModel("m").propose(PROBLEM, 0)


@pytest.mark.parametrize(
    "broken",
    [
        "Sure! Here are your tests.",
        '{"tests": 5}',
        "",
        "[]",
        (200, "<html>gateway</html>", {}),
        (200, {"choices": []}, {}),
        (200, {"choices": [{"message": None}]}, {}),
    ],
)
def test_a_broken_answer_is_asked_again_then_listed(endpoint: Endpoint, broken: Any) -> None:
    endpoint.replies = [broken, GOOD]
    proposer = model(endpoint)
    assert len(proposer.propose(PROBLEM, 0)) == 4
    assert proposer.failures == {}
    endpoint.replies = [broken]
    endpoint.requests.clear()
    assert proposer.propose(PROBLEM, 0) == []
    assert len(endpoint.requests) == 3
    assert "3 times" in proposer.failures["p"]


HALF = (200, completion(GOOD[: GOOD.index("signs")], "length"), {})
WRONG = json.dumps({"tests": [*TESTS[:2], {"tier": "impossible", "input": "1\n1\n", "reason": ""}, {"tier": "edge"}]})


@pytest.mark.parametrize(("partly", "said"), [(HALF, "cut off"), (WRONG, "'impossible'")])
def test_a_partly_good_answer_is_asked_again_then_what_is_whole_is_kept(
    endpoint: Endpoint, partly: Any, said: str
) -> None:
    endpoint.replies = [partly, GOOD]
    assert len(model(endpoint).propose(PROBLEM, 0)) == 4
    more_room = 2 if partly is HALF else 1
    assert [request["max_tokens"] for request in endpoint.requests] == [8192, more_room * 8192]
    endpoint.replies = [partly]
    proposer = model(endpoint)
    assert [proposal.tier for proposal in proposer.propose(PROBLEM, 0)] == [Tier.BASIC, Tier.INTERMEDIATE]
    assert said in proposer.failures["p"]


def test_prose_around_the_tests_does_not_hide_them(endpoint: Endpoint) -> None:
    endpoint.replies = [f"Of course, as {{JSON}}:\n```json\n{GOOD}\n```\nGood luck!"]
    assert len(model(endpoint).propose(PROBLEM, 0)) == 4


def test_proposals_are_proven_and_measured_like_all_others(
    endpoint: Endpoint, sandbox: Sandbox, tmp_path: Path
) -> None:
    endpoint.replies = [json.dumps({"tests": [*TESTS, {"tier": "high", "input": "not numbers\n", "reason": "breaks"}]})]
    [record] = build([PROBLEM], sandbox, [Given(), model(endpoint)], folder=tmp_path, progress=False).records
    assert {test["source"] for test in record["tests"]} == {"given", "language model"}
    assert [r["reason"] for r in record["rejections"]] == ["reference failed"]
    assert record["kept_score"] >= record["given_score"]
    assert "secret-key" not in "".join(p.read_text(errors="replace") for p in tmp_path.rglob("*") if p.is_file())


def test_a_problem_without_an_answer_says_so_in_the_report(endpoint: Endpoint, sandbox: Sandbox) -> None:
    endpoint.replies = ["nothing useful"]
    [record] = build([PROBLEM], sandbox, [Given(), model(endpoint)], progress=False).records
    [rejection] = record["rejections"]
    assert (rejection["source"], rejection["reason"]) == ("language model", "no answer")
