"""The floors of the house: imports only go down, never sideways between plug-ins, and the lowest floors stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from babylm import registry
from babylm.evaluation import task_registry

PACKAGE = Path(__file__).parent.parent / "babylm"
# Longest match wins. The commands are on top; floor 0 is imported by everybody.
FLOORS = {
    "api": 7,
    "prepare": 7, "train": 7, "evaluate": 7, "interact": 7, "__main__": 7, "generate": 7, "submit": 7, "report": 7,
    "study": 7, "sweep": 7, "search": 7.5,
    "studies": 6,
    "training": 5, "interaction": 5.5, "submission": 5, "reporting": 5, "conversion": 5, "convert": 7,
    "evaluation.suite": 4, "evaluation.catalogue": 4, "generation": 4, "evaluation.request": 4,
    "evaluation.score_model": 4, "evaluation.task_registry": 4, "evaluation.model_paths": 4,
    "evaluation.results.averages": 4, "evaluation.results.comparison": 4,
    "evaluation": 3, "interaction.teachers": 5, "interaction.environments": 5,
    "interaction.items": 3,
    "objectives": 2, "optimizers": 2, "models": 2, "batches": 2, "schedules": 2, "weight_averaging": 2,
    "hardware": 2, "revisions": 2, "sharding": 2,
    "runs": 4, "run_results": 4,
    "corpora": 1,
    "returned": 0, "folders": 0,
    "config": 0, "tracks": 0, "registry": 0, "run_folder": 0, "environment": 0, "console": 0, "files": 0, "": 0,
    "cli": 0, "interrupts": 0, "redaction": 0, "publication": 0, "places": 0, "randomness": 0, "lazy": 0,
    "checksums": 0, "locks": 0, "strict_json": 0, "metrics": 0, "processes": 0, "tables": 0, "teacher_rules": 0,
}  # fmt: skip
PLUGINS = (
    "objectives",
    "optimizers",
    "evaluation.tasks",
    "interaction.teachers",
    "interaction.environments",
    "studies",
)
FAMILIES = (
    "objectives",
    "optimizers",
    "models",
    "training",
    "submission",
    "reporting",
    "corpora",
    "interaction.teachers",
    "interaction.environments",
    "evaluation.tasks",
    "studies",
)
APART = ("training", "submission", "reporting")
"""Rooms of one floor that do not know each other, not even in a function."""
HEAVY = {"torch", "lightning", "transformers", "datasets"}


def modules() -> list[str]:
    return [
        ".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__").replace("__init__", "")
        for p in sorted(PACKAGE.rglob("*.py"))
    ]


def path_of(module: str) -> Path:
    place = PACKAGE / module.replace(".", "/") if module else PACKAGE
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def floor(module: str) -> int:
    parts = module.split(".") if module else [""]
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in FLOORS:
            return FLOORS[name]
    raise AssertionError(f"{module} has no floor: add it to FLOORS")


def imports(module: str, types: bool = True) -> list[tuple[str, bool]]:
    """(imported module, whether at the top level), of the package and others; ``types``: those for types, too."""
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    package = module if path_of(module).name == "__init__.py" else module.rpartition(".")[0]
    typing_only = {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for n in ast.walk(block)
    }
    top = {id(n) for n in tree.body} | {
        id(n) for block in tree.body if isinstance(block, ast.Try) for n in ast.walk(block)
    }
    found = []
    for node in ast.walk(tree):
        if not types and id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package.split(".")[: len(package.split(".")) - node.level + 1] if package else []
                stem = ".".join(["babylm", *filter(None, base), *([node.module] if node.module else [])])
            else:
                stem = node.module or ""
            for alias in node.names:
                inner = f"{stem}.{alias.name}".removeprefix("babylm.")
                is_module = (
                    stem.split(".")[0] == "babylm" and (PACKAGE / inner.replace(".", "/")).with_suffix(".py").exists()
                ) or (stem.split(".")[0] == "babylm" and (PACKAGE / inner.replace(".", "/")).is_dir())
                found.append((f"{stem}.{alias.name}" if is_module else stem, id(node) in top))
    return found


def own(name: str) -> str | None:
    if name == "babylm":
        return ""
    return name.removeprefix("babylm.") if name.startswith("babylm.") else None


def family(module: str, families: tuple[str, ...]) -> str | None:
    return next((f for f in families if module == f or module.startswith(f + ".")), None)


def is_plugin(module: str) -> bool:
    """Whether it is a file of a folder of plug-ins; helpers begin with an underscore or are in folders below."""
    folder, _, name = module.rpartition(".")
    return folder in PLUGINS and not name.startswith("_") and path_of(module).name != "__init__.py"


@pytest.mark.parametrize("module", modules())
def test_imports_go_down(module):
    wrong = []
    for name, _ in imports(module):
        target = own(name)
        if not target or target == module:
            continue
        same_family = family(module, FAMILIES) is not None and family(module, FAMILIES) == family(target, FAMILIES)
        down = floor(target) < floor(module)
        level = floor(target) == floor(module)
        if not (down or (level and (same_family or not family(target, PLUGINS)))):
            wrong.append(f"{module} (floor {floor(module)}) imports {target} (floor {floor(target)})")
    assert not wrong


@pytest.mark.parametrize("module", [m for m in modules() if family(m, PLUGINS)])
def test_plugins_do_not_know_each_other(module):
    folder = family(module, PLUGINS)
    siblings = [own(name) for name, _ in imports(module) if own(name) and family(own(name), (folder,))]
    assert not [sibling for sibling in siblings if is_plugin(sibling) and module != folder]


@pytest.mark.parametrize("module", [m for m in modules() if family(m, APART)])
def test_rooms_of_one_floor_do_not_know_each_other(module):
    others = [target for name, _ in imports(module) if (target := own(name)) and family(target, APART)]
    assert not [other for other in others if family(other, APART) != family(module, APART)]


@pytest.mark.parametrize("module", [m for m in modules() if floor(m) <= 1 or floor(m) >= 6])
def test_light_floors_import_nothing_heavy_at_the_top(module):
    tops = {name.split(".")[0] for name, top in imports(module) if top}
    assert not tops & HEAVY
    if floor(module) == 0:
        assert not {name.split(".")[0] for name, _ in imports(module, types=False)} & HEAVY


@pytest.mark.parametrize("module", [m for m in modules() if m.startswith("models")])
def test_models_import_nothing_of_the_package(module):
    assert all((own(name) or "models").startswith("models") for name, _ in imports(module))


def test_there_is_no_cycle():
    """Imports inside functions and for types alone count, too: they only hide a circle."""
    known = set(modules())
    graph = {m: {t for name, _ in imports(m) if (t := own(name)) is not None and t in known} - {m, ""} for m in known}
    state: dict[str, int] = {}

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert state.get(module) != 1, f"cycle: {' -> '.join((*trail, module))}"
        if state.get(module) == 2:
            return
        state[module] = 1
        for target in graph[module]:
            visit(target, (*trail, module))
        state[module] = 2

    for module in graph:
        visit(module, ())


def test_files_are_about_one_thing():
    long = {
        str(p.relative_to(PACKAGE)): n
        for p in PACKAGE.rglob("*.py")
        if (n := len(p.read_text(encoding="utf-8").splitlines())) > 350
    }
    assert not long


# A module outside a task's file that holds its name as a string: why.
NAMES_OF_TASKS = {
    "reporting.baselines": "published scores, which are data by task",
    "evaluation.data.download": "ewok is a source of data there (--get source=ewok)",
    "conversion.settings": "toy_pairs had another name, which is brought over",
    "conversion.results": "reading had its measures under by_uid, which are moved",
    "models.configuration_babylm": "reading is an old key of config.json, for the error that names babylm.convert",
}


def test_tasks_are_known_by_name_in_their_files_alone():
    """What others need of a task they read from its fields, so that a file of one's own is a whole task."""
    names = set(registry.names(task_registry.FOLDER))
    wrong = []
    for module in modules():
        if module.startswith("evaluation.tasks") or module in NAMES_OF_TASKS:
            continue
        for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in names:
                wrong.append(f"{module}:{node.lineno}: {node.value!r}")
    assert not wrong


def test_plugins_own_their_facts():
    """No name of an objective, optimizer, teacher or environment is compared with a known one: a plug-in says it."""
    kinds = {"objective", "optimizer", "teacher", "environment", "task", "study", "cleaner"}
    wrong = []
    for module in modules():
        if is_plugin(module):
            continue
        for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
            sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            names = [s for s in sides if isinstance(s, ast.Attribute) and s.attr == "name"]
            known = [leaf for s in sides for leaf in ast.walk(s) if isinstance(leaf, ast.Constant) and leaf.value]
            if known and any(ast.unparse(s.value).split(".")[-1] in kinds for s in names):
                wrong.append(f"{module}:{node.lineno}: {ast.unparse(node)}")
    assert not wrong


def test_facts_of_tasks_are_read_without_torch():
    code = (
        "import sys; from babylm.evaluation import task_registry as r; from babylm.evaluation.results import averages\n"
        "r.plugin_tasks(); averages.columns_of(2026); import babylm.evaluate; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)
