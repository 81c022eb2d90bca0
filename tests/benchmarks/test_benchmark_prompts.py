"""What chat models and base models are asked, benchmark by benchmark, and what is found in what they write."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from tarot_lite import benchmarks
from tarot_lite.benchmarks import BENCHMARKS, BenchmarkError, Task, get_benchmark
from tarot_lite.benchmarks.prompts import render, solution
from tarot_lite.benchmarks.sources import embedded_tasks
from tarot_lite.settings import load_profile
from tarot_lite.students import StudentError, tiny

TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<answer>{% endif %}"
)
DIGITS = replace(embedded_tasks()[21], prompt="import math\n\n" + embedded_tasks()[21].prompt)
CODE = "def digit_sum(n):\n    return n\n"
OTHER = "def digit_sum(n):\n    return 1\n"
MBPP = Task("MBPP/2", '"""\nWrite a function to add.\nassert add(1, 2) == 3\n"""\n', None, "add")
CRUX = Task("sample_0", "def f(a):\n    return a\nassert f(3) == ??", None)
PROGRAM = Task("1/A", "Print twice n.", None)
PUBLISHED = {
    "mbpp": MBPP,
    "mbpp+": MBPP,
    "cruxeval-i": CRUX,
    "cruxeval-o": CRUX,
    "livecodebench": PROGRAM,
    "codeforces": PROGRAM,
}


@pytest.fixture(scope="module")
def chats():
    """A real tokenizer with a chat template."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE({"<end>": 0}, [])), eos_token="<end>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_a_chat_model_gets_an_instruction_and_a_base_model_a_text_to_continue(name, chats):
    entry, task = get_benchmark(name), PUBLISHED.get(name, DIGITS)
    asked, continued = render(task, entry, "chat", chats), render(task, entry, "complete")
    assert asked.startswith(f"<user>{entry.instruction}\n\n") and asked.endswith("<answer>")
    assert asked.count(task.prompt.strip()) == continued.count(task.prompt.strip()) == 1
    assert entry.instruction not in continued and entry.instruction.strip()
    assert ("```python" in entry.instruction) == (entry.prompt != "assertion")
    assert ("between [ANSWER] and [/ANSWER]" in entry.instruction) == (entry.prompt == "assertion")


@pytest.mark.parametrize(
    ("name", "task", "form"),
    [
        ("humaneval", DIGITS, DIGITS.prompt),
        ("mbpp+", MBPP, MBPP.prompt),
        ("livecodebench", PROGRAM, '"""\nPrint twice n.\n"""\n'),
    ],
)
def test_the_completion_form_is_the_published_text(name, task, form):
    assert render(task, get_benchmark(name), "complete") == form


def test_code_stands_in_a_fence_and_a_statement_does_not(chats):
    assert f"\n\n```python\n{DIGITS.prompt.strip()}\n```<answer>" in render(
        DIGITS, get_benchmark("humaneval"), "chat", chats
    )
    assert "\n\nPrint twice n.<answer>" in render(PROGRAM, get_benchmark("codeforces"), "chat", chats)


def test_only_what_has_a_function_to_complete_asks_to_complete_one():
    """MBPP's text names a function that is nowhere begun."""
    completing = {name for name, entry in BENCHMARKS.items() if entry.instruction.startswith("Complete this")}
    assert completing == {"functions", "humaneval", "humaneval+"}
    assert all(BENCHMARKS[name].instruction.startswith("Write the Python function") for name in ("mbpp", "mbpp+"))


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (f"First ```python\ndraft\n``` then\n```python\n{CODE}```", "import math\n\n" + CODE),
        (f"```py\r\n{CODE}", "import math\n\n" + CODE),
        (f"```\n{CODE}```", "import math\n\n" + CODE),
        (f"```python\n{CODE}```\nUse:\n```python\nprint(digit_sum(3))\n```\nIt prints\n```\n3\n```", "import math\n\n" + CODE),
        (f"```bash\npip install x\n```\nThen\n```Python\n{CODE}```\n```text\n3\n```", "import math\n\n" + CODE),
        (f"<think>\n```python\n{CODE}```</think><answer>\n```python\n{OTHER}```\n</answer>",
         "import math\n\n" + OTHER),
        ("```python\n    return n\n```", DIGITS.prompt + "    return n\n"),
        (CODE, "import math\n\n" + CODE),
        ("I cannot.", None),
        ("```text\n3\n```", None),
        ("```python\n\n```", None),
    ],
)  # fmt: skip
def test_a_chat_answer_is_read_from_its_fences(reply, found):
    assert solution(DIGITS, get_benchmark("humaneval"), "chat", reply) == found


