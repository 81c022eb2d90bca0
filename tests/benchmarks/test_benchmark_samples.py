"""Sample files of other tools in, ours out; bad ones are refused by line."""

import gzip
import json
import re
import shutil

import pytest

from tarot_lite import benchmarks, students
from tarot_lite.benchmarks import BenchmarkError
from tarot_lite.benchmarks.__main__ import main
from tarot_lite.settings import load_profile

RIGHT = {"task_id": "functions/21", "completion": "    return sum(map(int, str(abs(n))))\n"}


@pytest.fixture
def loaded():
    return benchmarks.load("functions")


def write(tmp_path, *rows):
    path = tmp_path / "samples.jsonl"
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def test_completion_continues_the_prompt_and_solution_is_whole(tmp_path, loaded):
    rows = [RIGHT, {"task_id": "functions/21", "solution": "def digit_sum(n): return 0"}, ""]
    first, second = benchmarks.read_samples(write(tmp_path, *rows), loaded)
    assert first.solution.startswith("def digit_sum(n):\n") and first.solution.endswith(RIGHT["completion"])
    assert second.solution == "def digit_sum(n): return 0"


@pytest.mark.parametrize("form", ["human-eval", "evalplus"])
def test_what_is_written_is_read_back(tmp_path, loaded, form):
    pairs = [("functions/0", "a\n"), ("functions/0", "b"), ("functions/1", 'c "é" \u2028')]
    benchmarks.write_samples(tmp_path / "out.jsonl", pairs, form)
    found = benchmarks.read_samples(tmp_path / "out.jsonl", loaded)
    whole = [text if form == "evalplus" else loaded.tasks[int(task[-1])].prompt + text for task, text in pairs]
    assert [(each.task_id, each.solution) for each in found] == list(
        zip([task for task, _ in pairs], whole, strict=True)
    )


def test_gzip_and_evalplus_folders_are_read(tmp_path, loaded):
    (tmp_path / "s.jsonl.gz").write_bytes(gzip.compress(json.dumps(RIGHT).encode()))
    assert len(benchmarks.read_samples(tmp_path / "s.jsonl.gz", loaded)) == 1
    for number in (0, 2, 10):
        file = tmp_path / "folder" / "functions_21" / f"{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {number}")
    assert [each.solution for each in benchmarks.read_samples(tmp_path / "folder", loaded)] == ["# 0", "# 2", "# 10"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([RIGHT, {**RIGHT, "task_id": "functions/99"}], "line 2: task 'functions/99' is not in the benchmark's 24 tasks"),
        ([{"completion": ""}], "line 1: task_id is None"),
        ([{**RIGHT, "completion": None}], "line 1: functions/21: completion is NoneType"),
        ([{**RIGHT, "completion": ["a", "b"]}], "completion is list"),
        ([{"task_id": "functions/21"}], "completion is missing"),
        ([{"task_id": "functions/21", "solution": 3}], "solution is int"),
        ([{**RIGHT, "completion_id": 0}, {**RIGHT, "completion_id": 0}], "line 2: functions/21 has a second sample"),
        (["[1]"], "line 1: expected an object"),
        (["{oops"], "line 1: not JSON"),
        ([], "holds no sample for functions"),
    ],
)  # fmt: skip
def test_bad_samples_are_refused_by_line(tmp_path, loaded, rows, message):
    path = write(tmp_path, *rows)
    with pytest.raises(BenchmarkError, match=re.escape(message)) as error:
        benchmarks.read_samples(path, loaded)
    assert str(path) in str(error.value)


def test_a_missing_or_broken_file_is_named(tmp_path, loaded):
    with pytest.raises(BenchmarkError, match=r"nowhere.jsonl: no such file"):
        benchmarks.read_samples(tmp_path / "nowhere.jsonl", loaded)
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(json.dumps(RIGHT).encode())[:-9])
    with pytest.raises(BenchmarkError, match=r"cut.jsonl.gz: cannot be read"):
        benchmarks.read_samples(tmp_path / "cut.jsonl.gz", loaded)


def test_unknown_tasks_can_be_skipped_on_request(tmp_path, loaded):
    path = write(tmp_path, RIGHT, {**RIGHT, "task_id": "functions/99"})
    assert len(benchmarks.read_samples(path, loaded, skip_unknown=True)) == 1


@pytest.mark.parametrize("around", ["Sure!\n\n```python\n{}```\nIt adds.", "Here it is:\n\n{}\n\nIt adds."])
def test_fences_and_prose_are_told_and_taken_away_on_request(tmp_path, capsys, around):
    tasks = benchmarks.load("functions").tasks
    file = tmp_path / "chat.jsonl"
    benchmarks.write_samples(file, [(task.task_id, around.format(task.reference)) for task in tasks], "evalplus")
    count = len(tasks)
    assert main(["score", "functions", str(file)]) == 0
    told = capsys.readouterr().out
    assert (
        f"{count} of {count} samples hold a fence or prose around the code; --extract takes" in told
        and " 0.000 " in told
    )
    assert main(["score", "functions", str(file), "--extract"]) == 0
    told = capsys.readouterr().out
    assert "samples hold a fence" not in told and " 1.000 " in told


