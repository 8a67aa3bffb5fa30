"""Work that need not hold up the loop: one thread, one job at a time, and errors that come back to the loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class BackgroundWriter:
    """Runs one job beside the loop; a second one waits for the first, so at most one copy of the weights is alive."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._job: Future[None] | None = None
        self._then: Callable[[], None] | None = None

    def start(self, job: Callable[[], None], then: Callable[[], None]) -> None:
        """Run ``job`` in the thread, once the one before has ended; ``then`` runs in the caller's when it is collected.

        Raises the error of the job before.
        """
        self.collect(wait=True)
        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="babylm-save")
        self._job, self._then = self._pool.submit(job), then

    def collect(self, wait: bool = False) -> None:
        """Raise the error of a job that has ended; ``wait`` for one that has not."""
        if self._job is None or not (wait or self._job.done()):
            return
        job, then, self._job, self._then = self._job, self._then, None, None
        job.result()
        if then is not None:
            then()

    def close(self) -> None:
        """Wait for the job, raise its error, and end the thread."""
        try:
            self.collect(wait=True)
        finally:
            if self._pool is not None:
                self._pool.shutdown()
                self._pool = None
