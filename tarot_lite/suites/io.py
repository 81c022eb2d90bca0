"""Suites as files: JSONL in the published form, a `datasets` folder, and the Hub."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tarot_lite.runs import write_atomic

__all__ = ["push", "write_dataset", "write_rows"]


def write_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    r"""Write rows byte for byte as the published JSONL has them: compact, ASCII, slashes escaped.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.jsonl"
    >>> write_rows(path, [{"problem": "a/b é"}])
    >>> print(path.read_text(), end="")
    {"problem":"a\/b \u00e9"}
    """
    lines = (json.dumps(row, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/") + "\n" for row in rows)
    write_atomic(path, "".join(lines))


def write_dataset(folder: str | Path, rows: Sequence[Mapping[str, Any]], card: str, split: str = "train") -> None:
    """Write a folder that ``datasets.load_dataset`` reads and the Hub shows: one Parquet file and ``README.md``.

    Columns whose values differ in kind from row to row (Arrow cannot hold them) become JSON text, which
    `problems.from_row` reads as well.
    """
    import pyarrow
    import pyarrow.parquet

    whole = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(_columns(rows)), whole)
    write_atomic(Path(folder) / "data" / f"{split}-00000-of-00001.parquet", whole.getvalue().to_pybytes())
    write_atomic(Path(folder) / "README.md", card)


def push(
    folder: str | Path, repo_id: str, token: str | None = None, private: bool = True, endpoint: str | None = None
) -> str:
    """Upload a folder of `write_dataset` to the Hub as a data set, card included.

    Parameters
    ----------
    folder
        What to upload.
    repo_id
        ``"user/name"``; made if it is not there.
    token
        Hub token; None takes the one that ``hf auth login`` stored.
    private
        Whether a new data set is private.
    endpoint
        Another Hub; None is huggingface.co, or what ``HF_ENDPOINT`` says.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    FileNotFoundError
        If the folder holds no data set.
    OSError
        If the Hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if not (Path(folder) / "README.md").is_file():
        raise FileNotFoundError(f"{folder}: no data set here; give the `dataset` folder that a build wrote")
    hub = HfApi(endpoint=endpoint, token=token)
    try:
        hub.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        commit = hub.upload_folder(repo_id=repo_id, repo_type="dataset", folder_path=str(folder))
    except HfHubHTTPError as error:
        raise OSError(
            f"{repo_id}: the Hub refused the upload ({error}); is the name right, and may the token write there? "
            "(`hf auth login`, or the environment variable HF_TOKEN)"
        ) from error
    return str(commit.commit_url)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    import pyarrow

    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in names}
    for name, values in columns.items():
        try:
            same = pyarrow.array(values).to_pylist() == values  # Arrow fills fields up that a row lacks
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError):
            same = False
        if not same:
            columns[name] = [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
    return columns