def test_the_command_line_scores_says_what_is_missing_and_compares(tmp_path, capsys):
    path, out = write(tmp_path, RIGHT, {**RIGHT, "completion": "    return 0"}), tmp_path / "report.json"
    common = ["--workers", "1", "--cache", str(tmp_path / "cache")]
    assert main(["score", "functions", str(path), "--out", str(out), *common]) == 1
    shown = capsys.readouterr().out
    assert "0.500" in shown and "INCOMPLETE: 23 of 24 tasks have no sample" in shown
    assert main(["score", "functions", str(path), "--allow-missing", *common]) == 0
    assert main(["compare", str(out), str(out)]) == 0 and "undecided" in capsys.readouterr().out
    assert main(["check", "functions", *common]) == 0 and "1.000" in capsys.readouterr().out
    assert main(["list"]) == 0 and "livecodebench" in capsys.readouterr().out
    assert main(["score", "functions", str(tmp_path / "no.jsonl")]) == 2
    assert "error: " in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folders of a tiny model and of adapters on it that change what it writes, and the adapted student."""
    import torch
    from peft import LoraConfig, get_peft_model

    home = tmp_path_factory.mktemp("models")
    students.tiny("weak", load_profile("smoke", students="weak=3"), home / "cache").save(home / "base")
    student = students.load(home / "base")
    torch.manual_seed(0)
    student.model = get_peft_model(student.model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    with torch.no_grad():
        for name, weight in student.model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    return home / "base", student.save(home / "adapters"), student


def test_a_base_model_and_its_adapters_are_measured_and_compared(trained, tmp_path, capsys):
    base, adapters, _ = trained
    common = ["--workers", "1", "--limit", "3", "--cache", str(tmp_path / "cache")]
    assert main(["run", "functions", str(base), str(adapters), "--out", str(tmp_path / "out"), *common]) == 0
    shown = capsys.readouterr().out
    assert "base on embedded" in shown and "adapters on embedded" in shown and "gain" in shown
    names = {path.name for path in (tmp_path / "out").iterdir()}
    written = {f"functions-{name}.{kind}" for name in ("base", "adapters") for kind in ("json", "jsonl")}
    assert names == {*written, "table.csv", "scores.png"}
    before, after = (
        benchmarks.read_report(tmp_path / "out" / f"functions-{name}.json") for name in ("base", "adapters")
    )
    assert len(before.results) == 3 and before.settings["temperature"] == 0
    assert before.source == after.source and [each.detail for each in before.results] != [
        each.detail for each in after.results
    ]
    samples = str(tmp_path / "out" / "functions-adapters.jsonl")  # what was written can be scored again
    assert main(["score", "functions", samples, "--out", str(tmp_path / "again.json"), *common]) == 0
    again = benchmarks.read_report(tmp_path / "again.json").results
    assert [(each.task_id, each.passed) for each in again] == [(each.task_id, each.passed) for each in after.results]
    coded = [
        now.detail == then.detail
        for now, then in zip(again, after.results, strict=True)
        if "no code" not in then.detail
    ]
    assert coded and all(coded)
    assert main(["run", "functions,humaneval", str(base), "--data", "x", *common]) == 2
    assert "--data and --revision are for one benchmark" in capsys.readouterr().err
    assert main(["run", "functions", str(tmp_path / "nowhere"), *common]) == 2
    assert "is unknown" in capsys.readouterr().err


def test_adapters_are_put_on_the_model_they_were_made_for(trained, tmp_path):
    base, adapters, student = trained
    asked = ["# items at least 2, add them up\n"]
    texts = [[each.text for each in found.generate(asked, 4, 1.0, 20)[0]]
             for found in (students.measured(str(adapters)), student, students.measured(str(base)))]  # fmt: skip
    assert texts[0] == texts[1] != texts[2]
    copy = shutil.copytree(adapters, tmp_path / "copy")
    (copy / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(students.StudentError, match=r"adapter_model\.safetensors changed since it was saved"):
        students.measured(str(copy))


@pytest.mark.parametrize(
    "arguments",
    [[], ["score", "--help"], ["run", "--help"], ["check", "--help"], ["compare", "--help"], ["score", "poetry", "x"]],
)
def test_help_and_unknown_names(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == (0 if "--help" in arguments else 2)
    text = capsys.readouterr()
    assert "usage:" in text.out + text.err
