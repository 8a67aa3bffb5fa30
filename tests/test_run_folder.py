"""Files appear whole or not at all; a run's folder is continued only by the same run."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from babylm import console, environment, files, locks, run_folder
from babylm.training.jsonl_logger import JsonlLogger


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def fail() -> None:
        with files.atomic_file(path, "w") as file:
            file.write("new")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    path = tmp_path / "folder"
    for content in ("old", "new"):
        with files.atomic_folder(path) as work:
            (work / "file").write_text(content)
        assert (path / "file").read_text() == content

    def fail() -> None:
        with files.atomic_folder(path) as work:
            (work / "file").write_text("broken")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()
    assert (path / "file").read_text() == "new"
    assert os.listdir(tmp_path) == ["folder"]


def test_a_killed_writer_leaves_no_folder_and_the_next_one_clears_up(tmp_path):
    program = (
        "import sys, time, pathlib; from babylm import files\n"
        "with files.atomic_folder(pathlib.Path(sys.argv[1])) as work:\n"
        "    (work / 'file').write_text('half'); print('ready', flush=True); time.sleep(60)"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, tmp_path / "folder"], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert not (tmp_path / "folder").exists()
    assert len(os.listdir(tmp_path)) == 1
    with files.atomic_folder(tmp_path / "folder") as work:
        (work / "file").write_text("whole")
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_while_a_folder_is_replaced_loses_nothing(tmp_path, renames):
    """Killed before, between and after the two renames: the old folder or the new one has its name in the end."""
    folder = tmp_path / "revision"
    with files.atomic_folder(folder) as work:
        (work / "a").write_text("old")
    folder.chmod(0o750)
    program = (
        "import os, sys, pathlib; from babylm import files\n"
        "replace, left = os.replace, [int(sys.argv[2])]\n"
        "def dying(*names):\n    if not left[0]: os.kill(os.getpid(), 9)\n    left[0] -= 1\n    replace(*names)\n"
        "os.replace = dying\n"
        "with files.atomic_folder(pathlib.Path(sys.argv[1])) as work: (work / 'a').write_text('new')\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, folder, str(renames)], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    files.remove_partial(tmp_path)
    assert (folder / "a").read_text() == ("new" if renames == 2 else "old")
    assert [path.name for path in tmp_path.iterdir()] == ["revision"]
    assert folder.stat().st_mode & 0o777 == 0o750


def test_a_full_disk_keeps_the_old_file(tmp_path):
    program = (
        "import resource, sys, pathlib; from babylm import files\n"
        "path = pathlib.Path(sys.argv[1]); files.write_text(path, 'old')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: files.write_text(path, 'x' * 5000)\n"
        "except OSError as error: print(type(error).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "a"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "OSError"
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def link(path, tmp_path):
    path.symlink_to(tmp_path / "bashrc")


def pipe(path, tmp_path):
    os.mkfifo(path)


@pytest.mark.parametrize("kind", [link, pipe])
@pytest.mark.parametrize(
    "write",
    [
        lambda path: console.Log().attach(path),
        lambda path: JsonlLogger(path).log_metrics({"loss": 1.0}, 1),
        lambda path: JsonlLogger(path).cut(0),
        locks.keep,
        lambda path: locks.hold(path).__enter__(),
    ],
)
def test_nothing_is_written_through_a_link(tmp_path, kind, write):
    """A run's folder may be a stranger's: what its names lead to is not ours to change, and a pipe would wait."""
    (tmp_path / "bashrc").write_text("mine")
    kind(tmp_path / "name", tmp_path)
    with pytest.raises(ValueError, match=r"name is (a link|no regular file), and is not written into: remove it"):
        write(tmp_path / "name")
    assert (tmp_path / "bashrc").read_text() == "mine"


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match=r"nan|NaN|JSON"):
        files.write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


def test_the_same_run_is_continued_and_another_refused(tmp_path):
    folder = run_folder.RunFolder(tmp_path / "r")
    assert folder.open("seed: 1\n", {"seed": 1, "optimizer.lr": 0.1}) is False
    assert folder.open("seed: 1\n", {"seed": 1, "optimizer.lr": 0.1}) is True
    with pytest.raises(ValueError, match=r"optimizer\.lr was 0\.1, now 0\.2"):
        folder.open("seed: 1\n", {"seed": 1, "optimizer.lr": 0.2})
    assert json.loads((folder.path / "identity.json").read_text())["optimizer.lr"] == 0.1


@pytest.mark.parametrize("moment", ["config.yaml", "environment.json", "identity.json"])
def test_a_start_killed_in_its_first_moment_is_begun_again(tmp_path, moment):
    folder = tmp_path / "r"
    process = os.fork()
    if process == 0:
        original = files.write_text

        def killed(path, text):
            original(path, text)
            if path.name == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        files.write_text = killed
        run_folder.RunFolder(folder).open("name: x\n", {"seed": 1})
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(process, 0)[1])
    assert not folder.exists()
    assert not run_folder.RunFolder(folder).open("name: y\n", {"seed": 2})
    assert (folder / "config.yaml").read_text() == "name: y\n"
    assert os.listdir(tmp_path) == ["r"], "nothing half made is left"


def test_a_folder_being_made_beside_is_left_alone(tmp_path):
    with files.atomic_folder(tmp_path / "s10") as ten, files.atomic_folder(tmp_path / "s1.5") as half:
        run_folder.RunFolder(tmp_path / "s1").open("name: x\n", {"seed": 1})
        (ten / "kept").write_text("x")
        (half / "kept").write_text("x")
    assert (tmp_path / "s10" / "kept").exists()
    assert (tmp_path / "s1.5" / "kept").exists()


def test_a_run_lies_where_a_link_points(tmp_path):
    (tmp_path / "disk" / "r").mkdir(parents=True)
    (tmp_path / "r").symlink_to(tmp_path / "disk" / "r")
    assert not run_folder.RunFolder(tmp_path / "r").open("name: x\n", {"seed": 1})
    assert (tmp_path / "r").is_symlink()
    assert (tmp_path / "disk" / "r" / "config.yaml").read_text() == "name: x\n"
    assert run_folder.RunFolder(tmp_path / "r").open("name: x\n", {"seed": 1})


def test_a_folder_belongs_to_the_group_of_a_shared_one(tmp_path):
    tmp_path.chmod(0o2775)
    with files.atomic_folder(tmp_path / "made"):
        pass
    mode = (tmp_path / "made").stat().st_mode
    assert mode & 0o7777 == 0o2000 | 0o777 & ~files._umask()


def test_a_folder_made_meanwhile_is_not_replaced(tmp_path):
    with pytest.raises(OSError), files.atomic_folder(tmp_path / "r", replace=False):  # noqa: PT011, PT012
        (tmp_path / "r").mkdir()
        (tmp_path / "r" / "theirs").write_text("x")
    assert [file.name for file in tmp_path.iterdir()] == ["r"]
    assert (tmp_path / "r" / "theirs").read_text() == "x"


def test_a_foreign_folder_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        run_folder.RunFolder(tmp_path).open("", {})
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_no_secret_of_the_command_line_is_kept(tmp_path, monkeypatch):
    secret = "hf_" + "a1" * 17
    monkeypatch.setattr(sys, "argv", ["train", f"notes=see {secret} there"])
    assert environment.record()["command"] == ["train", "notes=see *** there"]
    console.Log().attach(tmp_path / "log.txt")
    assert secret not in (tmp_path / "log.txt").read_text()


def test_environment_names_code_and_versions():
    facts = environment.record()
    assert facts["packages"]["torch"]
    assert facts["cores"] >= 1
    began = time.monotonic()
    environment.code_revision()
    assert time.monotonic() - began < 10


HOLDER = (
    "import sys, pathlib; from babylm import run_folder\n"
    "run_folder.RunFolder(pathlib.Path(sys.argv[1])).open('a: 1\\n', {'seed': 1})\n"
    "MORE\nprint('ready', flush=True); sys.stdin.read()"
)


def hold(folder, more=""):
    program = HOLDER.replace("MORE", more)
    holder = subprocess.Popen([sys.executable, "-c", program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"ready\n"
    return holder


@pytest.mark.parametrize("known", [False, True])
def test_a_run_is_trained_by_one_process(tmp_path, monkeypatch, known):
    path = tmp_path / "r"
    if known:
        process = hold(path)
        process.kill()
        process.wait()
    holder = hold(path)
    theirs = path / f".last.ckpt.x{files.PARTIAL}"
    theirs.write_text("half written")
    with pytest.raises(ValueError, match=r"another process is training this run .*r\)"):
        run_folder.RunFolder(path).open("a: 1\n", {"seed": 1})
    assert theirs.exists(), "what the other one is writing is left alone"
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert run_folder.RunFolder(path).open("a: 1\n", {"seed": 1}), "another rank of the same run"
    monkeypatch.delenv("LOCAL_RANK")
    holder.kill()
    holder.wait()
    assert run_folder.RunFolder(path).open("a: 1\n", {"seed": 1})
    assert run_folder.RunFolder(path).open("a: 1\n", {"seed": 1}), "this process has it"
    assert not theirs.exists()


STARTER = (
    "import sys, time, pathlib; from babylm import run_folder\n"
    "print('ready', flush=True); sys.stdin.readline()\n"
    "try: print('again' if run_folder.RunFolder(pathlib.Path(sys.argv[1])).open('a: 1\\n', {'seed': 1}) else 'begun')\n"
    "except ValueError as error: print('refused', error)\n"
    "sys.stdout.flush(); sys.stdin.readline()"
)


@pytest.mark.parametrize("attempt", range(3))
def test_of_first_starts_in_one_moment_one_runs_and_the_others_say_so(tmp_path, attempt):
    command = [sys.executable, "-c", STARTER, tmp_path / "runs" / "r"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(4)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = sorted(process.stdout.readline().split(" (")[0].strip() for process in processes)
    for process in processes:
        process.communicate("\n")
    assert answers == ["begun", *["refused another process is training this run"] * 3]
    assert sorted(os.listdir(tmp_path / "runs" / "r")) == [".lock", "config.yaml", "environment.json", "identity.json"]
    assert os.listdir(tmp_path / "runs") == ["r"]


def test_a_full_disk_is_named(tmp_path):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: '.*/x.json'"), files.atomic_file(tmp_path / "x.json"):
        full()
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*/folder'"),
        files.atomic_folder(tmp_path / "folder"),
    ):
        full()
    assert not os.listdir(tmp_path)


def test_the_lock_does_not_outlive_its_process_in_a_worker(tmp_path):
    worker = "import os, time\nif os.fork() == 0: os.close(1); time.sleep(5); os._exit(0)\n"
    holder = hold(tmp_path / "r", worker + "time.sleep(0.3)")
    holder.kill()
    holder.wait()
    assert run_folder.RunFolder(tmp_path / "r").open("a: 1\n", {"seed": 1})


def test_where_there_are_no_locks_training_goes_on(tmp_path, monkeypatch):
    def refused(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refused)
    assert not run_folder.RunFolder(tmp_path / "r").open("a: 1\n", {"seed": 1})
    assert run_folder.RunFolder(tmp_path / "r").open("a: 1\n", {"seed": 1})


def test_other_ranks_wait_for_the_first_to_make_the_folder(tmp_path, monkeypatch):
    folder = run_folder.RunFolder(tmp_path / "r")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_PROCID", "1")
    with pytest.raises(ValueError, match="first process has not made"):
        folder.open("a: 1\n", {"seed": 1}, wait=0.2)
    assert not folder.path.exists()
    first = threading.Timer(0.3, lambda: (monkeypatch.setenv("SLURM_PROCID", "0"), folder.open("a: 1\n", {"seed": 1})))
    first.start()
    assert run_folder.RunFolder(tmp_path / "r").open("a: 1\n", {"seed": 1}, wait=30)
    first.join()
    monkeypatch.setenv("SLURM_PROCID", "1")
    with pytest.raises(ValueError, match="seed was 1, now 2"):
        folder.open("a: 1\n", {"seed": 2})


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_is_asked_without_a_lock_that_a_kill_would_leave(tmp_path, monkeypatch):
    source = tmp_path / "source"
    (source / "babylm").mkdir(parents=True)
    (source / "babylm" / "environment.py").write_text("")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=source, check=True)
    monkeypatch.setattr(environment, "__file__", str(source / "babylm" / "environment.py"))
    os.utime(source / "babylm" / "environment.py", (1, 1))  # `git status` would write the index anew, behind a lock
    index = (source / ".git" / "index").read_bytes()
    assert re.fullmatch(r"[0-9a-f]{40}", environment.code_revision())
    assert (source / ".git" / "index").read_bytes() == index
