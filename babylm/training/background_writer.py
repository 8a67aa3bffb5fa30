"""Work beside the training loop: one thread, one job at a time; errors are raised in the loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class BackgroundWriter:
    """Runs one job beside the loop; the next one waits for it, so at most one copy of the weights is in memory."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._job: Future[None] | None = None
        self._then: Callable[[], None] | None = None

    def start(self, job: Callable[[], None], then: Callable[[], None]) -> None:
        """Run ``job`` in the thread after the previous job; ``then`` runs in the caller's thread on `collect`.

        Raises the error of the previous job.
        """
        self.collect(wait=True)
        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="babylm-save")
        self._job, self._then = self._pool.submit(job), then

    def collect(self, wait: bool = False) -> None:
        """Raise the error of a job that has ended; with ``wait``, wait for the end first."""
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
