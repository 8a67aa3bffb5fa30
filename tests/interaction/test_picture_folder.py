"""Games over a folder of pictures: what is read, what is refused, and that a listener learns from it."""

from __future__ import annotations

import json
import os
import random
import re

import numpy as np
import pytest

from babylm import study
from babylm.interaction import picture_folder
from babylm.interaction.environments import _objects
from babylm.interaction.environments.captions import Captions
from babylm.interaction.environments.multiref import MultiRef
from babylm.interaction.environments.reference import Reference
from babylm.interaction.game_students import new_player, taught, tuning
from babylm.interaction.games import GameResults, demonstrate, play
from babylm.interaction.human_games import read_human_games
from tests.conftest import ROOT

image = pytest.importorskip("PIL.Image", reason="pictures are read by Pillow")
KINDS = [kind for kind in range(96) if _objects.KINDS[kind][0] == "big"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """48 drawings, twice as large as the encoder takes them, named by what they show."""
    path = tmp_path_factory.mktemp("pictures")
    for kind in KINDS:
        pixels = ((_objects.draw(*_objects.KINDS[kind]).transpose(1, 2, 0) + 1) * 127.5).round().astype(np.uint8)
        name = "_".join(_objects.KINDS[kind][1:])
        image.fromarray(pixels.repeat(2, 0).repeat(2, 1)).save(path / f"{name}-{kind}.png")
    (path / "notes.txt").write_text("no picture", encoding="utf-8")
    return path


def test_pictures_are_read_in_the_order_of_their_names(folder):
    items = picture_folder.read(folder, None, 24)
    assert list(items.names) == sorted(items.names)
    assert len(items.names) == 48
    for name, words, pixels in zip(items.names, items.descriptions, items.pictures(), strict=True):
        kind = int(name.removesuffix(".png").rpartition("-")[2])
        assert list(words) == list(_objects.KINDS[kind][1:])
        assert np.abs(pixels - _objects.pictures()[kind]).max() < 0.01
    assert items.fingerprint == picture_folder.read(folder, None, 24).fingerprint
    assert items.fingerprint != picture_folder.read(folder, None, 16).fingerprint


def test_descriptions_tell_a_picture_from_the_others_of_a_game(folder):
    items, generator = picture_folder.read(folder, None, 24), random.Random(1)
    for hard in (False, True):
        context = items.draw_context(generator, 10, hard)
        words = items.describe(context[0], context[1:], generator)
        assert [item for item in context if all(items.fits(word, item) for word in words)] == [context[0]]
    for game in (MultiRef(items=items), Reference("listener", items=items), Captions(items=items)):
        player = new_player(game.words, 1, True, width=16, layers=1, items=items)
        turns = play(game, player, [1, 2], 0)
        assert turns == play(game, player, [1, 2], 0)
        assert all("<unk>" not in turn.text and 4 not in turn.prompt_ids for turn in turns)  # every word is known
        assert all(turn.gold == 1 for turn in demonstrate(game, player, [1, 2]))


def test_a_listener_learns_from_pictures_of_a_folder(folder):
    items = picture_folder.read(folder, None, 24)
    game = Captions(items=items)
    base = new_player(game.words, 1, True, width=32, layers=2, items=items)
    player = taught(base, game, 3200, tuning(100, 6e-3, 32), 1, 0)
    shares = [GameResults.of(play(game, who, list(range(90_000, 90_100)), 0)).right for who in (base, player)]
    assert shares[0] < 0.25
    assert shares[1] > 0.4  # one of ten is right by chance


def test_other_pictures_and_tables(tmp_path):
    for number in range(10):
        solid = image.new("L", (30, 10), 255 - number)  # grey, and wide
        solid.save(tmp_path / f"{number}.jpg")
    alpha = image.new("RGBA", (8, 8), (255, 0, 0, 0))  # transparent red is white
    alpha.save(tmp_path / "0.png")
    turned = image.fromarray(np.array([[[255, 0, 0]] * 16, [[0, 0, 255]] * 16] * 1, dtype=np.uint8).repeat(8, 0))
    exif = turned.getexif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "1.png", exif=exif)
    image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "2.png")  # 16 bits of grey
    (tmp_path / "3.png").symlink_to(tmp_path / "0.png")
    names = sorted(path.name for path in tmp_path.iterdir())
    rows = [
        {"picture": name, "captions": [f"picture {chr(97 + n)}", "again"], "colour": None}
        for n, name in enumerate(names)
    ]
    table = tmp_path / "table.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"picture": "absent.png", "x": "y"}]), "utf-8")
    items = picture_folder.read(tmp_path, table, 16)
    assert items.descriptions[0] == ("picture", "a", "again")
    pixels = dict(zip(items.names, items.pictures(), strict=True))
    assert np.allclose(pixels["0.png"], 1)
    assert np.allclose(pixels["3.png"], pixels["0.png"])
    assert (pixels["1.png"][2, 0] > 0.9).all()  # blue is on top now
    assert (pixels["1.png"][0, -1] > 0.9).all()
    assert np.allclose(pixels["2.png"], 40_000 / 65_535 * 2 - 1, atol=0.02)
    assert np.allclose(pixels["9.jpg"][:, 0], 1)  # padded with white
    csv = tmp_path / "table.csv"
    csv.write_text(
        "\ufeffpicture,name\n" + "".join(f"{name},thing {chr(97 + n)}\n" for n, name in enumerate(names)), "utf-8"
    )
    assert picture_folder.read(tmp_path, csv, 8).descriptions[1] == ("thing", "b")
    csv.write_text(csv.read_text().replace(",", ";"))  # as spreadsheets write it elsewhere
    assert picture_folder.read(tmp_path, csv, 8).descriptions[1] == ("thing", "b")


