"""Results on disk as the suite writes them, of scores that a test makes up."""

from babylm import files
from babylm.evaluation.results import item_results
from babylm.evaluation.results.task_result import Item, fingerprint, nan_to_none, score_choices


def pairs(sizes, human=False):
    """Items by UID: name -> number."""
    return [
        Item(uid, (f"good {uid} {i}", f"bad {uid} {i}"), ("", ""), human=i / n if human else None)
        for uid, n in sizes.items()
        for i in range(n)
    ]


def store(folder, items, scores, task="blimp", words=1000, suite="fast", rules=2026, backend="causal", **more):
    """``scores`` (items, candidates); returns the result."""
    result = score_choices(items, scores.ravel())
    file = folder / f"{task.replace('/', '_')}.{suite}.{rules}.{backend}.json"
    examples = {
        "wrong": [{"uid": "u", "margin": -1.0, "good": [["the", 1.0], ["<b>cat</b>", 4.5]], "bad": [["a", None]]}],
        "close": [],
        "right": [],
    }
    kept = item_results.write(folder / "items" / file.name, items, result, examples)
    content = {
        "task": task,
        "version": 1,
        "items_sha256": fingerprint(items),
        "model": folder.name,
        "backend": backend,
        "suite": suite,
        "rules": rules,
        "weights_sha256": "ab" * 32,
        "tokenizer_sha256": "cd" * 32,
        "items_kept": kept,
        "words": words,
        "dtype": "float32",
        "chance": 0.5,
        **result.as_dict(),
        "code": None,
        "seconds": 1.5,
        "time": "2026-01-01T00:00:00+00:00",
    }
    files.write_json(file, nan_to_none({**content, **more}))
    return result


def model(folder):
    """What makes a folder a model's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    return folder
