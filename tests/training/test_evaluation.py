"""Evaluation at milestones: on a subsample, as curves over words, with its time, and without a trace in the weights."""

import json

from babylm.evaluation import suite
from tests.evaluation import fixtures
from tests.training import runs


def test_tasks_at_milestones_leave_training_alone(tmp_path, monkeypatch):
    fixtures.write_all(tmp_path / "data")
    asked = []

    def watched(*args, **options):
        results = plain(*args, **options)
        asked.append(({name: result.n for name, result in results.items()}, options["rules"]))
        return results

    plain = suite.run
    monkeypatch.setattr(suite, "run", watched)
    bare = runs.run(tmp_path / "bare", "rules=2025")
    assert not asked
    measured = runs.run(
        tmp_path / "measured",
        "rules=2025",
        "evaluation.when=milestones",
        "evaluation.tasks=[blimp,entity_tracking]",
        "evaluation.limit=4",
        f"evaluation.data={tmp_path / 'data'}",
    )
    assert runs.digest(runs.state(bare)) == runs.digest(runs.state(measured))
    # At both milestones and the end, and once untrained; blimp has six pairs, entity tracking twelve items.
    assert asked == [({"blimp": 4, "entity_tracking": 4}, 2025)] * 4
    lines = [json.loads(line) for line in (measured / "metrics.jsonl").read_text().splitlines()]
    curve = [line for line in lines if "task/blimp" in line]
    words = [line["words"] for line in curve]
    assert len(words) == 3
    assert words == sorted(words)
    assert words[0] >= 400
    assert words[1] >= 900
    for line in curve:
        assert 0 <= line["task/blimp"] <= 1
        assert 0 <= line["task/entity_tracking"] <= 1
        assert 0 < line["evaluation_seconds"] < 60
    log = (measured / "log.txt").read_text()
    assert log.count("measured at ") == 3
    assert "task/entity_tracking" in log
    named = runs.run(
        tmp_path / "named",
        "evaluation.when=milestones",
        "evaluation.milestones=[chck_900]",
        "evaluation.tasks=[blimp]",
        "evaluation.limit=1",
        f"evaluation.data={tmp_path / 'data'}",
    )
    assert (named / "log.txt").read_text().count("measured at ") == 2  # and the end
