"""A server of the tests' own that speaks as much of the Hub's interface as uploads and downloads need.

It asks for every file in the commit itself.  The real Hub has large ones sent to its store first, by a protocol that
the client keeps in compiled code; nothing of ours depends on which way a file takes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

_API = re.compile(r"/api/(datasets|models)/([\w.-]+/[\w.-]+)/(revision|tree|preupload|commit)/([\w.-]+)(?:/.*)?")
_FILE = re.compile(r"/(?:datasets/)?([\w.-]+/[\w.-]+)/resolve/([\w.-]+)/(.+)")


@dataclass
class Hub:
    """What was uploaded: for every repository its settings and its files.  `token` is the only one let in.

    While `full` is set every upload is refused, as where the account's storage is used up.  `role` is what the token may do.
    A repository that was put there with ``private`` False is open to all, one with ``gated`` True to none.  Revisions in
    `gone` are those of no repository; every other one is the newest.
    """

    token: str = "right-token"
    url: str = ""
    full: bool = False
    role: str = "write"
    repositories: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    @property
    def head(self) -> str:
        """The newest commit of any repository."""
        return f"{len(self.messages):040x}"


@contextmanager
def stand_in() -> Iterator[Hub]:
    """Start it on a free port; it ends with the block."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        def _answer(self, status: int, content: Any = None, **headers: str) -> None:
            data = (
                content if isinstance(content, bytes) else json.dumps(content if content is not None else {}).encode()
            )
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def _allowed(self) -> bool:
            if self.headers.get("Authorization") == f"Bearer {hub.token}":
                return True
            self._answer(401, {"error": "Invalid username or password."})
            return False

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            api, file = _API.fullmatch(path), _FILE.fullmatch(path)
            name = api[2] if api else file[1] if file else ""
            order = hub.repositories.get(name, {})
            if path == "/api/whoami-v2":
                if self._allowed():
                    self._answer(200, {"name": "somebody", "auth": {"accessToken": {"role": hub.role}}})
            elif name not in hub.repositories:
                self._answer(404, {"error": f"nothing at {path}"}, X_Error_Code="RepoNotFound")
            elif order.get("gated"):
                self._answer(403, {"error": f"Access to {name} is restricted."}, X_Error_Code="GatedRepo")
            elif order.get("private") is not False and not self._allowed():
                return
            elif (api[4] if api else file[2] if file else "") in hub.gone:
                self._answer(404, {"error": f"Invalid rev id: {path}"}, X_Error_Code="RevisionNotFound")
            elif api and api[3] == "revision":
                self._answer(200, {"id": name, "sha": hub.head, "siblings": []})
            elif api and api[3] == "tree":
                tree = [
                    {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for path, data in hub.files[name].items()
                ]
                self._answer(200, tree)
            elif file and file[3] in hub.files[name]:
                data = hub.files[name][file[3]]
                tag = f'"{hashlib.sha1(data).hexdigest()}"'
                self._answer(200, data, ETag=tag, X_Repo_Commit=hub.head)
            else:
                self._answer(404, {"error": f"nothing at {path}"}, X_Error_Code="EntryNotFound", X_Repo_Commit=hub.head)

        do_HEAD = do_GET

        def do_POST(self) -> None:
            body = self._body()
            if not self._allowed():
                return
            api = _API.fullmatch(self.path)
            if self.path == "/api/repos/create":
                order = json.loads(body)
                name = f"{order['organization']}/{order['name']}" if order.get("organization") else order["name"]
                known = name in hub.repositories
                hub.repositories.setdefault(name, order)
                hub.files.setdefault(name, {})
                self._answer(
                    409 if known else 200, {"url": self._place(order.get("type", "model") + "s", name), "id": name}
                )
            elif self.path == "/api/validate-yaml":
                self._answer(200, {"errors": [], "warnings": []})
            elif hub.full:
                self._answer(403, {"error": "Private repository storage limit reached."})
            elif api and api[3] == "preupload":
                modes = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self._answer(200, {"files": modes})
            elif api and api[3] == "commit":
                self._commit(self._place(api[1], api[2]), api[2], [json.loads(line) for line in body.splitlines()])
            else:
                self._answer(404, {"error": f"nothing at {self.path}"})

        def _place(self, kind: str, name: str) -> str:
            return f"{hub.url}/{name}" if kind == "models" else f"{hub.url}/{kind}/{name}"

        def _commit(self, place: str, name: str, lines: list[dict[str, Any]]) -> None:
            files = dict(hub.files[name])
            for line in lines:
                value = line["value"]
                if line["key"] == "header":
                    hub.messages.append(value["summary"])
                elif line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
            hub.files[name] = files
            self._answer(200, {"success": True, "commitOid": "1" * 40, "commitUrl": f"{place}/commit/{'1' * 40}"})

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    yield hub
    server.shutdown()
    server.server_close()
