"""A stand-in for the Hub: the part of its HTTP interface that a push uses, in memory, on this machine."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = 50_000
"""Bytes from which a file goes through LFS here."""


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """Repositories by name: branch -> path -> content."""

    def __init__(self):
        self.repos, self.objects, self.tokens, self.requests = {}, {}, set(), []
        self.refuse = False
        self.corrupt = None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = unquote(urlsplit(self.path).path)
                hub.requests.append((self.command, path))
                hub.tokens.add(self.headers.get("Authorization"))
                status, answer = hub.answer(self.command, path, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method, path, body):
        if path.startswith("/upload/"):
            self.objects[path.removeprefix("/upload/")] = body
            return 200, {}
        if self.refuse:
            return 403, {"error": "this token may not write"}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(part for part in (asked.get("organization"), asked["name"]) if part)
            known = name in self.repos
            self.repos.setdefault(name, {"main": {}})
            return (409 if known else 200), {"url": f"{self.url}/{name}", "name": name}
        if path == "/api/validate-yaml":
            front = json.loads(body)["content"].split("---")[1]
            return 200, {"errors": [] if "license:" in front else [{"message": "no license"}], "warnings": []}
        if found := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
            return 200, self.batch(json.loads(body))
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/([^/]+))?(?:/(.+))?", path)
        if not found or found[1] not in self.repos:
            return 404, {"error": f"no such thing: {path}"}
        return self.on_repo(method, found[1], found[2], found[3], body)

    def batch(self, asked):
        def known(one):
            action = {"upload": {"href": f"{self.url}/upload/{one['oid']}", "header": {}}}
            return one if one["oid"] in self.objects else one | {"actions": action}

        objects = [known(one) for one in asked["objects"]]
        return {"transfer": "basic", "objects": objects}

    def on_repo(self, method, name, verb, branch, body):
        repo = self.repos[name]
        if verb is None or verb == "revision":
            return 200, {"id": name, "sha": "0" * 40, "siblings": []}
        if verb == "refs":
            branches = [{"name": own, "ref": f"refs/heads/{own}", "targetCommit": "0" * 40} for own in repo]
            return 200, {"branches": branches, "tags": [], "converts": []}
        if verb == "branch":
            repo.setdefault(branch, dict(repo["main"]))
            return 200, {}
        if verb == "tree":
            return 200, [self.entry(path, content) for path, content in sorted(repo[branch].items())]
        if verb == "preupload":
            asked = json.loads(body)["files"]
            modes = [{"path": one["path"], "uploadMode": "lfs" if one["size"] >= LARGE else "regular"} for one in asked]
            return 200, {"files": [{**one, "shouldIgnore": False, "oid": None} for one in modes]}
        if verb == "commit":
            self.commit(repo[branch], [json.loads(line) for line in body.splitlines()])
            return 200, {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.url}/{name}/commit/{'0' * 40}"}
        return 404, {"error": f"{method} {verb}"}

    def entry(self, path, content):
        listed = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
        if len(content) >= LARGE:
            sha256 = hashlib.sha256(content).hexdigest()
            listed["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
        return listed

    def commit(self, branch, lines):
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                content = base64.b64decode(value["content"])
                branch[value["path"]] = content + b" " if value["path"] == self.corrupt else content
            elif line["key"] == "lfsFile":
                branch[value["path"]] = self.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                branch.pop(value["path"], None)
