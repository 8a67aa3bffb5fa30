"""One POST of JSON with retries: what can pass is tried again, what cannot is told at once, and no secret is told."""

from __future__ import annotations

import email.utils
import json
import os
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx2

from babylm import redaction

Answer = TypeVar("Answer")
"""What is read from the JSON of an answer."""
LONGEST_WAIT = 60.0
"""Seconds between two attempts at most."""
LONGEST_ASKED = 600.0
"""Seconds that a server may ask to wait (Retry-After); beyond, waiting is left to the user."""
LARGEST = 8 << 20
"""Bytes of an answer at most."""
SHORTEST_KEY = 8
"""Characters of a key that is looked for in answers; a shorter one ("none", "EMPTY") is no secret but may be a word."""

PROXIES = ("all_proxy", "https_proxy", "http_proxy")
CERTIFICATES = ("ssl_cert_file", "ssl_cert_dir")


class PassingError(Exception):
    """A failure that may pass; ``wait``: seconds that the server asked for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class JsonClient:
    """Posts JSON to one server; threads may share it.

    ``setting``: the setting that describes the server, for errors.
    """

    def __init__(
        self, url: str, key: str, timeout: float, retries: int, connections: int, setting: str = "interaction.endpoint"
    ) -> None:
        self.url, self.timeout, self.retries, self.setting = url.rstrip("/"), timeout, retries, setting
        self._key = key
        local = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
        with _told_environment(setting):
            self._client = httpx2.Client(
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx2.Timeout(timeout, connect=min(timeout, 10.0)),
                limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
                trust_env=not local,  # a proxy of the environment does not know this machine's ports
                follow_redirects=False,  # a key is for one server
            )
        weakref.finalize(self, self._client.close)
        self.sleep: Callable[[float], None] = time.sleep

    def post(self, path: str, body: dict[str, Any], read: Callable[[Any], Answer]) -> Answer:
        """``read`` of the JSON that answers ``body``.

        ``read`` raises KeyError, IndexError, TypeError or ValueError for JSON of another form.

        Raises:
            ValueError: The server refuses, or does not answer in any of the attempts; the last reason is told.
        """
        for attempt in range(self.retries + 1):
            try:
                return self._once(path, body, read)
            except PassingError as error:
                if attempt == self.retries or (error.wait or 0) > LONGEST_ASKED:
                    raise ValueError(self._told(path, str(error), attempt + 1)) from None
                backoff = min(LONGEST_WAIT, 0.5 * 2**attempt)
                self.sleep(max(backoff, error.wait or 0.0))  # a server that is still busy may ask for 0 s again
        raise AssertionError("the last attempt returns or raises")

    def _once(self, path: str, body: dict[str, Any], read: Callable[[Any], Answer]) -> Answer:
        deadline = time.monotonic() + self.timeout
        try:
            with self._client.stream("POST", f"{self.url}/{path}", json=body) as response:
                data = b""
                for chunk in response.iter_bytes():
                    data += chunk
                    if time.monotonic() > deadline:  # the client's own limit is for each piece
                        raise PassingError(f"no whole answer in {self.timeout:g} s ({self.setting}.timeout)")
                    if len(data) > LARGEST:
                        raise PassingError(f"an answer of more than {LARGEST:,} bytes")
        except httpx2.TimeoutException:
            raise PassingError(f"no whole answer in {self.timeout:g} s ({self.setting}.timeout)") from None
        except httpx2.ConnectError as error:
            raise PassingError(f"cannot connect ({error}): is the server running?") from None
        except httpx2.TransportError as error:
            raise PassingError(f"the connection was lost ({type(error).__name__}: {error})") from None
        except httpx2.DecodingError as error:
            raise PassingError(f"an answer that cannot be decoded ({error})") from None
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise ValueError(self._told(path, f"nothing can be sent to this address ({error})", 1)) from None
        return self._read(path, response, data, read)

    def _read(self, path: str, response: httpx2.Response, data: bytes, read: Callable[[Any], Answer]) -> Answer:
        status = response.status_code
        # The key is replaced before anything is cut: a part of it would not be found.
        text = " ".join(self._without_key(data.decode(errors="replace"))[:2000].split())[:200]
        if status == 429 or status >= 500:
            raise PassingError(f"status {status}: {text}", retry_after(response.headers.get("retry-after")))
        if status != 200:
            raise ValueError(self._told(path, f"status {status}: {text}{_advice(status, self.setting)}", 1))
        try:
            return read(self._without_key(json.loads(data)))
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            raise PassingError(
                "an empty answer" if not data.strip() else f"an answer of another form: {text}"
            ) from None

    def _without_key(self, value: Any) -> Any:
        """JSON in which the key, as it is or as an address or a string has it, is ``***``: answers are kept on disk."""
        if isinstance(value, str):
            if len(self._key) >= SHORTEST_KEY:
                for form in (self._key, json.dumps(self._key)[1:-1], quote(self._key), quote(self._key, safe="")):
                    value = value.replace(form, "***")
            return value
        if isinstance(value, dict):
            return {name: self._without_key(inner) for name, inner in value.items()}
        return [self._without_key(inner) for inner in value] if isinstance(value, list) else value

    def _told(self, path: str, reason: str, attempts: int) -> str:
        """The error's text, in which the key is not, even if the server repeats it."""
        reason = reason.replace(self._key, "***") if self._key else reason
        tried = "" if attempts == 1 else f" ({attempts} attempts)"
        return redaction.redact(f"{self.setting}: {self.url}/{path}: {reason}{tried}")


@contextmanager
def _told_environment(setting: str) -> Iterator[None]:
    """Turn what a client says of proxies and certificates in the environment into one ValueError that names them."""
    try:
        yield
    except ImportError:
        raise ValueError(
            f"{setting}: the environment names a SOCKS proxy ({_set(*PROXIES)}), which needs a further package: "
            "pip install socksio, or unset it"
        ) from None
    except OSError as error:
        raise ValueError(
            f"{setting}: the certificates that the environment names ({_set(*CERTIFICATES)}) cannot be read: "
            f"{error.strerror or error}"
        ) from None
    except (ValueError, httpx2.InvalidURL):  # the text may hold a proxy's password
        raise ValueError(
            f"{setting}: the environment names a proxy whose address is wrong ({_set(*PROXIES)})"
        ) from None


def _set(*names: str) -> str:
    """Which of these variables of the environment are set, whatever their case."""
    return ", ".join(sorted(name for name, value in os.environ.items() if value and name.lower() in names))


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, a number or a date; None if it says nothing.

    >>> retry_after("3"), retry_after("Thu, 01 Jan 1970 00:01:40 GMT", now=90.0), retry_after("soon")
    (3.0, 10.0, None)
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - (time.time() if now is None else now)
        except (ValueError, OverflowError, OSError):  # no date, or one that no clock has
            return None
    return max(0.0, seconds) if seconds == seconds else None


def _advice(status: int, setting: str) -> str:
    if status in (401, 403):
        return f"; set the variable that {setting}.key_variable names"
    if status == 404:
        return f"; check {setting}.url (it ends with the version, mostly /v1), .model and .api"
    return ""
