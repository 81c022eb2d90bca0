"""Scores, intervals, breakdowns, comparison; and the whole way with a student."""

from dataclasses import replace

import pytest

from tarot_lite import benchmarks, stages, toyworld
from tarot_lite.benchmarks import BenchmarkError, Report, SampleResult, Source
from tarot_lite.benchmarks.sources import embedded_tasks
from tarot_lite.figures import benchmarks as figures
from tarot_lite.judging import Verdict
from tarot_lite.runs import Stage
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import Settings, load_profile
from tarot_lite.students import tiny

YES, NO = Verdict.PASSED, Verdict.WRONG_ANSWER


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1) as sandbox:
        yield sandbox


def report(verdicts, **changes):
    """One task for each list of verdicts."""
    results = tuple(
        SampleResult(f"t{number:02}", sample, verdict)
        for number, row in enumerate(verdicts)
        for sample, verdict in enumerate(row)
    )
    tags = {
        f"t{number:02}": {"difficulty": "easy" if number % 2 else "hard", "date": f"2024-0{number % 3 + 1}-05"}
        for number in range(len(verdicts))
    }
    return replace(Report("humaneval", "s", Source("here", "f"), {"samples": 2}, results, tags), **changes)


def test_pass_at_k_is_the_unbiased_estimate_with_an_interval():
    found = report([[YES, NO, NO, NO], [NO] * 4, [YES] * 4])
    assert found.per_task(1) == {"t00": 0.25, "t01": 0.0, "t02": 1.0} and found.per_task(2)["t00"] == 0.5
    at = found.pass_at(1)
    assert at.estimate == pytest.approx(5 / 12) and at.low <= at.estimate <= at.high
    assert found.ks == (1, 4) and list(found.table()["metric"]) == ["pass@1", "pass@4"]
    with pytest.raises(BenchmarkError, match="pass@5 needs 5 samples of a task, the most there are is 4"):
        found.pass_at(5)


def test_missing_uneven_and_forgeable_are_said_and_not_scored():
    found = report([[YES, YES], [NO]], missing=("t09",), unsupported={"x": "interactive"}, forgeable=("t00",))
    assert found.pass_at(1).estimate == 0.5
    remarks = "; ".join(found.remarks)
    for text in ("1 of 3 tasks have no sample", "between 1 and 2 samples", "counted apart: interactive", "could forge"):
        assert text in remarks and text in found.table()["remarks"][0]


def test_breakdowns_by_difficulty_and_month():
    found = report([[YES], [NO], [YES], [YES]])
    by = found.breakdown("difficulty")
    assert dict(zip(by["difficulty"], by["score"], strict=True)) == {"easy": 0.5, "hard": 1.0}
    assert list(by["tasks"]) == list(by["samples"]) == [2, 2]
    assert list(found.breakdown("date")["date"]) == ["2024-01", "2024-02", "2024-03"]
    with pytest.raises(BenchmarkError, match="no 'platform'"):
        found.breakdown("platform")
    every = benchmarks.breakdowns([found, report([[YES]], tags={})])
    assert list(every["by"]) == ["difficulty"] * 2 + ["date"] * 3 and every["group"][4] == "2024-03"
    assert list(every.columns[:6]) == ["benchmark", "student", "by", "group", "metric", "score"]
    assert benchmarks.breakdowns([report([[YES]], tags={})]).empty


def test_a_report_survives_its_file_and_a_damaged_file_is_refused(tmp_path):
    found = report([[YES, NO]], missing=("t09",))
    found.to_json(tmp_path / "r.json")
    assert benchmarks.read_report(tmp_path / "r.json") == found
    (tmp_path / "r.json").write_text("{}")
    for name in ("r.json", "none.json"):
        with pytest.raises(BenchmarkError, match="is no benchmark report"):
            benchmarks.read_report(tmp_path / name)


def test_comparison_is_paired_by_task():
    base = report([[NO]] * 20 + [[YES]] * 20)
    trained = report([[YES]] * 8 + [[NO]] * 12 + [[YES]] * 20)
    row = benchmarks.compare([base], [trained]).iloc[0]
    assert (row["base"], row["trained"], row["gain"], row["tasks"]) == (0.5, 0.7, pytest.approx(0.2), 40)
    assert 0 < row["low"] < 0.2 < row["high"] and row["p"] < 0.05 and row["verdict"] == "holds"
    assert benchmarks.compare([base], [base]).iloc[0]["verdict"] == "undecided"


