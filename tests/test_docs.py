"""The pages of docs/: their Python runs from top to bottom, links lead somewhere, importing the library is light."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial

import pytest

from babylm.corpora import toy
from babylm.submission import load_check
from tests.commands import ROOT, code_blocks, page_files
from tests.evaluation import fixtures
from tests.studies import planted

PAGES = ("library.md", "own_objective_or_task.md", "own_teacher.md")
"""Pages whose pieces of Python are one script."""
TINY = """
name: smoke
track: free
milestones: [400]
corpus: {source: toy, toy: {words: 3000}, document_words: 40}
tokenizer: {vocab_size: 320}
model: {preset: smoke, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 48}
phases: [{sequence_length: 32, tokens_per_step: 256}]
budget: {words: 900}
training: {precision: fp32, attention: sdpa, log_every: 4}
evaluation: {when: none, held_out_loss_when: none, tasks: [toy_pairs]}
"""
"""Replaces configs/smoke.yaml."""
TINY_INTERACTION = """
name: interaction
track: free
corpus: {source: microlanguage, toy: {words: 2000, errors: 0.5}}
tokenizer: {vocab_size: 320}
model: {preset: smoke, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 48}
objective: {name: grpo}
schedule: {name: constant, warmup: 0.0}
phases: [{sequence_length: 32, tokens_per_step: 1024}]
training: {precision: fp32}
interaction: {feedback: score, rounds: 1, prompts: 8, samples: 2, groups_per_step: 4}
"""
"""Replaces configs/interaction.yaml."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory of a page: a tiny configs/smoke.yaml, made-up evaluation data, no plug-ins yet."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "smoke.yaml").write_text(TINY)
    (tmp_path / "configs" / "interaction.yaml").write_text(TINY_INTERACTION)
    fixtures.write_all(tmp_path / "evaluation_data")
    monkeypatch.chdir(tmp_path)
    planted.forget_plugins(monkeypatch)
    monkeypatch.setattr(load_check, "problems", lambda *given, **named: ([], []))  # it takes long
    monkeypatch.setattr(toy, "minimal_pairs", partial(toy.minimal_pairs, count=5))
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, folder, capsys):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for name, content in page_files(text).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    pieces = [code for kind, code in code_blocks(text) if kind == "python" and code not in page_files(text).values()]
    names: dict[str, object] = {}
    for piece in pieces:
        exec(compile(piece, page, "exec"), names)
        assert "print" not in piece or capsys.readouterr().out.strip(), piece


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *sorted(ROOT.glob("docs/*.md"))], ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link


def test_every_guide_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page.name


@pytest.mark.parametrize("name", ["babylm", "babylm.api", "babylm.runs", "babylm.config"])
def test_importing_the_library_loads_nothing_heavy(name):
    code = f"import {name}, sys; print(sorted({{'torch', 'lightning', 'transformers', 'datasets'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
