"""Each check finds what is wrong in a small tree, and nothing in one that is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.house import __main__ as house
from tests.house import rules
from tests.house.plan import Ban, Floor, Twins, Words
from tests.house.rules import Violation
from tests.house.tree import Tree, read

Build = Callable[..., Tree]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Writes a package `inn` of some files, by their paths without `.py`, and reads it."""

    def written(**files: str) -> Tree:
        (tmp_path / "inn").mkdir(exist_ok=True)
        for name, text in {"__init__": "", **files}.items():
            path = tmp_path / "inn" / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return read(tmp_path / "inn")

    return written


def told(found: Iterable[Violation]) -> list[tuple[str, str]]:
    return [(Path(one.where).name, one.what) for one in found]


def test_imports_are_seen_wherever_they_are(build: Build) -> None:
    tree = build(
        **{
            "bar.__init__": "from . import glass\n",
            "bar.glass": "import os.path\n",
            "bar.tap": "def pour():\n    from .glass import fill\n    from inn import bar\n",
            "door": "from inn.bar import glass, open_hours\nfrom inn.bar.tap import pour\n",
        }
    )
    assert tree.graph["inn.bar.tap"] == {"inn.bar.glass", "inn.bar"}
    assert tree.graph["inn.door"] == {"inn.bar.glass", "inn.bar", "inn.bar.tap"}
    assert tree.arrows["door"] == {
        "bar": [("inn.door", "inn.bar"), ("inn.door", "inn.bar.glass"), ("inn.door", "inn.bar.tap")]
    }
    assert "os.path" in tree.reachable("inn.door")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a": "import inn.b", "b": ""}, []),
        (
            {"a": "import inn.b", "b": "from inn import a"},
            ["inn.a -> inn.b -> inn.a", "a -> b -> a"],
        ),
        (
            {"bar.one": "from inn.kitchen import two", "bar.three": "", "kitchen.two": "import inn.bar.three"},
            ["bar -> kitchen -> bar"],
        ),
    ],
)
def test_circles(build: Build, files: dict[str, str], expected: list[str]) -> None:
    found = [one.where for one in rules.circles(build(**files))]
    assert [{*path.split(" -> ")} for path in found] == [{*path.split(" -> ")} for path in expected]


@pytest.mark.parametrize(
    ("floors", "expected"),
    [
        ([("inn", "bar"), ("door",)], []),
        ([("inn", "door"), ("bar",)], [("inn.door", "imports inn.bar.tap, and bar is not below door")]),
        ([("inn", "door", "bar")], [("inn.door", "imports inn.bar.tap, and bar is not below door")]),
        ([("inn", "bar")], [("door", "the room has no floor")]),
        ([("inn", "bar"), ("door", "attic")], [("attic", "FLOORS names a room that is not there")]),
    ],
)
def test_upward_arrows(build: Build, floors: list[tuple[str, ...]], expected: list[tuple[str, str]]) -> None:
    tree = build(**{"bar.tap": "", "door": "from inn.bar.tap import pour\n"})
    assert told(rules.upward_arrows(tree, [Floor("", rooms) for rooms in floors])) == expected


def test_full_folders(build: Build) -> None:
    tree = build(**{"bar.__init__": "", "bar.one": "", "bar.two": ""})
    assert told(rules.full_folders(tree, 2)) == []
    assert told(rules.full_folders(tree, 1)) == [("bar", "2 modules, at most 1")]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([("bar.menu", "kitchen.menu")], []),
        ([], [("bar.menu, kitchen.menu", "the same file name 2 times")]),
        ([("bar.menu", "kitchen.menu"), ("tap", "bar.tap")], [("bar.tap, tap", "TWINS lists what is not so")]),
        (
            [("bar.menu", "kitchen.menu", "menu")],
            [
                ("bar.menu, kitchen.menu", "the same file name 2 times"),
                ("bar.menu, kitchen.menu, menu", "TWINS lists what is not so"),
            ],
        ),
    ],
)
def test_repeated_names(build: Build, listed: list[tuple[str, ...]], expected: list[tuple[str, str]]) -> None:
    tree = build(**{"bar.__init__": "", "bar.menu": "", "kitchen.menu": "", "kitchen.__init__": "", "tap": ""})
    assert told(rules.repeated_names(tree, [Twins(names, "") for names in listed])) == expected


