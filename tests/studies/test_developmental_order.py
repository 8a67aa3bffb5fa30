"""The study of developmental order: planted orders are found, norms are read, a run with revisions is enough."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from babylm import study
from babylm.config.checks import ConfigError
from babylm.config.studies import load_study
from babylm.evaluation import suite
from babylm.files import DamagedFile
from babylm.models.modeling_babylm import BabyLMForCausalLM
from babylm.runs import Run
from babylm.studies import _child_norms as norms
from babylm.studies import _developmental_tables as tables
from babylm.studies import developmental_order
from babylm.studies.experiment import Measurement, Measurements
from tests.conftest import ROOT
from tests.training import runs

pytest.importorskip("scipy")
CONFIG = ROOT / "configs" / "studies" / "developmental_order.yaml"


def planted(seeds=(1, 2, 3), parts=12, noise=0.02):
    """Three conditions: b has the order of a, c the reverse; words follow frequency in a, and age beyond it in b."""
    generator, rows = np.random.default_rng(0), []
    frequency = generator.normal(size=300)
    age = 24 - frequency + generator.normal(size=300)
    for name, sign in (("a", 1), ("b", 1), ("c", -1)):
        for seed in seeds:
            for part in range(parts):
                value = 4 + sign * part / parts + noise * generator.normal()
                rows.append(Measurement(name, seed, f"part{part:02}", "acquired", value))
                rows.append(Measurement(name, seed, f"part{part:02}", "final accuracy", 0.9))
            for word in range(300):
                model = -frequency[word] if name == "a" else age[word]
                model += 0.1 * generator.normal()
                for measure, value in (
                    ("word acquired", model),
                    ("child age", age[word]),
                    ("log frequency", frequency[word]),
                ):
                    rows.append(Measurement(name, seed, f"w{word}", measure, float(value)))
    return Measurements(rows)


def test_a_planted_order_is_found():
    table = tables.order(planted())
    first = next(row for row in table.rows if row[0] == "part00")
    assert first[1] == pytest.approx(10**4, rel=0.1)
    low, high = (float(end.replace(",", "")) for end in first[2].split(" to "))
    assert low <= first[1] <= high
    assert first[3] == "3/3"


def test_parts_that_are_acquired_are_counted_among_those_of_the_condition_itself():
    """Finished runs are conditions with a seed each; a piece may fail."""
    rows = [
        Measurement(name, seed, "u", measure, value)
        for name, seed in (("first", 1), ("second", 2), ("second", 3))
        for measure, value in (("acquired", 3.0), ("final accuracy", 0.9))
    ]
    assert tables.order(Measurements(rows)).rows[0][3::3] == ["1/1", "2/2"]


def test_agreement_has_its_ceiling_beside_it():
    rows = {row[0]: row for row in tables.agreement(planted(), "acquired").rows}
    assert rows["a: two seeds"][1] > 0.95
    assert rows["a and b"][1] > 0.95
    assert rows["a and c"][1] < -0.95
    assert rows["a and c"][3] < 0 < rows["a and b"][2], "intervals"


def test_frequency_is_taken_out_of_the_order_of_words():
    rows = {(row[0], row[1]): row for row in tables.words(planted()).rows}
    assert rows["a", "model and children"][2] > 0.4
    alone = rows["a", "model and children, frequency taken out"]
    assert alone[3] < 0 < alone[4], "a is frequency alone"
    assert rows["b", "model and children, frequency taken out"][2] > 0.9
    assert rows["b", "frequency and children (control)"][2] < 0


def test_norms_by_age_and_by_month(tmp_path):
    ages = tmp_path / "ages.csv"
    ages.write_text("id,age_of_acquisition,word\n1,4.5,Dog\n2,NA,cat\n3,7.25,ice cream\n4,6,tree\n")
    assert norms.read(ages) == {"dog": 4.5, "tree": 6.0}
    months = tmp_path / "months.csv"
    shares = [min(0.98, 0.02 + 0.08 * k) for k in range(13)]
    columns = ",".join(f'"{month}"' for month in range(16, 29))
    months.write_text(f'"definition",{columns}\n"ball",{",".join(f"{s:.2f}" for s in shares)}\n')
    assert norms.read(months) == {"ball": pytest.approx(22.0, abs=0.3)}
    ages.write_text("word;aoa\nDog;4,5\ncat;NA\n")
    assert norms.read(ages) == {"dog": 4.5}, "semicolons and decimal commas"
    ages.write_text("word,aoa\ndog,4.5\ncat,about five\n")
    with pytest.raises(ValueError, match="column aoa, line 3: 'about five' is no number"):
        norms.read(ages)
    for content, message in (
        ("word,aoa\ndog,-999\n", "no age is -999"),
        ("word,aoa\ndog,NA\n", "no word has an age"),
        ("word,16,17\ndog,10,60\n", "10 is no share of children"),
        ("word,16,17\ndog,-1,0.5\n", "-1 is no share of children"),
        ("word,2026\ndog,0.5\n", "has the columns word, 2026; give a table of words"),
        ("word,Word,aoa\ndog,cat,4\n", "word and Word are columns of one name"),
        ("word,AoA,aoa\ndog,3,4\n", "AoA and aoa are columns of one name"),
        ('{"word": "dog"}\n', "ending .jsonl"),
    ):
        ages.write_text(content)
        with pytest.raises(ValueError, match=message):
            norms.read(ages)
    ages.write_text("[word],[aoa]\ndog,4\n")
    with pytest.raises(DamagedFile, match=r"has the columns \[word\], \[aoa\]"):
        norms.read(ages)  # a header as databases write it is no JSON
    months.write_text(months.read_text().replace("ball", " Ball "))
    assert list(norms.read(months)) == ["ball"]
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(DamagedFile, match="has the columns a, b; give a table of words"):
        norms.read(other)


def test_contexts_are_different_beginnings():
    lines = ["we saw the dog", "we saw the Dog run", "look at the dog", "dog"]
    assert norms.contexts(lines, ["dog"], 5, 2) == {"dog": ["we saw the", "look at the"]}
    assert norms.contexts(lines, ["dog"], 1, 1) == {"dog": ["we saw the"]}
    assert norms.contexts(lines, ["dog", "run"], 5, 2).keys() == {"dog"}
    assert norms.frequencies(["The dog", "a DOG ran"], ["dog", "cat"]) == {"dog": 2, "cat": 0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["objectives=[causl]"], "did you mean causal"),
        (["objectives=[]"], "name at least one"),
        (["objectives=[causal, causal]"], "objectives: causal is there twice"),
        (["changes=[milestones]"], "written key=value"),
        (["suite=fasst"], "did you mean fast"),
    ],
)
def test_mistakes_are_told_first(words, message):
    with pytest.raises(ConfigError, match=message):
        load_study(CONFIG, words)


def test_what_is_acquired_at_the_first_revision_is_marked():
    def rows(first):
        values = {"acquired": 3.0, "final accuracy": 0.9} | ({} if first is None else {tables.AT_FIRST: first})
        return [
            Measurement("causal", seed, "u", measure, value) for seed in (1, 2) for measure, value in values.items()
        ]

    early, later, older = (Measurements(rows(first)) for first in (1.0, 0.0, None))
    assert tables.order(early).rows[0][-1] == "2/2 (2 at first)"
    assert tables.order(early).rows[0][-2] == "1,000 to 1,000"
    alone = tables.order(Measurements([row for row in early if row.seed == 1]))
    assert alone.rows[0][-2] is None, "one value alone has no interval"
    assert tables.order(later).rows[0][-1] == "2/2"
    assert tables.order(older).rows[0][-1] == "2/2", "a piece of before does not know"
    assert "are 2 parts of the task and 0 words" in tables.early(early)
    assert not tables.early(later) + tables.early(older)


def test_what_the_untrained_model_has_is_told():
    rows = [Measurement("causal", 1, uid, "acquired", 3.0) for uid in "uv"]
    rows += [Measurement("causal", 1, uid, "final accuracy", 0.9) for uid in "uv"]
    rows += [Measurement("causal", 1, uid, tables.AT_FIRST, 1.0) for uid in "uv"]
    rows += [Measurement("causal", 1, uid, tables.BEFORE_TRAINING, float(uid == "u")) for uid in "uv"]
    measured = Measurements(rows)
    assert {row[0]: row[-1] for row in tables.order(measured).rows} == {
        "u": "1/1 (1 at first, 1 untrained)",
        "v": "1/1 (1 at first)",
    }
    assert tables.early(measured).endswith("Of the 2 parts 1 are above the mark in the untrained model, too.")


def test_the_untrained_model_is_the_one_that_the_run_began_with(tmp_path):
    folder = runs.run(tmp_path / "run", "optimizer.lr=1e-30", "optimizer.adam_lr=1e-30", "milestones=[]", "seed=3")
    main = BabyLMForCausalLM.from_pretrained(folder / "main").state_dict()
    before = developmental_order.untrained(Run(folder)).state_dict()
    assert before.keys() == main.keys()
    assert all(torch.allclose(before[name], main[name], rtol=1e-5, atol=1e-9) for name in main)


def test_missing_data_is_told_by_the_key_of_the_study(tmp_path, capsys):
    for words, key in ((["task=blimp", f"data={tmp_path}"], "data"), (['changes=["evaluation.tasks=[]"]'], "task")):
        assert study._command([str(CONFIG), f"folder={tmp_path}/out", *words]) == 2
        assert f"error: {key}: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_with_revisions_is_enough(tmp_path, capsys):
    trained = runs.run(tmp_path / "run", "name=tiny", "milestones=[300,600]")
    pairs = tmp_path / "pairs.jsonl"
    lines = [
        {"sentence_good": f"the dog sees {n} cats .", "sentence_bad": f"dog the sees {n} cats ."} for n in range(40)
    ]
    pairs.write_text("".join(f"{json.dumps(line | {'UID': f'u{n % 2}'})}\n" for n, line in enumerate(lines)))
    held_out = tmp_path / "held.txt"
    held_out.write_text(
        "\n".join(
            f"{a} {b} the {w}" for a in ("see", "take") for b in ("now", "and") for w in ("dog", "cat", "girl", "boy")
        )
    )
    ages = tmp_path / "ages.csv"
    ages.write_text("word,aoa\ndog,12\ncat,14\ngirl,16\nboy,20\n")
    words = [
        str(CONFIG),
        f"runs=[{trained}]",
        f"task={pairs}",
        f"norms={ages}",
        f"text={held_out}",
        f"folder={tmp_path}",
    ]
    short = runs.run(tmp_path / "short", "name=short", "milestones=[]")
    both = [word.replace(f"runs=[{trained}]", f"runs=[{trained},{short}]") for word in words]
    assert study._command([*both, "objectives=[]"]) == 2
    assert "short has 1 revisions: an order needs three" in capsys.readouterr().err
    assert not (tmp_path / "developmental_order" / "pieces").exists(), "told before anything is scored"
    for key in ("norms", "text"):
        others = [word for word in words if not word.startswith(f"{key}=")]
        assert study._command([*others, "objectives=[]", f"{key}=/nowhere/{key}.txt"]) == 2
        assert f"/nowhere/{key}.txt" in capsys.readouterr().err
        assert not (tmp_path / "developmental_order" / "pieces").exists(), "told before anything is scored"
    text = pairs.read_text()
    pairs.write_text(text.replace("_good", "_x").replace("_bad", "_good").replace("_x", "_bad"))
    suite.evaluate(trained, tasks=[str(pairs)], suite="fast", backend="causal")
    pairs.write_text(text)
    assert study._command([*words, "contexts=4", "objectives=[]", "suite=full"]) == 0
    summary = json.loads((tmp_path / "developmental_order" / "summary.json").read_text())
    assert summary["conditions"] == ["tiny"]
    assert list(summary["tables"]) == ["order", "agreement", "words", "flops"]
    scores = summary["tables"]["flops"]["rows"]
    assert [row[1] for row in scores][:2] == ["chck_300", "chck_600"]
    assert scores[0][2] < scores[1][2], "FLOPs grow"
    assert scores[-1][1:3] == ["untrained", 0.0]
    order = summary["tables"]["order"]
    assert [column["title"] for column in order["columns"]][1:] == ["tiny: words", "tiny: 95 %", "tiny: acquired"]
    measured = Measurements.read_csv(tmp_path / "developmental_order" / "measurements.csv")
    assert set(measured.select(measure="acquired at the first revision").values) <= {0.0, 1.0}
    parts = measured.select(measure="final accuracy").items
    assert measured.select(measure="acquired at the first revision").items == parts
    assert list(measured.select(measure="chance").values) == [0.5]
    turned, curve = Run(trained).curves
    assert (turned.suite, curve.suite) == ("fast", "full")
    assert list(turned.tie_aware) != list(curve.tie_aware)
    *of_revisions, _ = measured.select(measure="score").values
    assert of_revisions == list(curve.tie_aware), "of the suite that was asked for"
    assert summary["tables"]["words"]["rows"][1][-1] == 4
    assert (tmp_path / "developmental_order" / "figure.png").is_file()