def test_a_program_in_a_chat_answer_is_the_last_python_fence():
    reply = "```python\nprint(1)\n```\nOutput:\n```\n1\n```"
    assert solution(PROGRAM, get_benchmark("codeforces"), "chat", reply) == "print(1)\n"
    assert solution(PROGRAM, get_benchmark("codeforces"), "complete", "print(1)\n```\nthat is it") == "print(1)"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("cruxeval-i", "[ANSWER]\nassert f(1, 'a') == 2\n[/ANSWER] and more", "1, 'a'"),
        ("cruxeval-i", "f(x=3)", "x=3"),
        ("cruxeval-i", "'abc', 4", "'abc', 4"),
        ("cruxeval-o", "assert f(1) == [1, 2]\n[/ANSWER]", "[1, 2]"),
        ("cruxeval-o", "`7`", "7"),
        ("cruxeval-o", "[1, 2", "[1, 2"),
        ("cruxeval-o", "  ", None),
    ],
)
@pytest.mark.parametrize("style", ["complete", "chat"])
def test_a_prediction_is_read_alike_from_both_forms(name, text, value, style):
    assert solution(CRUX, get_benchmark(name), style, text) == value


def test_an_unknown_form_is_refused():
    with pytest.raises(BenchmarkError, match="prompt style 'verse' is unknown; use one of complete, chat, own"):
        render(DIGITS, get_benchmark("humaneval"), "verse")


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    student = tiny("weak", load_profile("smoke", students="weak=3"), tmp_path_factory.mktemp("students"))
    student.model.config.max_position_embeddings = 512  # an instruction takes more than its own prompts do
    return student


def prompts_of(student, monkeypatch, **given):
    """What a run sends, and the form that its report says; the real student writes."""
    sent, write = [], type(student).generate

    def generate(self, prompts, *arguments, **more):
        sent.extend((self.style, prompt) for prompt in prompts)
        return write(self, prompts, *arguments, **more)

    monkeypatch.setattr(type(student), "generate", generate)
    [report] = benchmarks.run(student, ["functions"], limit=1, max_new_tokens=2, progress=False, **given)
    return sent, report.settings["style"]


def test_the_form_follows_how_the_student_is_asked(student, monkeypatch):
    first = embedded_tasks()[0]
    sent, form = prompts_of(student, monkeypatch)
    assert form == "own" and first.prompt not in sent[0][1] and sent[0][1].startswith("# items")
    monkeypatch.setattr(student.tokenizer, "chat_template", TEMPLATE)
    sent, form = prompts_of(student.asked("fewshot"), monkeypatch)  # a base model whose tokenizer has a template
    assert (form, sent) == ("complete", [("fewshot", first.prompt)])
    sent, form = prompts_of(student.asked("chat"), monkeypatch)
    assert form == "chat" and sent[0] == ("chat", render(first, get_benchmark("functions"), "chat", student.tokenizer))
    sent, form = prompts_of(student.asked("chat"), monkeypatch, style="complete")
    assert (form, sent) == ("complete", [("fewshot", first.prompt)])  # so the tokenizer adds its own marks again


def test_a_tokenizer_without_a_template_cannot_be_asked_by_chat(student):
    with pytest.raises(StudentError, match="no chat template; take an instruction-tuned model"):
        benchmarks.run(student, ["functions"], limit=1, style="chat", progress=False)
