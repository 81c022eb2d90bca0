"""Students behind an endpoint, against a real HTTP server: nothing that was written is lost or asked for twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from endpoint_server import Endpoint as Server
from endpoint_server import completion, serve

from tarot_lite import ablations, benchmarks, runs, stages, toyworld
from tarot_lite.benchmarks.prompts import render
from tarot_lite.capability import ProbeError, estimate
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import load_profile
from tarot_lite.students import Completion, StudentError, Unfinished
from tarot_lite.students.endpoint import Endpoint

PROBLEMS = toyworld.problems("probe", 4, tests_per_tier=1)
RIGHT = {problem.statement: f"Here:\n```python\n{problem.reference}\n```\n" for problem in PROBLEMS}


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


def student(server: Server, **options: Any) -> Endpoint:
    return Endpoint("org/served", server.url, "key", **{"retries": 0, "jobs": 1, "timeout": 5.0, **options})


def answers(*texts: str, tokens: int = 21, finish: str = "stop") -> tuple[int, dict[str, Any], dict[str, str]]:
    """An answer with several choices, chat and completion form at once."""
    body = completion("", tokens=(9, tokens))
    body["choices"] = [
        {"index": i, "finish_reason": finish, "text": text, "message": {"content": text}}
        for i, text in enumerate(texts)
    ]
    return 200, body, {}


def right(request: dict[str, Any]) -> Any:
    """As many right answers as were asked for."""
    text = request["messages"][0]["content"]
    return answers(*[next(reply for line, reply in RIGHT.items() if line in text)] * request["n"])


def test_a_batch_is_asked_in_order_with_all_parameters(server: Server) -> None:
    server.replies = [answers("a", "b", tokens=7), answers("c", "d", tokens=8, finish="length")]
    found = student(server).generate(["p", "q"], 2, 0.5, 64, seed=3)
    assert found == [
        [Completion("a", 4, False), Completion("b", 3, False)],
        [Completion("c", 4, True), Completion("d", 4, True)],
    ]
    first, second = server.requests
    assert first == {
        "model": "org/served",
        "messages": [{"role": "user", "content": "p"}],
        "n": 2,
        "temperature": 0.5,
        "max_tokens": 64,
        "seed": 3,
    }
    assert second["seed"] != first["seed"]
    assert server.headers[0]["authorization"] == "Bearer key"


def test_a_server_that_gives_fewer_is_asked_again_for_the_rest(server: Server) -> None:
    server.replies = [answers("one"), answers("two", "three")]
    found = student(server).generate(["p"], 3, seed=10)
    assert [c.text for c in found[0]] == ["one", "two", "three"]
    assert [(request["n"], request["seed"]) for request in server.requests] == [(3, 10), (2, 11)]


def test_a_base_model_continues_worked_examples(server: Server) -> None:
    server.replies = [answers(" = xs; return ys[0]")]
    base = student(server, style="fewshot")
    prompt = base.prompt(PROBLEMS[0])
    assert [c.text for c in base.generate([prompt], 1)[0]] == [" = xs; return ys[0]"]
    assert server.requests[0]["prompt"] == prompt
    assert server.requests[0]["stop"] == ["\n# Task:"]
    assert base.code(PROBLEMS[0], " = xs; return ys[0]") == "ys = xs; return ys[0]"


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        pytest.param((429, {"error": "slow down"}, {}), "RateLimitError.*lower jobs", id="too many requests"),
        pytest.param((401, {"error": "who?"}, {}), "AuthenticationError.*check the key", id="wrong key"),
        pytest.param(
            (404, {"error": "which?"}, {}), "NotFoundError.*check base_url and the model's name", id="no model"
        ),
        pytest.param(
            (400, {"error": "too long"}, {}), "BadRequestError.*longer than the model's context", id="too long"
        ),
        pytest.param((500, "oops", {}), "InternalServerError.*try again later", id="server error"),
        pytest.param((200, "<html>", {}), "JSONDecodeError", id="no JSON"),
        pytest.param((200, {"choices": []}, {}), "ValueError: an answer without choices", id="no choices"),
        pytest.param(("sleep", 2.0), "APITimeoutError.*try again later", id="timeout"),
    ],
)
def test_a_failure_half_way_keeps_what_was_written(server: Server, failure: Any, message: str) -> None:
    server.replies = [answers("a", "b"), answers("c"), failure]
    with pytest.raises(Unfinished, match=f"model 'org/served': {message}") as caught:
        student(server, timeout=1.0).generate(["p", "q", "r"], 2)
    assert [[c.text for c in group] for group in caught.value.found] == [["a", "b"], ["c"], []]
    assert len(server.requests) == 3  # nothing new is begun after a failure


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(Unfinished, match=r"http://127.0.0.1:9/v1.*APIConnectionError"):
        Endpoint("m", "http://127.0.0.1:9/v1", "key", retries=0).generate(["p"], 1)


def test_the_client_tries_again_by_itself(server: Server) -> None:
    server.replies = [(429, {"error": "slow down"}, {"Retry-After-Ms": "1"}), answers("a")]
    assert student(server, retries=1).generate(["p"], 1)[0][0].text == "a"


def test_a_probe_goes_on_where_the_endpoint_died(server: Server, tmp_path: Path) -> None:
    """Two of four problems answered, one in part: the second call asks for the five missing completions alone."""
    dead = (503, {"error": "gone"}, {})

    def one(request: dict[str, Any]) -> Any:
        return answers(right(request)[1]["choices"][0]["text"])

    server.replies = [right, right, one, dead]
    options: dict[str, Any] = {"samples": 3, "max_new_tokens": 64, "folder": tmp_path, "progress": False}
    with Sandbox(workers=1) as sandbox:
        with pytest.raises(ProbeError, match=r"'served' failed .*; 7 completions are kept in .*call again to go on"):
            estimate(student(server), PROBLEMS, sandbox, **options)
        server.replies, server.requests = [right], []
        profile = estimate(student(server), PROBLEMS, sandbox, **options)
    assert sorted(request["n"] for request in server.requests) == [2, 3]
    assert profile.rate("suite").estimate == 1.0
    assert (profile.problems, profile.samples) == (4, 3)
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert len({(row["problem_id"], row["sample"]) for row in rows}) == len(rows) == 12


def test_bad_arguments_say_what_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StudentError, match="style is 'line'; give 'chat' or 'fewshot'"):
        Endpoint("m", style="line")
    with pytest.raises(StudentError, match="jobs 0"):
        Endpoint("m", jobs=0)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(StudentError, match="no key"):
        Endpoint("m", "http://localhost:1/v1").generate(["p"], 1)


def test_a_run_measures_a_server_and_does_not_train_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by its address in ``models``; the key comes from the environment and is written nowhere."""
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret")
    given = {"profile": "smoke", "models": f"served={server.url}#org/served", "probe_problems": 4, "probe_samples": 2}
    stage = runs.start("03_capability_estimation", given | {"reports": str(tmp_path)})
    problems = stages.problems(stage, "probe")
    replies = {problem.statement: f"```python\n{problem.reference}\n```" for problem in problems}

    def reply(request: dict[str, Any]) -> Any:
        text = request["messages"][0]["content"]
        return answers(*[next(code for line, code in replies.items() if line in text)] * request["n"])

    server.replies = [reply]
    assert stage.settings.student_names == ["served"]  # and no tiny student beside it
    with stages.sandbox(stage) as sandbox:
        profile = stages.measure(stage, stages.student(stage, "served"), problems, sandbox, "served-probe", 2)
    assert profile.student == "served" and profile.rate("suite").estimate == 1.0
    assert server.requests[0]["model"] == "org/served" and "very-secret" in server.headers[0]["authorization"]
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(server.url.encode() in content for content in written)  # the manifest says where it is
    assert not any(b"very-secret" in content for content in written)
    for refused in (lambda: stages.to_train(stage), lambda: ablations.grid(stage.settings)):
        with pytest.raises(ValueError, match="parameter models: served can be asked over the network and not trained"):
            refused()