def test_figures_show_every_student_and_every_benchmark():
    base = [report([[NO], [YES]]), report([[NO], [NO]], benchmark="mbpp")]
    trained = [
        replace(report([[YES], [YES]]), student="t"),
        replace(report([[YES], [NO]]), student="t", benchmark="mbpp"),
    ]
    bars = figures.scores(benchmarks.table(base + trained))
    assert [bar.get_height() for bar in bars.axes[0].patches] == [50, 0, 100, 50]
    assert [text.get_text() for text in bars.axes[0].get_xticklabels()] == ["HumanEval\n(2 tasks)", "MBPP\n(2 tasks)"]
    with pytest.raises(ValueError, match=r"metric 'pass@7' is not in the table; it has pass@1"):
        figures.scores(benchmarks.table(base), "pass@7")


def test_reports_that_do_not_pair_are_refused():
    base = report([[NO], [YES]])
    with pytest.raises(BenchmarkError, match="do not pair"):
        benchmarks.compare([base], [replace(base, benchmark="mbpp")])
    with pytest.raises(BenchmarkError, match="different data"):
        benchmarks.compare([base], [replace(base, source=Source("there", "g"))])
    with pytest.raises(BenchmarkError, match="1 tasks have samples on one side only"):
        benchmarks.compare([base], [report([[NO]])])


def test_the_embedded_references_pass_and_one_slip_in_each_fails(sandbox):
    loaded = benchmarks.load("functions")
    right = benchmarks.score(loaded, benchmarks.references(loaded), sandbox)
    assert right.pass_at(1).estimate == 1.0 and len(right.results) == 24
    slips = [benchmarks.Sample(task.task_id, task.prompt + "    return 0\n") for task in loaded.tasks]
    assert benchmarks.score(loaded, slips, sandbox).pass_at(1).estimate == 0.0


def test_no_student_was_trained_on_an_embedded_line():
    lines = {spec.statement for spec in toyworld.specs("heldout")}
    for task in embedded_tasks():
        if task.tags["difficulty"] == "line":
            assert "# " + task.prompt.split('"""')[1] in lines


def test_base_tests_are_scored_apart(shared_data, sandbox):
    loaded = benchmarks.load("humaneval+", shared_data / "humanevalplus_mini.jsonl.gz", limit=3)
    wrong = "def has_close_elements(numbers, threshold):\n    xs = sorted(numbers)\n"
    wrong += "    return len(xs) > 2 and any(b - a < threshold for a, b in zip(xs, xs[1:]))"
    found = benchmarks.score(loaded, [benchmarks.Sample("HumanEval/0", wrong)], sandbox)
    assert (found.results[0].passed, found.results[0].base) == (False, True)
    assert found.pass_at(1, base=True).estimate == 1.0 and "pass@1, base tests" in set(found.table()["metric"])


@pytest.mark.parametrize(
    ("name", "file"), [("humaneval", "humaneval.jsonl.gz"), ("humaneval+", "humanevalplus_mini.jsonl.gz")]
)
def test_every_canonical_solution_of_the_real_data_passes(shared_data, name, file):
    loaded = benchmarks.load(name, shared_data / file)
    with Sandbox() as sandbox:
        found = benchmarks.score(loaded, benchmarks.references(loaded), sandbox)
    assert [each.task_id for each in found.results if not each.passed] == [] and len(found.results) == 164


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["poetry"]}, "benchmark 'poetry' is unknown; use one of functions, humaneval"),
        ({"samples": 0}, "at least one sample"),
        ({"samples": 4}, "at temperature 0 are all the same"),
        ({"style": "sonnet"}, "prompt style 'sonnet' is unknown"),
        ({"limit": 0}, "limit is 0"),
        ({"data": {"functions": "x"}}, "takes no file"),
    ],
)
def test_unusable_requests_are_refused_before_anything_is_asked(sandbox, arguments, message):
    request = {"names": ["functions"], "sandbox": sandbox, **arguments}
    with pytest.raises(BenchmarkError, match=message):
        benchmarks.run(None, **request)


@pytest.fixture
def student(tmp_path_factory):
    return tiny("weak", load_profile("smoke", students="weak=3"), tmp_path_factory.getbasetemp() / "students")


