"""A server of the tests' own that speaks as much of the Hub's interface as an upload needs.

It asks for every file in the commit itself.  The real Hub has large ones sent to its store first, by a protocol that
the client keeps in compiled code; nothing of ours depends on which way a file takes.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hub:
    """What was uploaded: for every repository its settings and its files.  `token` is the only one let in."""

    token: str = "right-token"
    url: str = ""
    repositories: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)


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

        def _answer(self, status: int, content: Any = None) -> None:
            data = json.dumps(content if content is not None else {}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            name = self.path.removeprefix("/api/datasets/").partition("/revision/")[0]
            if name in hub.repositories:
                self._answer(200, {"id": name, "sha": "0" * 40, "siblings": []})
            else:
                self._answer(404, {"error": f"nothing at {self.path}"})

        def do_POST(self) -> None:
            body = self._body()
            if self.headers.get("Authorization") != f"Bearer {hub.token}":
                self._answer(401, {"error": "Invalid username or password."})
            elif self.path == "/api/repos/create":
                order = json.loads(body)
                name = f"{order['organization']}/{order['name']}" if order.get("organization") else order["name"]
                known = name in hub.repositories
                hub.repositories.setdefault(name, order)
                hub.files.setdefault(name, {})
                self._answer(409 if known else 200, {"url": f"{hub.url}/datasets/{name}", "id": name})
            elif self.path == "/api/validate-yaml":
                self._answer(200, {"errors": [], "warnings": []})
            elif re.fullmatch(r"/api/datasets/.+/preupload/main", self.path):
                modes = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self._answer(200, {"files": modes})
            elif found := re.fullmatch(r"/api/datasets/(.+)/commit/main", self.path):
                self._commit(found[1], [json.loads(line) for line in body.splitlines()])
            else:
                self._answer(404, {"error": f"nothing at {self.path}"})

        def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
            for line in lines:
                value = line["value"]
                if line["key"] == "header":
                    hub.messages.append(value["summary"])
                elif line["key"] == "file":
                    hub.files[name][value["path"]] = base64.b64decode(value["content"])
            address = f"{hub.url}/datasets/{name}/commit/{'1' * 40}"
            self._answer(200, {"success": True, "commitOid": "1" * 40, "commitUrl": address})

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    yield hub
    server.shutdown()
    server.server_close()