FUNCTIONS = '''
@cached
def short():
    """One."""


class Door:
    async def open(self):
        def knock():
            pass

        knock()
'''


def test_functions_are_measured_from_def_to_end(build: Build) -> None:
    tree = build(door=FUNCTIONS)
    found = [(one.name, one.line, one.length) for one in tree.modules["inn.door"].functions]
    assert sorted(found) == [("knock", 9, 2), ("open", 8, 5), ("short", 3, 2)]


def test_long_functions(build: Build) -> None:
    tree = build(door=FUNCTIONS)
    assert told(rules.long_functions(tree, 5, 2, 5)) == []
    assert told(rules.long_functions(tree, 4, 1, 4)) == [
        ("door.py:8", "open has 5 lines, at most 4"),
        ("inn", "median of functions 2 lines, at most 1"),
        ("inn", "90th percentile of functions 5 lines, at most 4"),
    ]


@pytest.mark.parametrize(
    ("lengths", "expected"), [([], 0), ([3], 3), ([*range(1, 11)], 9), ([*range(1, 12)], 10), ([*range(1, 21)], 18)]
)
def test_nine_of_ten_are_at_most_as_long_as_the_90th_percentile(lengths: list[int], expected: int) -> None:
    assert rules.tail(lengths) == expected


def test_strangers(build: Build) -> None:
    tree = build(**{"bar.tap": "from beer.pale import ale\n", "door": "import beer\n"})
    assert told(rules.strangers(tree, {"beer": ("bar",), "beers": ()})) == [("inn.door", "imports beer")]
    assert told(rules.strangers(tree, {"beer": ("bar", "door")})) == []


def test_bans_see_through_others(build: Build) -> None:
    tree = build(**{"bar.tap": "import inn.door\n", "door": "import time\n"})
    ban = Ban(("bar",), ("time", "inn.cellar"), "it is always open")
    assert [str(one) for one in rules.bans(tree, [ban])] == [
        "inn.bar.tap: reaches time; it is always open: pass in what it needs"
    ]
    assert told(rules.bans(tree, [Ban(("cellar",), ("time",), "")])) == []


def test_shadows(build: Build) -> None:
    tree = build(**{"bar.queue": ""})
    assert told(rules.shadows(tree, frozenset({"random"}))) == []
    assert told(rules.shadows(tree, frozenset({"queue"}))) == [("queue.py", "hides a module of the standard library")]
    folder = tree.modules["inn"].path.parents[1]
    (folder / "__init__.py").touch()
    assert told(rules.shadows(tree, frozenset())) == [(folder.name, "has an __init__.py, so it hides `operator`")]


def test_misplaced_words(build: Build) -> None:
    tree = build(**{"bar.tap": "# ale\n", "door": "# stale\n\n# Ale here\n"})
    assert told(rules.misplaced_words(tree, [Words(r"(?i)\bale\b", ("bar",), "")])) == [
        ("door.py", "words that belong to bar in line 3")
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("OME says so", True),
        ("from autotuner.serving.ome import models", True),
        ('"ome.io/deploymentMode"', True),
        ("a ClusterServingRuntime", True),
        ("ClusterBaseModels", True),
        ("the InferenceService", True),
        ("some home, a BaseModel of pydantic", False),
    ],
)
def test_the_words_of_ome(build: Build, text: str, named: bool) -> None:
    tree = build(**{"door": f"# {text}\n", "serving.ome.models": f"# {text}\n"})
    assert bool([*rules.misplaced_words(tree, house.plan.WORDS)]) is named


def test_the_picture_shows_floors_rooms_and_arrows(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = build(**{"bar.tap": "def pour():\n    pass\n", "door": "from inn.bar import tap\n"})
    monkeypatch.setattr(house.plan, "FLOORS", (Floor("drinks", ("inn", "bar")), Floor("entrance", ("door",))))
    lines = [line.split() for line in house.picture(tree)][1:]
    assert lines == [
        ["1", "entrance"],
        ["door", "1", "1", "0", "0", "bar", "1"],
        ["0", "drinks"],
        ["inn", "1", "0", "0", "0"],
        ["bar", "1", "2", "1", "2"],
    ]
    assert house.summary(tree).startswith("3 modules in 3 rooms on 2 floors, 1 arrows; 1 functions, median 2 lines")
