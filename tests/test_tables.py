"""One table, three forms."""

from markupsafe import Markup

from babylm.tables import Column, Table


def test_the_three_forms_show_the_same():
    table = Table.of(("name", "n", "%"), [("a|b", 1234, 0.5), ("<i>", None, float("nan"))], formats=("", ",", ".1f"))
    assert table.cells() == [["a|b", "1,234", "0.5"], ["<i>", "-", "-"]]
    assert table.text("").splitlines() == ["name      n    %", "a|b   1,234  0.5", "<i>       -    -"]
    assert table.markdown().splitlines()[1:3] == ["| --- | ---: | ---: |", "| a\\|b | 1,234 | 0.5 |"]
    text = table.html()
    assert "<td" in text
    assert "&lt;i&gt;" in text
    assert "<i>" not in text


def test_markup_is_taken_as_it_is():
    table = Table([Column("a", align="left")], [[Markup("<b>x</b>")], [Markup('<td class="cell">y</td>')]], marked=[1])
    text = table.html()
    assert '<td class="text"><b>x</b></td>' in text
    assert '<tr class="ours"><td class="cell">y</td></tr>' in text
    assert Table([Column("a")], []).html() == ""
    assert not Table([Column("a")], [])
