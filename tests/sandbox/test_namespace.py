"""Snapshots of namespaces: what they notice, what they do not, and that they are quick on the interpreters we run on."""

from __future__ import annotations

import collections
import json
import math
import random
import re
import string
import sys
import threading
import types
import typing
from collections.abc import Callable
from typing import Any

import pytest

from tarot_lite.sandbox.inside import namespace
from tarot_lite.sandbox.inside.namespace import Snapshot

KNOWN = sys.implementation.name == "cpython" and sys.version_info < (3, 14)


@pytest.fixture(params=["quick", "slow"])
def known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the interpreter's dictionaries are taken to be known."""
    if request.param == "slow":
        monkeypatch.setattr(namespace, "_IS_KNOWN", False)
    elif not KNOWN:
        pytest.skip("only CPython 3.11 to 3.13 have dictionaries that are known")
    return request.param == "quick"


def module() -> types.ModuleType:
    """A module with a few names."""
    made = types.ModuleType("made")
    made.__dict__.update({f"name{number}": [number] for number in range(20)}, value=1.5)
    return made


@pytest.mark.parametrize(
    "change",
    [
        lambda names: names.update(value=2.5),
        lambda names: names.update(added=1),
        lambda names: names.pop("name3"),
        lambda names: names.update({f"more{number}": number for number in range(1000)}),
        lambda names: names.clear(),
        lambda names: (names.pop("name4"), names.update(name4="late")),
    ],
    ids=["bound anew", "added", "removed", "grown", "emptied", "moved"],
)
def test_a_change_is_noticed(known: bool, change: Callable[[dict[str, Any]], object]) -> None:
    names = vars(module())
    snapshot = Snapshot(names)
    assert snapshot.is_quick == known
    assert snapshot.holds()
    change(names)
    assert not snapshot.holds()


def test_reading_and_changing_the_objects_themselves_is_no_change(known: bool) -> None:
    made = module()
    snapshot = Snapshot(vars(made))

    def read() -> float:
        return made.value + len(made.name1)

    for _ in range(5000):  # the interpreter notes in the table that it is read often
        read()
    made.name1.append(2)
    assert snapshot.is_quick == known
    assert snapshot.holds()


def test_an_equal_object_is_another_one(known: bool) -> None:
    names = vars(module())
    snapshot = Snapshot(names)
    names["name1"] = [1]
    assert snapshot.holds() != known  # dictionaries compare by value: to them nothing has changed


@pytest.mark.skipif(not KNOWN, reason="only CPython 3.11 to 3.13 have dictionaries that are known")
def test_modules_are_compared_the_quick_way() -> None:
    modules = (collections, json, math, random, re, string, sys, threading, typing)
    slow = [module.__name__ for module in modules if not Snapshot(vars(module)).is_quick]
    assert not slow
