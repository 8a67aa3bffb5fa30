"""What several studies' tests share: a trained model that reads long prompts."""

from __future__ import annotations

import pytest

from tests.training import runs


@pytest.fixture(scope="session")
def long_reader(tmp_path_factory):
    """The folder of a small trained model with 1,024 positions."""
    folder = tmp_path_factory.mktemp("long_reader")
    short = ["budget.epochs=0.3", "averaging.name=none", "milestones=[]"]
    return runs.run(folder, *short, "model.max_position_embeddings=1024") / "main"
