"""The ranks of a run watch each other: if one dies, all end at once, and the log says which one and why.

Without this a survivor waits in a collective for the dead one, or ends with an error about a connection. Every rank
holds a connection to the first one. The kernel closes it when a process dies, however it dies; if a whole machine is
gone, keep-alive probes notice within half a minute. Nothing is measured in seconds of computing: a slow rank is no dead
rank. States and revisions are complete or absent at any moment, so the survivors need not save anything.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import lightning as L
import torch

from babylm.training.errors import NonFiniteError, RunStopped

EXIT_PEER_FAILED = 1
CONNECT_SECONDS = 20.0
CAUSE_SECONDS = 30.0
"""How long a rank whose communication broke waits to learn which rank was the cause."""
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}


class Peers(L.Callback):
    """Connects the ranks once they are known; call `done` after the last collective, `failed` after an error.

    ``log``: of this rank (quiet but on the first); ``end``: ends the process from a thread.
    """

    def __init__(self, log: Callable[[str], None], end: Callable[[int], Any] = os._exit) -> None:
        self.write_log, self.end = log, end
        self.rank, self.world = 0, 1
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        """Set once this rank needs no watching; then a closed connection means nothing."""
        self._links: dict[socket.socket, _Link] = {}
        self._listener: socket.socket | None = None
        self._token = ""
        """Known to the ranks of this run alone."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Connect: the first rank listens, all others call it."""
        self.rank, self.world = trainer.global_rank, trainer.world_size
        if self.world == 1:
            return
        address, token = ("", 0), secrets.token_hex(8)
        if self.rank == 0:
            several_nodes = trainer.num_nodes > 1
            self._listener = socket.create_server(("" if several_nodes else "127.0.0.1", 0), backlog=self.world)
            host = os.environ["MASTER_ADDR"] if several_nodes else "127.0.0.1"
            address = (host, self._listener.getsockname()[1])
        address, token = trainer.strategy.broadcast((address, token))
        if self.rank > 0:
            try:
                link = _Link(socket.create_connection(address, CONNECT_SECONDS), 0)
            except OSError as error:
                print(f"warning: rank {self.rank} cannot watch rank 0 at {address}: {error}", file=sys.stderr)
                return
            here = {"rank": self.rank, "process": os.getpid(), "host": socket.gethostname()}
            link.send({**here, "token": token})
            self._links[link.socket] = link
        self._token = token
        self._thread = threading.Thread(target=self._watch, name="babylm-peers", daemon=True)
        self._thread.start()

    def done(self) -> None:
        """This rank needs the others no more, and they must not wait for it."""
        self._over.set()
        self._tell({"done": True})
        self._close()

    def failed(self, error: BaseException) -> None:
        """Tell the others that this rank ends with ``error``, unless that is only the echo of another rank's death."""
        if self._thread is None:
            return
        if isinstance(error, NonFiniteError | RunStopped):  # all ranks see the same norm, and stop at the same step
            self.done()
            return
        if _is_of_communication(error):
            self._thread.join(CAUSE_SECONDS)  # it ends the process when it knows
        self._over.set()
        cause = self._describe(self.rank, os.getpid(), socket.gethostname(), f"{type(error).__name__}: {error}")
        self._tell({"failed": cause})
        if self.rank == 0:
            self.write_log(f"error: {cause}")
        self._close()

    def _watch(self) -> None:
        """Read what the others send until this rank is done, or one of them is dead."""
        selector = selectors.DefaultSelector()
        for source in (self._listener, *self._links):
            if source is not None:
                selector.register(source, selectors.EVENT_READ)
        while not self._over.is_set():
            for key, _ in selector.select(timeout=0.2):
                readable = key.fileobj
                assert isinstance(readable, socket.socket)
                if readable is self._listener:
                    with suppress(OSError):
                        connection, _ = readable.accept()
                        self._links[connection] = _Link(connection, None)
                        selector.register(connection, selectors.EVENT_READ)
                elif self._read(self._links[readable]):
                    selector.unregister(readable)

    def _read(self, link: _Link) -> bool:
        """Act on what has come over a connection; returns whether it is closed."""
        messages, closed = link.receive()
        for message in messages:
            if link.rank is None:
                if message.get("token") != self._token:
                    continue  # not one of us
                link.rank, link.process, link.host = message["rank"], message["process"], message["host"]
            elif "done" in message:
                link.done = True
            elif "failed" in message:
                self._end(message["failed"])
        if closed and not link.done and link.rank is not None:
            reason = "has died (killed, out of memory, or its machine is gone)"
            self._end(self._describe(link.rank, link.process, link.host, reason))
        return closed

    def _describe(self, rank: int, process: int | None, host: str, reason: str) -> str:
        """The rank and what happened to it, in one line."""
        who = f" (process {process} on {host})" if process is not None else ""
        return f"rank {rank} of {self.world}{who}: {reason}".replace("\n", " ")

    def _end(self, cause: str) -> None:
        """Tell the others, write the cause down, and end this process: its main thread may wait forever."""
        if self._over.is_set():
            return
        self._over.set()
        if self.rank == 0:
            self._tell({"failed": cause})
            self.write_log(f"error: {cause}; the last saved state is kept: repeat the command to continue")
        else:
            print(f"rank {self.rank} ends, as an error occurred: {cause}", file=sys.stderr, flush=True)
        self.end(EXIT_PEER_FAILED)

    def _tell(self, message: dict[str, Any]) -> None:
        for link in list(self._links.values()):
            link.send(message)

    def _close(self) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        for link in self._links.values():
            link.socket.close()
        if self._listener is not None:
            self._listener.close()
        self._links, self._listener, self._thread = {}, None, None


class _Link:
    """A connection to another rank: JSON, one object per line."""

    def __init__(self, connection: socket.socket, rank: int | None) -> None:
        self.socket, self.rank = connection, rank
        self.process: int | None = None
        self.host = ""
        self.done = False
        self._rest = b""
        connection.settimeout(CONNECT_SECONDS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def send(self, message: dict[str, Any]) -> None:
        """Send it, if the other side is still there."""
        with suppress(OSError):
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> tuple[list[dict[str, Any]], bool]:
        """(messages, whether the other side has closed)."""
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            data = b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        messages = []
        for line in lines:
            with suppress(ValueError):
                message = json.loads(line)
                messages += [message] if isinstance(message, dict) else []
        return messages, not data


def _is_of_communication(error: BaseException) -> bool:
    """Whether an error says that another rank cannot be reached, as gloo and NCCL do when it is dead."""
    text = str(error)
    return isinstance(error, torch.distributed.DistError) or any(
        words in text for words in ("gloo", "Connection closed by peer", "Connection reset by peer")
    )
