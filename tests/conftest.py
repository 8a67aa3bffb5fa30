"""Fixtures shared by all tests: small things, made here, no network."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

# A shell ignores SIGINT for what it starts in the background, and processes inherit that: the tests of Ctrl-C are of a
# process in the foreground.
with suppress(ValueError):  # only in a main thread
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("BABYLM_SHARED_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(autouse=True)
def _one_thread():
    """Two test processes share two cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def shared_data() -> Path:
    """Real data beside the checkout; the test skips where there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data at {SHARED} (set BABYLM_SHARED_DATA)")
    return SHARED


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """Every evaluation task's data in the official schema, made up; read, never written to."""
    from tests.evaluation import fixtures

    folder = tmp_path_factory.mktemp("evaluation_data")
    fixtures.write_all(folder)
    return folder