def test_a_tiny_student_is_asked_scored_and_compared(student, sandbox):
    first = benchmarks.run(student, ["functions"], 2, 1.0, sandbox, seed=1, progress=False)
    again = benchmarks.run(student, ["functions"], 2, 1.0, sandbox, seed=1, progress=False)
    assert first == again and len(first[0].results) == 48
    assert first[0].settings["style"] == "own" and first[0].settings["temperature"] == 1.0
    assert set(benchmarks.compare(first, again)["gain"]) == {0.0}


def test_the_settings_know_every_benchmark():
    assert Settings(benchmarks=list(benchmarks.BENCHMARKS)).benchmarks == list(benchmarks.BENCHMARKS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"benchmark_temperature": 0, "benchmark_samples": 3}, "benchmark_samples=1"),
        ({"benchmark_data": {"humaneval": "f"}}, "benchmark_data names 'humaneval', which this run does not measure"),
        ({"benchmark_revisions": {"function": "main"}}, r"'function' \(did you mean 'functions'\?\)"),
        ({"benchmark_since": "May"}, "parameter benchmark_since is 'May'; give a day such as 2024-08-01"),
        ({"benchmark_until": "2024-13-01"}, "parameter benchmark_until is '2024-13-01'"),
    ],
)
def test_benchmark_settings_that_cannot_be_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Settings(**given)


@pytest.fixture
def stage(tmp_path):
    """Stage 5 of a run with a slice of the embedded benchmark and one of the Hub's."""

    def make(**given):
        settings = load_profile(
            "smoke", students="weak=3", **{"benchmarks": ["functions", "humaneval"], "benchmark_tasks": 2} | given
        )
        return Stage("05_ablations", settings, tmp_path / "run")

    return make


def test_what_the_hub_does_not_give_is_left_out_and_said(stage, student, sandbox, monkeypatch, capsys):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    offline = stage()
    [found] = stages.benchmark(offline, [student], sandbox)
    assert [report.benchmark for report in found] == ["functions"] and len(found[0].counts) == 2
    assert capsys.readouterr().out.startswith("Left out: humaneval: openai/openai_humaneval@7dce")
    kept = benchmarks.read_report(offline.folder / "benchmark-functions-weak.json")
    assert kept == found[0] and kept.pass_at(1) == found[0].pass_at(1)
    with pytest.raises(benchmarks.UnreachableError, match="if the revision has vanished, name another"):
        stages.benchmark(stage(benchmarks=["cruxeval-o"]), [student], sandbox)


def test_a_local_file_gives_the_slice_and_reference_outputs_are_made_once(
    stage, student, sandbox, shared_data, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    local = stage(
        benchmarks=["humaneval+"],
        benchmark_data={"humaneval+": str(shared_data / "humanevalplus_mini.jsonl.gz")},
        benchmark_samples=1,
        benchmark_temperature=0,
    )
    student.model.config.max_position_embeddings = 320  # the published prompts do not fit into a tiny student's
    base, again = stages.benchmark(local, [student, student], sandbox)
    assert base == again and list(base[0].counts) == ["HumanEval/0", "HumanEval/1"]
    assert base[0].settings["style"] == "complete" and "only the first 2 tasks" in base[0].remarks
    assert len(list((tmp_path / "cache").rglob("prepared-*.json"))) == 1


def test_a_prompt_without_room_in_the_context_is_a_wrong_answer_and_said(student, sandbox):
    student.model.config.max_position_embeddings = 20
    [found] = benchmarks.run(student, ["functions"], 2, 1.0, sandbox, style="complete", limit=1, progress=False)
    assert [each.detail for each in found.results] == ["the prompt fills the student's context"] * 2
    assert found.pass_at(1).estimate == 0


def test_chat_models_may_write_as_much_as_in_training(stage, student, sandbox, monkeypatch):
    monkeypatch.setattr(student.tokenizer, "chat_template", "{{ messages[0]['content'] }}")
    long = stage(benchmarks=["functions"], benchmark_tasks=1, max_completion_tokens=400)
    chat, line = stages.benchmark(long, [student.asked("chat"), student], sandbox)
    assert (chat[0].settings["max_new_tokens"], line[0].settings["max_new_tokens"]) == (400, 64)
