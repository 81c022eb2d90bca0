"""Move the pins to the newest versions that pyproject.toml allows, then run the tests; if they fail, the old pins are back.

``make update-pins``.  Works in an environment of its own, ``build/pins``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PINS, LOCK = ROOT / "requirements/reference.in", ROOT / "requirements/reference.txt"
DOCUMENTED = ROOT / "tests/test_pins.py"  # names the most important versions once more, so that none moves by accident
FOLDER = ROOT / "build/pins"


def ranges() -> list[str]:
    """Everything that pyproject.toml allows, but for the GPU extra, and what builds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    allowed = project["dependencies"] + [text for name in extras if name != "gpu" for text in extras[name]]
    named = {canonicalize_name(Requirement(text).name) for text in allowed}
    pinned = [line.partition("==")[0] for line in PINS.read_text(encoding="utf-8").splitlines() if "==" in line]
    return allowed + [name for name in pinned if canonicalize_name(name) not in named and not name.startswith("#")]


def installed(python: Path) -> dict[str, str]:
    """Version by name of everything in an environment, without the local part that torch's builds have."""
    command = [str(python), "-m", "pip", "freeze", "--all", "--exclude", "pip", "--exclude-editable"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(line.partition("+")[0].split("==") for line in lines if "==" in line)


def rewritten(text: str, versions: dict[str, str]) -> str:
    """Pins of a requirements file (``name==``) or of the tests' list (``"name": "…",``) with other versions.

    Examples
    --------
    >>> rewritten('# torch first\\ntorch==2.0\\n', {"torch": "2.1"})
    '# torch first\\ntorch==2.1\\n'
    """
    known = {canonicalize_name(name): version for name, version in versions.items()}

    def new(found: re.Match[str]) -> str:
        return found[1] + known.get(canonicalize_name(found[2]), found[4]) + found[5]

    text = re.sub(r"^(([\w.-]+)(==))(\S+)()$", new, text, flags=re.MULTILINE)
    return re.sub(r'^( +"([\w-]+)"(: "))(\d[\w.]*)(",)$', new, text, flags=re.MULTILINE)


def main(torch_from: list[str]) -> int:
    """Returns the exit code of the tests.

    Parameters
    ----------
    torch_from
        Options for pip that say where torch comes from.
    """
    before = {path: path.read_text(encoding="utf-8") for path in (PINS, LOCK, DOCUMENTED)}
    venv.create(FOLDER, with_pip=True, clear=True)
    python = FOLDER / "bin/python"
    wanted = ranges()
    torch = next(text for text in wanted if Requirement(text).name == "torch")
    for what in ([torch, *torch_from], wanted):
        subprocess.run([str(python), "-m", "pip", "install", "-q", *what], check=True)
    versions = installed(python)
    comments = "".join(line + "\n" for line in before[LOCK].splitlines() if line.startswith("#"))
    lines = sorted((f"{name}=={version}" for name, version in versions.items()), key=str.upper)
    LOCK.write_text(comments + "\n".join(lines) + "\n", encoding="utf-8")
    for path in (PINS, DOCUMENTED):
        path.write_text(rewritten(before[path], versions), encoding="utf-8")
    moved = set(PINS.read_text(encoding="utf-8").splitlines()) - set(before[PINS].splitlines())
    print("moved:", *sorted(moved) or ["nothing"], sep="\n  ")
    code = 1
    try:
        code = subprocess.run(["make", "-C", str(ROOT), "test", f"VENV={FOLDER}"]).returncode
    finally:  # Ctrl-C, too
        if code:
            for path, text in before.items():
                path.write_text(text, encoding="utf-8")
            print("the tests did not pass with them; the old pins are back")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
