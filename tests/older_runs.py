"""A run of this version written back into the names and files of the version before; the inverse of the converter."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import yaml

from babylm import files, revisions
from babylm.training import checkpoint

MODEL = {
    "rope_theta": "rotary_base",
    "x0_skip": "input_skip",
    "layer_connections": "depth",
    "logit_softcap": "soft_cap",
    "sub_norm": "inner_norm",
}
VALUES = {
    "depth": {"standard": "plain", "denseformer": "average"},
    "attention_gate": {"headwise": "head", "elementwise": "element"},
}
SECTIONS = {
    "corpus": {"hub_dataset": "hub"},
    "tokenizer": {"vocab_size": "vocabulary"},
    "model": MODEL,
    "objective": {"masked_prediction": "reading"},
    "optimizer": {"max_grad_norm": "clip", "normuon": "normalized", "cautious_weight_decay": "cautious"},
    "schedule": {"final_lr_factor": "final"},
    "training": {"accumulate_grad_batches": "accumulate", "dry_run": "plan_only", "checkpoint_minutes": "save_minutes"},
    "evaluation": {"when": "at", "held_out_loss_when": "loss_at", "backend": "scorer"},
}
UNUSED = {"causal_ratio": 0.5, "reading": "mntp", "mask_rate": [0.3, 0.15], "span": 3, "keep": 0.1, "random": 0.1}
"""Settings that every objective had."""
OLD_CODE = "raise SystemExit('the code of a revision was run')\n"


def settings(new: dict) -> dict:
    """A configuration's sections under their old names."""
    old = {
        section: {SECTIONS[section].get(key, key): value for key, value in content.items()}
        if section in SECTIONS
        else content
        for section, content in new.items()
    }
    toy = old["corpus"].pop("toy")
    old["corpus"] |= {key: toy[key] for key in ("words", "seed")}
    old.pop("interaction", None)
    old["model"] = model(new["model"])
    old["objective"] = UNUSED | {"whole_words": False} | old["objective"]
    old["phases"] = [
        {"tokens" if key == "tokens_per_step" else key: value for key, value in phase.items()}
        for phase in new["phases"]
    ]
    old["training"]["attention"] = {"eager": "naive"}.get(old["training"]["attention"], old["training"]["attention"])
    if "evaluation" in old:
        old["evaluation"]["tasks"] = ["grammar" if task == "toy_pairs" else task for task in old["evaluation"]["tasks"]]
    return old


def model(new: dict, extra: dict | None = None) -> dict:
    old = {(MODEL | (extra or {})).get(key, key): value for key, value in new.items()}
    old |= {key: values.get(old[key], old[key]) for key, values in VALUES.items()}
    factor = old.pop("partial_rotary_factor")
    if old["position"] == "rotary" and factor == 0.5:
        old["position"] = "half_rotary"
    return old


def write_back(folder: Path) -> Path:
    """Make everything in a run's folder old, in place; returns ``folder``."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(settings(config), sort_keys=False))
    identity = json.loads((folder / "identity.json").read_text())
    others = {key: identity[key] for key in ("corpus fingerprint", "init_from") if key in identity}
    nested: dict = {}
    for key, value in identity.items():
        section, dot, name = key.partition(".")
        if dot:
            nested.setdefault(section, {})[name] = value
        elif key not in others:
            nested[key] = value
    flat: dict = {}
    for section, content in settings(nested).items():
        flat |= {f"{section}.{k}": v for k, v in content.items()} if isinstance(content, dict) else {section: content}
    files.write_json(folder / "identity.json", flat | others)
    environment = json.loads((folder / "environment.json").read_text())
    files.write_json(folder / "environment.json", environment | {"attention": _attention(environment["attention"])})
    for name in ("last.ckpt", "previous.ckpt"):
        if (folder / name).is_file():
            _state(folder / name)
    metrics = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(metrics.replace('"task/toy_pairs"', '"task/grammar"'))
    for name in revisions.revision_names(folder):
        revision(folder / name)
    for file in [*folder.glob("evaluation/*.json"), *folder.glob("evaluation/*/*.json")]:
        result(file)
    return folder


def revision(folder: Path) -> None:
    """Make one revision old, with code that must not be run."""
    new = json.loads((folder / "config.json").read_text())
    old = model(new, {"prediction_mode": "reading"})
    old["auto_map"] = {key: value.replace("_babylm.", ".") for key, value in new["auto_map"].items()}
    files.write_json(folder / "config.json", old)
    for file in folder.glob("*.py"):
        file.unlink()
    for name in ("configuration.py", "modeling.py", "attention.py", "trunk.py"):
        (folder / name).write_text(OLD_CODE)
    seal(folder)


def seal(folder: Path) -> None:
    """Write the manifest of the files that are there."""
    (folder / "manifest.json").unlink()
    entries = {
        file.name: {"bytes": file.stat().st_size, "sha256": files.sha256_file(file)} for file in folder.iterdir()
    }
    files.write_json(folder / "manifest.json", {"files": entries})


def result(file: Path) -> None:
    """Make one result or curve old."""
    content = json.loads(file.read_text())
    if "backend" not in content:
        return
    old = {"scorer" if key == "backend" else key: value for key, value in content.items() if key != "content_sha256"}
    if "by_part" in old:
        old["by_uid"] = {**old["by_uid"], **old.pop("by_part")}
    old["task"] = "grammar" if old["task"] == "toy_pairs" else old["task"]
    if "content_sha256" in content:
        old["content_sha256"] = files.sha256_json(old)
    name = file.name.replace("toy_pairs.", "grammar.")
    for beside in ("items", "predictions"):
        if (path := file.parent / beside / file.name).is_file():
            path.rename(path.with_name(name))
    file.unlink()
    files.write_json(file.with_name(name), old)


def _state(file: Path) -> None:
    content = torch.load(file, weights_only=True)
    content = {**content, "attention": _attention(content["attention"])}
    content.pop("feed")
    content.pop("format")
    area = file.parent / "work"
    area.mkdir()
    checkpoint.save(area, content)
    (area / "last.ckpt").replace(file)
    area.rmdir()


def _attention(name: str) -> str:
    return "naive" if name == "eager" else name
