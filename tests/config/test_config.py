"""Configuration: typos answer at once with the nearest key; layers win in order; nothing heavy is imported."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from babylm import cli, config
from babylm.config import ConfigError, fields, manual, presets, schema, studies, synonyms


@pytest.fixture
def smoke(root):
    return root / "configs" / "smoke.yaml"


def leaves(section=None, prefix=""):
    """The key of every setting of a default configuration."""
    for setting in dataclasses.fields(section or schema.Config()):
        value = getattr(section or schema.Config(), setting.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{prefix}{setting.name}.")
        else:
            yield prefix + setting.name


@pytest.mark.parametrize("key", sorted(leaves()))
def test_every_typo_is_refused_with_the_right_key(smoke, key):
    section, _, last = key.rpartition(".")
    typo = f"{section}.{last}x" if section else f"{last}x"
    with pytest.raises(ConfigError, match=f"{typo}: unknown key; did you mean {key}"):
        config.load(smoke, [f"{typo}=1"])


def test_every_setting_is_documented():
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(schema))
    bare = []
    for owner in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        names = [n.target.id for n in owner.body if isinstance(n, ast.AnnAssign)]
        assert ast.get_docstring(owner), owner.name
        following = zip(owner.body, [*owner.body[1:], None], strict=True)
        documented = sum(isinstance(a, ast.AnnAssign) and isinstance(b, ast.Expr) for a, b in following)
        if names and not documented:
            bare.append(owner.name)
    assert not bare


def test_every_config_loads_and_survives_a_round_trip(root, tmp_path):
    found = [path for path in sorted((root / "configs").rglob("*.yaml")) if path.parent.name != "sweeps"]
    assert len(found) >= 3
    for path in found:
        load = studies.load_study if path.parent.name == "studies" else config.load
        loaded = load(path)
        assert loaded.name == path.stem, "the README finds a run by the name of its file"
        copy = tmp_path / "copy.yaml"
        copy.write_text(config.dump(loaded))
        assert load(copy) == loaded, path


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr", "an override is written key=value"),
        ("--seed=1", "an override is written key=value"),
        ("lr=3", "lr: unknown key; did you mean optimizer.lr"),
        ("optimizer.lr=fast", "optimizer.lr: Value 'fast'"),
        ("model.norm=rmss", r"model.norm: Invalid value 'rmss', expected one of \['rms', 'layer'\]"),
        ("model.preset=smal", "model.preset: unknown value 'smal'; did you mean small"),
        ("objective.name=causla", "objective.name: unknown value 'causla'; did you mean causal"),
        ("optimizer.name=moun", "optimizer.name: unknown value 'moun'; did you mean muon"),
        ("track=strict_small", "track: unknown value 'strict_small'; did you mean strict-small"),
        ("rules=2024", "rules: Invalid value '2024'"),
        ("name=a.b", "name: 'a.b' must be of letters, digits, _ and -"),
        ("name=a b", "name: 'a b' must be of letters"),
        ("name=''", "name: '' must be of letters"),
        ("name=-x", "name: '-x' must be of letters.* no - in front"),
        (f"name={'x' * 97}", "must be of letters.* at most 96"),
        ("name=???", r"^name: \?\?\? marks a missing value; give one$"),
        ("name=${x}", "^name: Interpolation key 'x' not found$"),
        ("phases.0.tokens_per_step=100", r"phases\[0\].tokens_per_step: 100 must be a multiple of sequence_length=128"),
        ("phases=[{until: 0.5}]", "until must ascend and end with 1"),
        ("training.accumulate_grad_batches=3", "32 rows per step cannot be cut"),
        ("model.num_attention_heads=3", "must divide model.hidden_size=128"),
        (
            "model.partial_rotary_factor=0.3",
            r"^model.partial_rotary_factor: 0.3 of heads of 64 .* is 19.2; it must",
        ),
        ("model.partial_rotary_factor=0", "^model.partial_rotary_factor: must be more than 0"),
        ("schedule.warmup=0.9", r"schedule.warmup \+ schedule.cooldown: shares with a sum of at most 1, not 1.4"),
        ("schedule.cooldown=3", "^schedule.cooldown: must be at most 1, not 3.0"),
        ("objective.causal_ratio=2", "objective.causal_ratio: must be at most 1, not 2.0"),
        ("objective.random=-1", "^objective.random: must be at least 0"),
        ("objective.random=0.95", r"objective.keep \+ objective.random: shares with a sum of at most 1, not 1.05"),
        ("objective.mask_rate=[0.2]", "objective.mask_rate: must be two numbers, not 1"),
        ("optimizer.adam_lr=0", "^optimizer.adam_lr: must be more than 0"),
        ("optimizer.lr=.nan", "^optimizer.lr: must be a number, not nan"),
        ("optimizer.lr=.inf", "^optimizer.lr: must be at most 100, not inf"),
        ("model.num_attention_heads=0", "^model.num_attention_heads: must be at least 1, not 0"),
        ("phases=[]", "phases: must hold at least one phase"),
        ("phases.0.tokens_per_step=0", r"phases\[0\].tokens_per_step: must be at least 8, not 0"),
        ("training.attention=nope", "training.attention: Invalid value 'nope', expected one of"),
        ("evaluation.tasks=[toy_pair]", "evaluation.tasks: unknown value 'toy_pair'; did you mean toy_pairs"),
        ("evaluation.tasks=['']", "evaluation.tasks: unknown value ''"),
        ("optimizer=3", "optimizer: "),
        ("budget.words=-4", "budget.words: must be at least 1, not -4"),
        ("name={", "not valid YAML"),
        ("evaluation.milestones=[chck_50k]", "evaluation.milestones: unknown value 'chck_50k'; did you mean chck_50K"),
        ("evaluation.milestones=[chck_50K]", "only with evaluation.when=milestones"),
        ("logging.wandb=p", r"logging.wandb: the package wandb is not installed: pip install 'babylm\[track\]'"),
    ],
)
def test_mistakes_name_their_key(smoke, override, message):
    with pytest.raises(ConfigError, match=message):
        config.load(smoke, [override])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: ${x}", "name: Interpolation key 'x' not found"),
        ("base: ${x}", "base: Interpolation key 'x' not found"),
        ("phases: [{tokens_per_step: '${x}'}]", r"phases\[0\].tokens_per_step: Interpolation key 'x' not found"),
        ("objective: {mask_rate: ['???', 0.1]}", r"objective.mask_rate\[0\]: Missing mandatory value"),
        ("name: [", "not valid YAML"),
    ],
)
def test_mistakes_in_a_file_are_one_line(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(f"{text}\n")
    with pytest.raises(ConfigError, match=message) as error:
        config.load(tmp_path / "a.yaml")
    assert "\n" not in str(error.value)


def sections():
    """Every settings class, those of plug-ins too."""
    waiting, seen = [schema.Config], []
    while waiting:
        kind = waiting.pop()
        if kind not in seen:
            seen.append(kind)
            for hint in fields.children(kind).values():
                parts = hint if isinstance(hint, tuple) else (hint, *get_args(hint))
                waiting += [part for part in parts if dataclasses.is_dataclass(part)]
    return seen


def numeric(section=None, prefix=""):
    """The key of every setting of a default configuration that is a number, an optional one or a list of them."""
    section = section or schema.Config()
    for name, kind in get_type_hints(type(section)).items():
        value = getattr(section, name)
        if dataclasses.is_dataclass(value):
            yield from numeric(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and dataclasses.is_dataclass(value[0]):
            yield from numeric(value[0], f"{prefix}{name}[0].")
        elif {int, float} & {kind, *get_args(kind)}:
            yield f"{prefix}{name}[0]" if get_origin(kind) is list else f"{prefix}{name}"
        elif get_origin(kind) is Literal and any(type(choice) is int for choice in get_args(kind)):
            yield f"{prefix}{name}"


def test_every_number_has_a_range_and_every_range_a_number():
    assert len(set(numeric())) > 60
    with_interval = {
        f"{kind.__name__}.{setting.name}"
        for kind in sections()
        for setting in dataclasses.fields(kind)
        if "interval" in setting.metadata
    }
    numbers = {
        f"{kind.__name__}.{name}"
        for kind in sections()
        for name, hint in get_type_hints(kind).items()
        if {int, float} & {hint, *get_args(hint)} or any(type(choice) is int for choice in get_args(hint))
    }
    assert with_interval == numbers


def test_the_defaults_lie_in_their_ranges():
    found = [key for key, _, _ in fields.numbers(schema.Config())]
    assert {"phases[0].tokens_per_step", "objective.mask_rate[1]", "evaluation.glue.seeds[0]", "optimizer.lr"} <= set(
        found
    )
    assert not {"model.tie_embeddings", "budget.words"} & set(found)
    fields.check_numbers(schema.Config())


@pytest.mark.parametrize("value", [-1e30, 1e30, -(10**30), 10**30, float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("key", sorted(numeric()))
def test_absurd_numbers_are_refused_with_their_key(key, value):
    made = owner = schema.Config()
    *sections_above, last = key.replace("[0]", ".0").removesuffix(".0").split(".")
    for name in sections_above:
        owner = owner[0] if name == "0" else getattr(owner, name)
    setattr(owner, last, [value] if key.endswith("[0]") else value)
    if key == "training.checkpoint_minutes" and value > 0:
        assert config.check(made) is None  # never: the state is saved at the end alone
    else:
        with pytest.raises(ConfigError) as error:
            config.check(made)
        assert str(error.value).startswith(f"{key}: must be ")


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [("[0, 1]", (0, 1), (-0.1, 1.1)), ("(0, 1)", (0.5,), (0, 1)), ("[2, inf]", (2, float("inf")), (1, float("nan")))],
)
def test_limits_belong_to_square_brackets(interval, inside, outside):
    section = dataclasses.make_dataclass("Section", [("value", float, fields.number(0.5, interval))])
    for value in inside:
        fields.check_numbers(section(value), "schedule.")
    for value in outside:
        with pytest.raises(ValueError, match=r"^schedule.value: must be"):
            fields.check_numbers(section(value), "schedule.")


def test_attention_backends_are_those_that_exist():
    from babylm.models import attention

    assert get_args(get_type_hints(schema.TrainingConfig)["attention"]) == ("auto", *attention.BACKENDS)


@pytest.mark.parametrize(("task", "kind"), [("my/pairs", "folder"), ("times.csv", "file"), ("my/times.csv", "file")])
def test_tasks_of_ones_own_must_be_there_when_a_run_begins(smoke, tmp_path, monkeypatch, capsys, task, kind):
    monkeypatch.chdir(tmp_path)
    begun = []
    words = [str(smoke), f"evaluation.tasks=[glue,{task}]"]
    assert cli.config_command("", begun.append, words) == 2
    assert capsys.readouterr().err == f"error: evaluation.tasks: no {kind} {task}\n"
    assert config.load(*words[:1], words[1:]).evaluation.tasks[1] == task  # a report outlives the data of its run
    (tmp_path / "my" / "pairs").mkdir(parents=True)
    (tmp_path / task).touch()
    assert cli.config_command("", begun.append, words) == 0
    assert len(begun) == 1


def test_help_may_follow_a_file(smoke, capsys):
    assert cli.config_command("What it does.", lambda _: 1, [str(smoke), "seed=2", "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("What it does.\n")
    assert "  optimizer.lr=0.02 " in out


@pytest.mark.parametrize("key", sorted({*leaves()} - {"phases"} | {"phases[].tokens_per_step"}))
def test_help_lists_every_setting(key):
    assert f"\n  {key}=" in "\n" + manual.describe(schema.Config)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("name", "${oc.env:HOME}"),
        ("submission.notes", "as ${oc.env:HOME} says"),
        ("submission.notes", "${oc.decode:${oc.env:HOME}}"),
        ("submission.tags", "[a, '${oc.env:HOME,none}']"),
        ("corpus.path", "${.${oc.env:HOME}}"),
    ],
)
@pytest.mark.parametrize("where", ["file", "command line"])
def test_a_configuration_cannot_read_the_environment(smoke, tmp_path, monkeypatch, key, text, where):
    monkeypatch.setenv("HOME", "not-to-be-told")
    path, words = smoke, [f"{key}={text}"]
    if where == "file":
        section, _, last = key.rpartition(".")
        path, words = tmp_path / "x.yaml", []
        value = text if text.startswith("[") else f'"{text}"'
        path.write_text(f"{section}: {{{last}: {value}}}\n" if section else f"{last}: {value}\n")
    with pytest.raises(ConfigError, match="the environment and files are not read") as refused:
        config.load(path, words)
    assert "not-to-be-told" not in str(refused.value)


def test_one_setting_may_name_another(tmp_path):
    (tmp_path / "x.yaml").write_text("optimizer: {adam_lr: 0.5, lr: '${optimizer.adam_lr}'}")
    assert config.load(tmp_path / "x.yaml").optimizer.lr == 0.5


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("submission.notes", "hf_" + "a1" * 17),
        ("submission.tags", "[x, sk-proj-" + "a1" * 20 + "]"),
        ("corpus.hub_dataset", "https://me:" + "pass@host/data"),
        ("logging.wandb", "0123456789abcdef0123" * 2),
        ("submission.description", "key AKIA" + "ABCDEFGH12345678"),
    ],
)
def test_no_secret_reaches_a_stored_configuration(smoke, key, secret):
    with pytest.raises(ConfigError, match=f"{key}.*looks like .*keep secrets in the environment") as refused:
        config.load(smoke, [f"{key}={secret}"])
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("passwd", "root:x:0:0:root:/root:/bin/bash\n"),
        (".env", "TOKEN=hush\n"),
        ("keys.yaml", "token: hush\n"),
        ("list.yaml", "- hush\n"),
        ("scalar.yml", "hush\n"),
        ("broken.yaml", "a: hush: hush\n"),
        ("bytes.yaml", "\udcff hush"),
    ],
)
def test_a_base_that_is_no_configuration_is_refused_unseen(tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    (tmp_path / "x.yaml").write_text(f"base: {name}\n")
    with pytest.raises(ValueError, match=name) as refused:
        config.load(tmp_path / "x.yaml")
    assert "hush" not in str(refused.value)
    assert "root" not in str(refused.value).replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
            "too many for a configuration"),
        ("name: &x [*x]", "too many for a configuration"),
        ("name: " + "[" * 3000, "not valid YAML"),
        ("#" * 1_100_000, "bytes are too many"),
        ("name: !!python/object/apply:os.system [true]", "not valid YAML"),
        ("seed: 1\nseed: 2", "duplicate key seed"),
        ("seed:\t1\n\tname: x", r"not valid YAML.*line \d"),
    ],
)  # fmt: skip
def test_hostile_and_broken_files_are_one_line(tmp_path, text, message):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ValueError, match=message) as refused:
        config.load(tmp_path / "x.yaml")
    assert "\n" not in str(refused.value)


def test_a_mark_of_byte_order_and_dos_line_ends_are_read(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfseed: 3\r\noptimizer: {lr: 1e-3}\r\n")
    loaded = config.load(tmp_path / "x.yaml")
    assert (loaded.seed, loaded.optimizer.lr) == (3, 0.001)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("evaluation.tasks=blimp", ["blimp"]),
        ("evaluation.tasks=blimp,reading", ["blimp", "reading"]),
        ("evaluation.tasks=[blimp]", ["blimp"]),
        ("evaluation.glue.seeds=3", [3]),
        ("evaluation.glue.seeds=3,4", [3, 4]),
        ("evaluation.reading_csv.time=RT", ["RT"]),
        ("objective.mask_rate=0.3,0.1", [0.3, 0.1]),
        ("submission.tags=a, b", ["a", "b"]),
    ],
)
def test_one_value_is_a_list_of_one(smoke, tmp_path, word, value):
    loaded = config.load(smoke, [word])
    for name in word.partition("=")[0].split("."):
        loaded = getattr(loaded, name)
    assert loaded == value


def test_one_value_in_a_file_is_a_list_of_one(tmp_path):
    (tmp_path / "x.yaml").write_text("evaluation: {tasks: blimp, glue: {seeds: 7}}\nphases: {tokens_per_step: 256}\n")
    loaded = config.load(tmp_path / "x.yaml")
    assert (loaded.evaluation.tasks, loaded.evaluation.glue.seeds) == (["blimp"], [7])
    assert [phase.tokens_per_step for phase in loaded.phases] == [256]


@pytest.mark.parametrize(("word", "key"), sorted(synonyms.KEY_OF.items()))
def test_what_others_call_a_setting_is_answered_with_ours(smoke, word, key):
    assert key in {*leaves()}
    with pytest.raises(ConfigError, match=rf"^{word}: unknown key; did you mean {key}\?$"):
        config.load(smoke, [f"{word}=1"])
    with pytest.raises(ConfigError, match=rf"^training.{word}: unknown key; did you mean {key}\?$"):
        config.load(smoke, [f"training.{word}=1"])


def test_no_synonym_is_a_setting_of_ours():
    assert not {key.rpartition(".")[2] for key in leaves() if "." not in key} & set(synonyms.KEY_OF)


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("model.position=half_rotary", "use model.position=rotary with model.partial_rotary_factor=0.5"),
        ("model.layer_connections=plain", "use model.layer_connections=standard"),
        ("model.layer_connections=average", "use model.layer_connections=denseformer"),
        ("model.attention_gate=head", "use model.attention_gate=headwise"),
        ("model.attention_gate=element", "use model.attention_gate=elementwise"),
        ("training.attention=naive", "use training.attention=eager"),
    ],
)
def test_a_renamed_value_is_answered_with_its_new_spelling(smoke, override, remedy):
    key = override.partition("=")[0]
    with pytest.raises(ConfigError, match=rf"^{key}: Invalid value '.*{remedy}$"):
        config.load(smoke, [override])


def test_an_apple_gpu_is_refused_with_the_reason(smoke):
    with pytest.raises(ConfigError, match=r"training.accelerator: .*Apple's GPUs are not supported.*accelerator=cpu"):
        config.load(smoke, ["training.accelerator=mps"])


def test_later_layers_win(tmp_path):
    (tmp_path / "base.yaml").write_text("seed: 1\nmodel: {preset: tiny, dropout: 0.2}\noptimizer: {lr: 0.5}\n")
    (tmp_path / "child.yaml").write_text("base: base.yaml\nseed: 2\noptimizer: {adam_lr: 0.1}\n")
    loaded = config.load(tmp_path / "child.yaml", ["optimizer.lr=0.25", "model.hidden_size=512"])
    assert (loaded.seed, loaded.optimizer.lr, loaded.optimizer.adam_lr) == (2, 0.25, 0.1)
    assert (loaded.model.hidden_size, loaded.model.num_hidden_layers, loaded.model.dropout) == (512, 6, 0.2)


def test_a_base_has_no_base(tmp_path):
    (tmp_path / "a.yaml").write_text("base: b.yaml\n")
    (tmp_path / "b.yaml").write_text("base: c.yaml\n")
    with pytest.raises(ConfigError, match="cannot have a base of its own"):
        config.load(tmp_path / "a.yaml")


def test_a_missing_file_names_the_nearest(root):
    with pytest.raises(ConfigError, match=r"smoke\.yaml"):
        config.load(root / "configs" / "smok.yaml")


@pytest.mark.parametrize("preset", sorted(presets.PRESETS))
def test_presets_are_valid(smoke, preset):
    assert config.load(smoke, [f"model.preset={preset}"]).model.hidden_size == presets.PRESETS[preset]["hidden_size"]


@pytest.mark.parametrize("command", ["train", "prepare", "evaluate"])
@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), ([], 2), (["configs/smoke.yaml", "optimizer.lrr=1"], 2)])
def test_answers_in_under_a_second_without_torch(root, command, words, code):
    program = (
        "import sys, runpy, time; begin = time.perf_counter(); sys.argv = sys.argv[1:]\n"
        "try: runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=False)\n"
        "except SystemExit as end: code = end.code\n"
        "print(time.perf_counter() - begin, 'torch' in sys.modules, 'lightning' in sys.modules, code)"
    )
    best = float("inf")
    for _ in range(3):  # the best of three: the machine is shared
        done = subprocess.run(
            [sys.executable, "-c", program, f"babylm.{command}", *words],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, torch_in, lightning_in, exit_code = done.stdout.split("\n")[-2].split()
        best = min(best, float(seconds))
        assert (torch_in, lightning_in) == ("False", "False")
        assert int(exit_code) == code
        if best < 1:
            break
    assert best < 1, f"{best:.2f} s"
    if words and code == 2:
        assert done.stderr.count("\n") == 1
        assert "did you mean optimizer.lr" in done.stderr or command == "evaluate"


@pytest.mark.parametrize("word", ["corpus.path=a #b", "name=#b", "optimizer.lr=0.1 # high", "name=a\nseed: 2"])
def test_a_value_that_yaml_would_cut_is_refused(smoke, word):
    with pytest.raises(ValueError, match="YAML reads only the beginning of this value: put it in quotes"):
        config.load(smoke, [word])


def test_a_value_in_quotes_is_taken_whole(smoke):
    assert config.load(smoke, ["corpus.path='a #b'"]).corpus.path == "a #b"
    assert config.load(smoke, ["corpus.path=a#b"]).corpus.path == "a#b"


def test_a_setting_given_twice_is_refused(smoke, capsys):
    assert cli.config_command("", lambda loaded: 0, [str(smoke), "seed=1", "name=x", "seed=2"]) == 2
    assert "seed: given twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("milestones=[[[]]]", r"milestones\[0\]: must be a whole number, not \[\[\]\]"),
        ("corpus.cleaning=[[lowercase]]", r"corpus.cleaning\[0\]: must be a text"),
        ("submission.tags=[{a: 1}]", r"submission.tags\[0\]: must be a text"),
        ("optimizer.betas=[0.9, [0.5]]", r"optimizer.betas\[1\]: "),
        ("evaluation.glue.seeds=[[1]]", r"evaluation.glue.seeds\[0\]: must be a whole number"),
        ("corpus.dev=''", "corpus.dev: an empty name would be the working directory"),
        ("checkpoints=' '", "checkpoints: an empty name"),
    ],
)
def test_entries_of_lists_and_paths_are_of_their_type(word, message):
    with pytest.raises(ConfigError, match=message):
        config.load("configs/smoke.yaml", [word])


@pytest.mark.parametrize("text", ["token: ${oc.env:PRIVATE}", "private: hf_abcdefghijklmnopqrstuvwxyz012345", "a: [b"])
def test_nothing_of_a_base_that_is_refused_is_shown(tmp_path, text):
    (tmp_path / "other.yaml").write_text(f"{text}\n")
    (tmp_path / "x.yaml").write_text("base: other.yaml\n")
    with pytest.raises(ConfigError, match=r"base: other\.yaml cannot be read as a configuration") as caught:
        config.load(tmp_path / "x.yaml")
    assert not {"token", "private", "PRIVATE", "hf_", "[b"} & set(re.findall(r"[\w[]+", str(caught.value)))


def test_a_long_unknown_key_is_shortened(tmp_path):
    (tmp_path / "x.yaml").write_text(f"{'k' * 900}: 1\n")
    with pytest.raises(ConfigError, match=r"kkk\.\.\.: unknown key") as caught:
        config.load(tmp_path / "x.yaml")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("words", [["name=s2", "configs/smoke.yaml"], ["--lr", "3"]])
def test_a_command_that_begins_with_a_change_is_told_the_order(words, capsys):
    assert cli.config_command("", lambda loaded: 0, words) == 2
    assert "the configuration's file comes first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "file", "told"),
    [
        (
            "train",
            "configs/studies/respect.yaml",
            "study: this is the configuration of a study: python -m babylm.study",
        ),
        (
            "interact",
            "configs/sweeps/random.yaml",
            "config: this is the configuration of a sweep: python -m babylm.sweep",
        ),
        ("sweep", "configs/smoke.yaml", "name: unknown key here; it is a setting of a run (python -m babylm.train)"),
    ],
)
def test_a_file_for_another_command_is_told(command, file, told):
    done = subprocess.run(
        [sys.executable, "-m", f"babylm.{command}", file],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize("key", ["checkpoints", "corpus.prepared"])
def test_a_file_where_a_folder_is_to_be_is_told(smoke, tmp_path, key):
    (tmp_path / "taken").write_text("")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    for path, message in (
        (tmp_path / "taken" / "runs", "taken is a file"),
        (tmp_path / "lost", "is a link to nothing"),
    ):
        with pytest.raises(ValueError, match=f"{key}: .*{message}"):
            config.check_paths(config.load(smoke, [f"{key}={path}"]))
    config.check_paths(config.load(smoke, [f"{key}={tmp_path}/new/er"]))


@pytest.mark.parametrize("word", ["phases.7.sequence_length=64", "phases[7].sequence_length=64"])
def test_an_entry_that_is_not_there_is_told(smoke, word):
    with pytest.raises(ConfigError, match=r"^phases\[7\]: there is no such entry; give the whole list: phases="):
        config.load(smoke, [word])
