"""Ctrl-C ends a command with one line at any moment, imports included.

Importing torch takes seconds, and an interrupt in the middle of an import comes out as whatever error the library
makes of it. Nothing has been written by then that a kill could hurt, so the process ends at once there; anywhere else
``KeyboardInterrupt`` is raised as usual, and `babylm.cli` catches it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType

EXIT_INTERRUPTED = 130
EXIT_STOPPED = 75
"""EX_TEMPFAIL of sysexits.h: try again. What has been done is kept, and the same command continues."""
MESSAGE = "interrupted"


def install() -> None:
    """Take over SIGINT and the display of ``KeyboardInterrupt``; call it from the main thread of a command."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else nohup or a caller has its own wish
        signal.signal(signal.SIGINT, _interrupt)
    sys.excepthook = _show


_came = False


def came() -> bool:
    """Whether Ctrl-C was pressed: a library may make another error of ``KeyboardInterrupt`` than it is."""
    return _came


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _came
    _came = True
    part = frame
    while part is not None:
        if part.f_code.co_filename.startswith("<frozen importlib"):
            os.write(2, f"\n{MESSAGE}\n".encode())
            os._exit(EXIT_INTERRUPTED)
        part = part.f_back
    raise KeyboardInterrupt


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(f"\n{MESSAGE}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
