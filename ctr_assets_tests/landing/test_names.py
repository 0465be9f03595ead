"""Which folders are those of days, and which were meant to be."""

import pytest

from ctr_assets.landing.names import is_ignored, misspelt, named_day

RIGHT = ["day=2014-10-21", "day=2024-02-29", "day=1999-12-31"]
TOLD = [
    "day=20141021",
    "day=2014-10-21 ",
    " day=2014-10-21",
    "day=2014-10-21\n",
    "day=\u200b2014-10-21",
    "Day=2014-10-21",
    "DAY=2014-10-21",
    "days=2014-10-21",
    "day=2014_10_21",
    "day=2014.10.21",
    "day=2014–10–21",
    "day = 2014-10-21",
    "day==2014-10-21",
    "day=２０１４-10-21",
    "day＝2014-10-21",
    "day=٢٠١٤-١٠-٢١",
    "day%3D2014-10-21",
    "day=21.10.2014",
    "day=10-21-2014",
    "day=2014-10-21T00",
    "day=2014-10-21 00:00:00",
    "day=2014-10-21.bak",
    "day=2014-10-21 (1)",
    "day=2014-10-21\udcff",
    "'day=2014-10-21'",
    "country=us,day=2014-10-21",
    "dt=2014-10-21",
    "ds=20141021",
    "date=2014-10-21",
    "day-2014-10-21",
    "day_2014_10_21",
    "day2014-10-21",
    "day20141021",
    "Day 2014-10-21",
    "date:2014-10-21",
]
NOT_TOLD = [
    "day=",
    "DAY=",
    "day= ",
    "day=__HIVE_DEFAULT_PARTITION__",
    "day=21",
    "day=yesterday",
    "day=2014-13-41",
    "day=2014-02-30",
    "day=2023-02-29",
    "day=10-11-2014",
    "day=2014-W43-2",
    "day=2014-10-21..2014-10-22",
    "day=12014-10-21",
    "day=0000-01-01",
    "dt=null",
]
OF_ARCHIVES = [
    "exports",
    "2014-10",
    "2014-10-21",
    "20141021",
    "part1",
    "hour=01",
    "region=eu",
    "birthday=2014-10-21",
    "load_date=2014-10-22",
    "day",
    "days",
    "date",
    "daytona",
    "day-1",
    "days_of_october_2014",
    "date-2014-10-21-export",
    "",
    "день=2014-10-21",
]


@pytest.mark.parametrize("name", RIGHT)
def test_the_folder_of_a_day(name):
    assert (named_day(name), misspelt(name)) == (name.removeprefix("day="), None)


@pytest.mark.parametrize("name", TOLD)
def test_a_folder_that_was_meant_to_be_that_of_a_day_is_told_its_name(name):
    assert (named_day(name), misspelt(name)) == (None, "day=2014-10-21")


@pytest.mark.parametrize(("name", "right"), [("day=2014-1-2", "day=2014-01-02"), ("Day=31/1/2014", "day=2014-01-31")])
def test_a_day_without_its_zeros_is_told_them(name, right):
    assert misspelt(name) == right


@pytest.mark.parametrize("name", NOT_TOLD)
def test_a_folder_whose_day_cannot_be_told_is_told_the_form(name):
    assert (named_day(name), misspelt(name)) == (None, "day=YYYY-MM-DD")


@pytest.mark.parametrize("name", OF_ARCHIVES)
def test_any_other_folder_is_one_of_archives(name):
    assert (named_day(name), misspelt(name)) == (None, None)


@pytest.mark.parametrize(
    "path", ["_x", ".x", "a/_x/b", "a.tmp", "a.tmp/b.csv", "day=2014-10-21.tmp", "a/.b/c", "_SUCCESS"]
)
def test_names_that_are_not_looked_at(path):
    assert is_ignored(path)


@pytest.mark.parametrize("path", ["x_", "a.b", "tmp", "a.tmp.csv", "a tmp", "", "a//b", "~x", "a/b_c.csv"])
def test_names_that_are_looked_at(path):
    assert not is_ignored(path)
