"""Settings: what is accepted, what is refused, and that every refusal names parameter, value and remedy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from tarot_lite.settings import Settings, describe, load_profile, notebook_folder, profile_names


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"grpo_steps": "many"}, "parameter grpo_steps is 'many'; give a whole number, 1 or more"),
        ({"grpo_steps": 2.5}, "parameter grpo_steps is 2.5"),
        ({"grpo_steps": True}, "parameter grpo_steps is True"),
        ({"generations": 1}, "parameter generations is 1; give a whole number, 2 or more"),
        ({"temperature": 0}, "parameter temperature is 0"),
        ({"temperature": float("nan")}, "parameter temperature is nan"),
        ({"learning_rate": float("inf")}, "parameter learning_rate is inf"),
        ({"normalize_reward": 1}, "parameter normalize_reward is 1; give true or false"),
        ({"loss_type": "dapoo"}, "did you mean 'dapo'?"),
        ({"policy": "unii"}, "parameter policy: policy 'unii' is unknown (did you mean 'uni'?)"),
        ({"policies": ["uni", "harder"]}, "parameter policies: policy 'harder' is unknown"),
        ({"policies": []}, "parameter policies is empty"),
        ({"seeds": [0, -1]}, "parameter seeds is [0, -1]"),
        ({"seeds": [1, 1]}, "give each value once"),
        ({"students": ["weak"]}, "parameter students is ['weak']; give names with whole numbers"),
        ({"students": "weak"}, "parameter students is 'weak'"),
        ({"student": "strng"}, "parameter student is 'strng' (did you mean 'strong'?)"),
        ({"models": {"small": 3}}, "parameter models is {'small': 3}; give names with texts"),
        ({"models": {"a/b": "x"}}, "parameter models holds 'a/b': 'x'; give a name of letters"),
        ({"models": {"mine": "x"}, "student": "strong"}, "parameter student is 'strong'; choose one of mine"),
        ({"run": "../elsewhere"}, "give a plain folder name"),
        ({"run": ".."}, "parameter run is '..'"),
        ({"seed": None}, "parameter seed is None"),
        ({"seed": "None"}, "parameter seed is 'None'"),
        ({"seed": "12:30"}, "parameter seed is '12:30'"),
        (
            {"students": "weak=1,weak=2"},
            "parameter students is 'weak=1,weak=2'; give names with whole numbers, 0 or more; 'weak' is there",
        ),
        ({"students": {"../evil": 2}}, "parameter students holds '../evil': 2; give a name of letters"),
        ({"students": "[1"}, "parameter students is '[1'"),
    ],
)
def test_refuses_what_does_not_fit_and_says_so(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError) as caught:
        Settings(**values)  # type: ignore[arg-type]
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        ({"policies": "uni, flat"}, "policies", ["uni", "flat"]),
        ({"policies": "uni"}, "policies", ["uni"]),
        ({"seeds": 3}, "seeds", [3]),
        ({"seeds": "1,2"}, "seeds", [1, 2]),
        ({"students": "weak=5, strong=9"}, "students", {"weak": 5, "strong": 9}),
        ({"models": "coder=Qwen/Qwen2.5-Coder-0.5B-Instruct"}, "models", {"coder": "Qwen/Qwen2.5-Coder-0.5B-Instruct"}),
        ({"models": ""}, "models", {}),
        ({"learning_rate": "3e-4"}, "learning_rate", 3e-4),
        ({"temperature": 1}, "temperature", 1.0),
        ({"policy": None}, "policy", None),
        ({"policy": "None"}, "policy", None),
        ({"run": "None"}, "run", None),
        ({"seed": "010"}, "seed", 10),
        ({"seeds": "[0, 1]"}, "seeds", [0, 1]),
        ({"policies": "['uni', 'flat']"}, "policies", ["uni", "flat"]),
        ({"policies": "[uni, flat]"}, "policies", ["uni", "flat"]),
        ({"students": "{weak: 54}"}, "students", {"weak": 54}),
        ({"students": "{'weak': 54}"}, "students", {"weak": 54}),
        ({"normalize_reward": "true"}, "normalize_reward", True),
        ({"gradient_checkpointing": "False"}, "gradient_checkpointing", False),
        (
            {"axes": "{grpo_steps: [5, 9], normalize_reward: [true, false]}"},
            "axes",
            {"grpo_steps": [5, 9], "normalize_reward": [True, False]},
        ),
        ({"axes": "epsilon_high=None|0.3"}, "axes", {"epsilon_high": [None, 0.3]}),
    ],
)
def test_reads_what_papermill_can_pass(values: dict[str, object], field: str, expected: object) -> None:
    got = getattr(Settings(**values), field)  # type: ignore[arg-type]
    assert got == expected and type(got) is type(expected)


def test_settings_cannot_be_changed_and_do_not_share_their_lists() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().seed = 1  # type: ignore[misc]
    assert Settings().students is not Settings().students


def test_the_students_of_a_run_are_its_models_if_it_has_any() -> None:
    assert Settings(students={"a": 1, "b": 2}, portfolio_students=["a"]).student_names == ["a", "b"]
    assert Settings(models={"x": "org/x", "y": "smollm2"}, student="y").student_names == ["x", "y"]


def test_unknown_parameter_names_value_and_near_match() -> None:
    with pytest.raises(ValueError, match=r"parameter policyy \(value 'uni'\) is unknown \(did you mean 'policy'\?\)"):
        load_profile("smoke", policyy="uni")


def test_unknown_profile_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"profile 'smok' is unknown \(did you mean 'smoke'\?\); choose one of .*cpu"):
        load_profile("smok")


def test_none_leaves_the_profile_alone() -> None:
    assert load_profile("smoke", grpo_steps=None).grpo_steps == load_profile("smoke").grpo_steps


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("grpo_stepss: 3", "grpo_stepss"),
        ("grpo_steps: x", "grpo_steps"),
        ("- a", "holds list"),
        ("a: [", "cannot be read"),
    ],
)
def test_faults_of_a_profile_file_name_the_file(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ValueError) as caught:
        load_profile(str(path))
    assert str(path) in str(caught.value) and said in str(caught.value)


def test_own_profile_file_names_the_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("grpo_steps: 5")
    assert (load_profile(str(path)).grpo_steps, load_profile(str(path)).run_name) == (5, "mine")


@pytest.mark.parametrize("name", profile_names())
def test_profile_names_itself_so_that_papermill_can_take_the_file(name: str) -> None:
    assert yaml.safe_load((notebook_folder() / "profiles" / f"{name}.yaml").read_text())["profile"] == name
    assert load_profile(name).run_name == name


def test_smoke_trains_less_than_cpu_in_every_respect() -> None:
    smoke, cpu = load_profile("smoke"), load_profile("cpu")
    for name in ("train_problems", "heldout_problems", "grpo_steps", "generations", "probe_samples"):
        assert getattr(smoke, name) < getattr(cpu, name)


def test_every_parameter_is_described() -> None:
    rows = {row["parameter"]: row for row in describe()}
    assert set(rows) == {field.name for field in dataclasses.fields(Settings)}
    assert all(row["meaning"].endswith(".") and row["takes"] for row in rows.values())
