"""The program in a reply: what chat models write around it, and what is no answer."""

from __future__ import annotations

import pytest

from tarot_lite.fences import Fence, fences, program
from tarot_lite.problems import from_row, to_row
from tarot_lite.rewards import extract_code

F = "```"
RIGHT = "n = int(input())\nprint(2 * n)\n"
TAGGED = f"{F}python\n{RIGHT}{F}\n"
BARE = f"{F}\n{RIGHT}{F}\n"
DRAFT = f"{F}python\nprint('draft')\n{F}\n"
QUOTING = "def f(x):\n    '''Doubles.\n\n    ```\n    f(1) == 2\n    ```\n    '''\n    return 2 * x\n"
QUOTING_AT_THE_EDGE = "'''\n```\n4\n```\n'''\nprint(2)\n"
LOOP = "for i in range(2):\n    if i:\n        print(i)\n"


def indented(text: str, by: str) -> str:
    return "".join(by + line if line.strip() else line for line in text.splitlines(keepends=True))


REPLIES = {
    # the plain ones
    "python": (TAGGED, RIGHT),
    "py": (f"{F}py\n{RIGHT}{F}", RIGHT),
    "Python3": (f"{F}Python3\n{RIGHT}{F}", RIGHT),
    "python3.11": (f"{F}python3.11\n{RIGHT}{F}", RIGHT),
    "braces": (f"{F}{{.python}}\n{RIGHT}{F}", RIGHT),
    "braces and a number": (f"{F}{{.python .numberLines}}\n{RIGHT}{F}", RIGHT),
    "a title": (f'{F}python title="a.py"\n{RIGHT}{F}', RIGHT),
    "a space before the tag": (f"{F} python\n{RIGHT}{F}", RIGHT),
    "no tag": (BARE, RIGHT),
    "tildes": (f"~~~python\n{RIGHT}~~~", RIGHT),
    "bare tildes": (f"~~~\n{RIGHT}~~~", RIGHT),
    "four backticks": (f"{F}`python\n{RIGHT}{F}`", RIGHT),
    "four backticks around three": (f"{F}`python\n{QUOTING_AT_THE_EDGE}{F}`", QUOTING_AT_THE_EDGE),
    "carriage returns": (TAGGED.replace("\n", "\r\n"), RIGHT),
    "lone carriage returns": (TAGGED.replace("\n", "\r"), RIGHT),
    "blanks behind the marks": (f"{F}python  \n{RIGHT}{F}  \n", RIGHT),
    "longer closing mark": (f"{F}python\n{RIGHT}{F}``\n", RIGHT),
    "prose around": (f"Sure!\n\n{TAGGED}\nThis doubles it.", RIGHT),
    # another text after the program
    "a bare output after it": (f"{TAGGED}\nOutput:\n{F}\n8\n{F}", RIGHT),
    "a bare input after it": (f"{TAGGED}\nInput:\n{F}\n4\n{F}\nOutput:\n{F}\n8\n{F}", RIGHT),
    "a bare output after a bare one": (f"{BARE}\nOutput:\n{F}\n8 9\n{F}", RIGHT),
    "a text fence after it": (f"{TAGGED}\n{F}text\n8\n{F}", RIGHT),
    "shell after it": (f"{TAGGED}\n{F}bash\npython a.py\n{F}", RIGHT),
    "JSON after a bare one": (f"{BARE}\n{F}json\n{{}}\n{F}", RIGHT),
    "C++ after it": (f"{TAGGED}\n{F}cpp\nint main() {{}}\n{F}", RIGHT),
    "an empty fence after it": (f"{TAGGED}\n{F}\n{F}", RIGHT),
    "an empty tagged fence after it": (f"{TAGGED}\n{F}python\n{F}", RIGHT),
    "a blank tagged fence after it": (f"{TAGGED}\n{F}python\n\n  \n{F}", RIGHT),
    "an unclosed fence after it": (f"{TAGGED}\nShorter:\n{F}python\nn = int(", RIGHT),
    "one that does not parse after it": (f"{TAGGED}\n{F}python\nn = int(\n{F}", RIGHT),
    "two versions": (f"{DRAFT}\nBetter:\n{TAGGED}", RIGHT),
    "a broken version before it": (f"{F}python\nn = = 1\n{F}\nFixed:\n{TAGGED}", RIGHT),
    # where it stands
    "two blanks": ("Text\n" + indented(TAGGED, "  "), RIGHT),
    "in a list": ("1. Read it:\n\n" + indented(f"{F}python\n{LOOP}{F}\n", "   "), LOOP),
    "in a bullet": ("- Run\n" + indented(f"{F}python\n{LOOP}{F}\n", "  "), LOOP),
    "a bullet's own line": (f"- {F}python\n" + indented(LOOP, "  ") + f"  {F}\n", LOOP),
    "a list, its code not indented": (f"1. Run:\n   {F}python\n{LOOP}{F}\n", LOOP),
    "a bullet's own line, its code not indented": (f"- {F}python\n{LOOP}{F}\n", LOOP),
    "in a nested list": ("- a\n  - b\n" + indented(f"{F}python\n{LOOP}{F}\n", "    "), LOOP),
    "four blanks": ("Run:\n" + indented(f"{F}python\n{LOOP}{F}\n", "    "), LOOP),
    "a tab": ("Run:\n" + indented(f"{F}python\n{LOOP}{F}\n", "\t"), LOOP),
    "a quote": ("".join(f"> {line}\n" for line in f"{F}python\n{LOOP}{F}".split("\n")), LOOP),
    "behind other words": (f"The program: {TAGGED}", RIGHT),
    "a mark too many before it": (f"Output:\n{F}\n8\n\nThus:\n{TAGGED}", RIGHT),
    "the first fence never ends": (f"{F}python\nprint(\n\nBetter:\n{TAGGED}", RIGHT),
    "all of it in a fence": (f"{F}`markdown\n# Answer\n{TAGGED}{F}`", RIGHT),
    "a quotation before it": (f"> double it\n\n{TAGGED}", RIGHT),
    # where it ends
    "an end on the last line": (f"{F}python\n{RIGHT.rstrip()}{F}", RIGHT),
    "an end on the last line, and more": (f"{F}python\n{RIGHT.rstrip()}{F}\nOutput:\n{F}\n8\n{F}", RIGHT),
    "words behind the end": (f"{F}python\n{RIGHT}{F} That is it.", RIGHT),
    "a fence in a docstring": (f"{F}python\n{QUOTING}{F}", QUOTING),
    "a fence in a text at the edge": (f"{F}python\n{QUOTING_AT_THE_EDGE}{F}", QUOTING_AT_THE_EDGE),
    "the same, and an output": (f"{F}python\n{QUOTING_AT_THE_EDGE}{F}\nIt prints\n{F}\n2\n{F}", QUOTING_AT_THE_EDGE),
    # tags
    "reasoning and answer": (f"<think>\n{DRAFT}</think>\n<answer>\n{TAGGED}</answer>", RIGHT),
    "all in a line": (f"<think>{DRAFT.strip()}</think><answer>{TAGGED.strip()}</answer>", RIGHT),
    "behind the end of the reasoning": (f"<think>\n{DRAFT}</think>{TAGGED}", RIGHT),
    "without an answer's tag": (f"<think>\n{DRAFT}</think>\n{TAGGED}", RIGHT),
    "the tag is spoken of later": (f"<answer>\n{TAGGED}</answer>\nIt is in the <answer> tag.", RIGHT),
    "both tags are spoken of later": (f"<answer>\n{TAGGED}</answer>\nBetween <answer> and </answer>.", RIGHT),
    "the tag is spoken of before": (f"I use <answer>.\n<answer>\n{TAGGED}</answer>", RIGHT),
    "the answer is cut after the program": (f"<think>\n{DRAFT}</think>\n<answer>\n{TAGGED}So", RIGHT),
    "an output after the answer": (f"<answer>\n{TAGGED}</answer>\n{F}\n8\n{F}", RIGHT),
    # no answer
    "nothing": ("", None),
    "prose": ("Double the number.", None),
    "a program without a fence": (RIGHT, None),
    "a program in one line's marks": (f"Use {F}print(2){F}.", None),
    "unclosed": (f"{F}python\n{RIGHT}", None),
    "unclosed after prose": (f"So:\n\n{F}python\n{RIGHT}\n", None),
    "another language": (f"{F}cpp\nint main() {{}}\n{F}", None),
    "JSON": (f"{F}json\n{{}}\n{F}", None),
    "a console": (f"{F}pycon\n>>> 1\n{F}", None),
    "the draft alone": (f"<think>\n{DRAFT}</think>\nNo idea.", None),
    "the draft, and an answer without code": (f"<think>\n{DRAFT}</think>\n<answer>\nno code\n</answer>", None),
    "a draft in the tag, and an answer without code": (
        f"<think>\n<answer>\n{DRAFT}</answer>\n</think>\n<answer>\nno code\n</answer>",
        None,
    ),
    "an answer given up": (f"<answer>\n{DRAFT}</answer>\n<answer>\nno code\n</answer>", None),
    "code before the answer": (f"{DRAFT}<answer>\nno code\n</answer>", None),
    "an empty fence": (f"{F}python\n{F}", ""),
}