@pytest.fixture
def letters(tmp_path):
    """Ten pictures, a.png to j.png."""
    for letter in "abcdefghij":
        image.new("RGB", (8, 8)).save(tmp_path / f"{letter}.png")
    return tmp_path


def test_what_says_that_there_is_no_word_is_none(letters):
    csv, jsonl = letters / "t.csv", letters / "t.jsonl"
    cells = ["NA", "n/a", "NaN", "", " ", "None", "NULL", "null", "#N/A", "."]
    names = [f"{letter}.png" for letter in "abcdefghij"]
    lines = [f"{name},thing {name[0]},{cell}\n" for name, cell in zip(names, cells, strict=True)]
    csv.write_text("".join(["picture,name,more\n", *lines]))
    values = [None, float("nan"), float("inf"), 1e300, 7, "NA", [], {}, [None, {"x": "NaN"}], "\ud800"]
    rows = [{"picture": n, "name": f"thing {n[0]}", "x": v} for n, v in zip(names, values, strict=True)]
    jsonl.write_text("".join(json.dumps(row) + "\n" for row in rows))
    expected = tuple(("thing", letter) for letter in "abcdefghij")
    for table in (csv, jsonl):
        assert picture_folder.read(letters, table, 8).descriptions == expected


def test_true_is_no_word(letters):
    rows = [{"picture": f"{letter}.png", "name": f"thing {letter}"} for letter in "abcdefghij"]

    def refused(match, *rows):
        (letters / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        with pytest.raises(ValueError, match=match):
            picture_folder.read(letters, letters / "t.jsonl", 8)

    for value, shown in ((True, "True"), (False, "False"), ("TRUE", "TRUE"), (["red", True], "True")):
        refused(rf"picture_table=.*t.jsonl: line 2: striped holds {shown}", rows[0], {**rows[1], "striped": value})
    refused(r"nothing about b.png", *rows[:1], {"picture": "b.png", "name": "NA"}, *rows[2:])


def test_a_pipe_is_no_picture_and_no_table(letters):
    os.mkfifo(letters / "pipe.png")
    with pytest.raises(ValueError, match=r"pipe.png is no picture that can be read \(a pipe"):
        picture_folder.read(letters, None, 8)
    os.mkfifo(letters / "table.csv")
    with pytest.raises(ValueError, match=r"no such file"):
        picture_folder.read(letters, letters / "table.csv", 8)
    with pytest.raises(ValueError, match=r"table.csv: a pipe, not a file"):
        read_human_games(letters / "table.csv")


def test_what_cannot_be_is_told_before_any_work(folder, tmp_path, capsys):
    def refused(match, path, table=None, size=24):
        with pytest.raises(ValueError, match=match):
            picture_folder.read(path, table, size)

    refused("there is no such folder", tmp_path / "no")
    refused("0 pictures .* at least 10", tmp_path)
    refused("multiple of 8", folder, size=20)
    refused("no such file", folder, tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("file,name\na.png,b\n", "utf-8")
    refused("line 2 has no picture", folder, tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("picture,name\na.png,b\n", "utf-8")
    refused("nothing about .*png \\(48 pictures", folder, tmp_path / "t.csv")
    for number in range(12):
        image.new("RGB", (8, 8)).save(tmp_path / f"page{number}.png")
    refused(r"words of 12 of 12 pictures are true of others, too; .*'page'\) of 11, .*about 100% of games", tmp_path)
    for number in range(12):
        (tmp_path / f"page{number}.png").rename(tmp_path / f"page{chr(97 + number)}.png")
    (tmp_path / "pagec.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    refused("pagec.png is no picture", tmp_path)
    (tmp_path / "pagec.png").unlink()
    (tmp_path / "pagec.png").symlink_to(tmp_path / "nowhere.png")
    refused("pagec.png is no picture", tmp_path)
    config = str(ROOT / "configs" / "studies" / "respect.yaml")
    words = [config, f"picture_folder={tmp_path}", f"folder={tmp_path / 'out'}"]
    assert study._command(words) == 2
    error = capsys.readouterr().err
    assert "pagec.png is no picture" in error
    assert "Traceback" not in error
    assert study._command([*words, "pictures=false"]) == 2
    assert study._command([config, "picture_table=a.csv"]) == 2


def test_pictures_that_words_cannot_tell_apart_are_told(tmp_path, capsys):
    for number in range(40):
        image.new("RGB", (8, 8)).save(tmp_path / f"thing_{chr(97 + number % 20)}-{number // 20}.png")
    items = picture_folder.read(tmp_path, None, 8)
    assert len(items.names) == 40
    said = capsys.readouterr().out
    assert "warning: picture_folder=" in said
    assert re.search(r"40 of 40 pictures .* \('thing a'\) of 1, so that in about 21% of games of 10", said)
    for number in range(13):  # the pages of a book, as the tangrams are named: only letters tell them apart
        (tmp_path / f"thing_{chr(97 + number)}-0.png").rename(tmp_path / f"page-{chr(65 + number)}.png")
    for path in [path for path in tmp_path.iterdir() if path.name.startswith("thing")]:
        path.rename(tmp_path / f"page{path.stat().st_ino}-0.png")
    with pytest.raises(ValueError, match=r"27 of 40 .*\('page'\) of 39, .* games of 10 .*picture_table=FILE"):
        picture_folder.read(tmp_path, None, 8)


def test_the_tangrams_need_a_table():
    tangrams = (
        ROOT / os.environ.get("BABYLM_SHARED_DATA", "../shared/data")
    ).resolve() / "interaction/respect/tangram_pngs"
    if not tangrams.is_dir():
        pytest.skip(f"no {tangrams} (BABYLM_SHARED_DATA)")
    with pytest.raises(ValueError, match=r"pictures are true of others, too; .*'page'"):
        picture_folder.read(tangrams, None, 24)
