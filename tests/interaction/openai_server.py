"""A small OpenAI-compatible server on 127.0.0.1 that behaves as a test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[["Handler", dict, int], object]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            number = len(server.requests)
            server.requests.append((self.path, body, dict(self.headers)))
            server.active += 1
            server.most_active = max(server.most_active, server.active)
        try:
            server.behaviour(self, body, number)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with server.lock:
                server.active -= 1

    def send(self, data, status=200, headers=()):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(data)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *given):
        pass


def chat(text):
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


def says(text):
    """Answers every question with a text, or with what a function makes of the request."""

    def behave(handler, body, number):
        answer = text(body) if callable(text) else text
        if handler.path.endswith("chat/completions"):
            handler.send(chat(answer))
        else:
            handler.send({"choices": [{"text": answer}]})

    return behave


def then(*behaviours):
    """The first behaviour for the first request, and so on; the last for all others."""

    def behave(handler, body, number):
        behaviours[min(number, len(behaviours) - 1)](handler, body, number)

    return behave


def status(code, headers=(), text="try later"):
    return lambda handler, body, number: handler.send({"error": {"message": text}}, code, headers)


def raw(data):
    return lambda handler, body, number: handler.send(data)


def closes(handler, body, number):
    """Promises a thousand bytes, and closes after ten."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices"')
    handler.wfile.flush()
    handler.close_connection = True


def drips(handler, body, number):
    """A byte now and then: each in time, the whole never."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def sleeps(seconds):
    return lambda handler, body, number: time.sleep(seconds)


class Server:
    """Use as a context; ``url`` is the base address."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.behaviour, self.http.requests, self.http.lock = behaviour, [], threading.Lock()
        self.http.active = self.http.most_active = 0
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    @property
    def requests(self):
        return self.http.requests

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *given):
        self.http.shutdown()
        self.http.server_close()
