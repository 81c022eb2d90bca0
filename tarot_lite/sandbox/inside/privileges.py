"""Giving up: users, groups, capabilities, and the right to gain any."""

from __future__ import annotations

import contextlib
import os
import struct

from . import libc

_FIRST_USER, _USERS = 61_000, 4_000
_PDEATHSIG, _GET_DUMPABLE, _DUMPABLE, _CAPBSET_DROP, _SUBREAPER, _NO_NEW_PRIVS, _AMBIENT = 1, 3, 4, 24, 36, 38, 47
_AMBIENT_CLEAR_ALL = 4


def spare_user() -> int:
    """A user id that nobody has: one for each worker, so that workers are strangers to each other too."""
    return _FIRST_USER + os.getpid() % _USERS


def drop_user(uid: int) -> None:
    """Become `uid`, with a group of the same number and no others.  Root only."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def drop_capabilities() -> None:
    """Give up every capability, also those that a later exec could give back."""
    for number in range(64):
        try:
            libc.prctl(_CAPBSET_DROP, number)
        except OSError:  # not allowed (then we have none), or past the last one
            break
    with contextlib.suppress(OSError):
        libc.prctl(_AMBIENT, _AMBIENT_CLEAR_ALL)
    libc.syscall("capset", struct.pack("<Ii", 0x20080522, 0), struct.pack("<6I", *[0] * 6))


def no_new_privileges() -> None:
    """Nothing that is executed from here on gains a privilege (and seccomp and Landlock may be used)."""
    libc.prctl(_NO_NEW_PRIVS, 1)


def hide_memory() -> None:
    """Nobody of the same user may trace this process or read its memory, and it leaves no core."""
    libc.prctl(_DUMPABLE, 0)


def die_with_parent(signal_number: int) -> None:
    """Ask for a signal when the parent ends; forgotten at every change of user, so call it last."""
    libc.prctl(_PDEATHSIG, signal_number)


def show_memory() -> None:
    """Make /proc/self our own again, after a change of user or after `hide_memory` in the parent."""
    libc.fast_prctl(_DUMPABLE, 1)


def ask_about_memory() -> None:
    """Call the kernel as `show_memory` does, without effect."""
    libc.fast_prctl(_GET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Become the parent of every process that a child leaves behind."""
    libc.prctl(_SUBREAPER, 1)