@pytest.mark.parametrize("name", REPLIES)
def test_the_program_that_counts(name: str) -> None:
    reply, code = REPLIES[name]
    assert extract_code(reply) == code


def test_there_are_replies_enough() -> None:
    assert len(REPLIES) >= 60 and sum(code is None for _, code in REPLIES.values()) >= 12


def test_a_wanted_program_beats_a_later_one_and_a_base_model_need_not_close_its_fence() -> None:
    text = f"{F}python\n{QUOTING}{F}\nUse it:\n{F}python\nprint(f(1))\n{F}"
    assert program(text, lambda code: "def f" in code) == QUOTING
    assert program(text) == "print(f(1))\n"
    assert program(f"{F}python\n{RIGHT}", unclosed=True) == RIGHT


def test_many_marks_take_no_time_and_nothing_is_lost() -> None:
    text = f"{F}python\nx = (\n" + f"{F}\n1 2\n" * 2000 + TAGGED
    assert program(text) == RIGHT
    assert fences(f"{F}a\n1\n{F}\n~~~\n2\n~~~") == [Fence("a", "1\n"), Fence("", "2\n")]


@pytest.mark.parametrize("gold", [TAGGED, TAGGED.strip(), RIGHT, f"Thus:\n{TAGGED}\nIt prints\n{F}\n8\n{F}"])
def test_a_rows_reference_is_the_program_of_its_text_which_is_kept(gold: str) -> None:
    row = {"problem": "p", "gold_standard_solution": gold, "verification_info": {"test_cases": []}, "problem_id": "i"}
    problem = from_row(row)
    assert problem.reference is not None and problem.reference.strip() == RIGHT.strip()
    assert to_row(problem)["gold_standard_solution"] == gold