@pytest.mark.parametrize(("style", "form"), [("chat", "chat"), ("fewshot", "complete")])
def test_benchmarks_ask_a_server_in_the_form_of_its_model(server: Server, style: str, form: str) -> None:
    """The server puts the message into its own template; every other answer is right."""
    loaded = benchmarks.load("functions", limit=4)
    prompts = [render(task, loaded.benchmark, form) for task in loaded.tasks]
    written = {}
    for number, (prompt, task) in enumerate(zip(prompts, loaded.tasks, strict=True)):
        code = str(task.reference) if number % 2 else task.prompt + "    return None\n"
        written[prompt] = f"```python\n{code}```" if form == "chat" else code.removeprefix(task.prompt)

    def reply(request: dict[str, Any]) -> Any:
        sent = request["messages"][0]["content"] if form == "chat" else request["prompt"]
        return answers(*[written[sent]] * request["n"])

    server.replies = [reply]
    with Sandbox(workers=1) as sandbox:
        [report] = benchmarks.run(
            student(server, style=style), ["functions"], 2, 0.5, sandbox, limit=4, max_new_tokens=99, progress=False
        )
    assert (report.student, report.settings["style"], report.missing) == ("served", form, ())
    assert list(report.per_task().values()) == [0.0, 1.0, 0.0, 1.0]
    assert {request["max_tokens"] for request in server.requests} == {99}


def test_an_address_without_a_model_is_refused_before_anything_runs() -> None:
    with pytest.raises(
        ValueError, match=r"models holds served: 'http://h:1/v1' names no model; .*http://h:1/v1#org/model"
    ):
        load_profile("smoke", models="served=http://h:1/v1")
