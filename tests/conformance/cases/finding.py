"""Lists: order, selectors, pages."""

from __future__ import annotations

from autotuner.kube import CONFIG_MAP, EVENT, POD, TASK
from tests.conformance.cases.objects import config_map, event, pod, version
from tests.conformance.server import Listed, RefusedError, Server, refused
from tests.support.objects import edited, make_task

NONSENSE = RefusedError(400, "BadRequest")
LABELS = {
    "a": {"color": "red", "size": "1"},
    "b": {"color": "blue", "size": "1"},
    "c": {"color": "green"},
    "d": {},
    "e": {"example.com/x": "", "color": "red"},
}


def _names(found: Listed) -> list[str]:
    return [one["metadata"]["name"] for one in found.items]


async def _labelled(server: Server) -> None:
    for name, labels in LABELS.items():
        await server.create(TASK, edited(make_task(name), {"metadata.labels": labels}))


async def a_list_is_in_the_order_of_names(server: Server) -> None:
    for name in ("b", "c10", "c9", "a"):
        await server.create(TASK, make_task(name))

    found = await server.list(TASK)
    assert _names(found) == ["a", "b", "c10", "c9"]
    assert int(found.version) >= max(int(version(one)) for one in found.items)
    assert (found.more, found.remaining) == ("", None)


async def a_list_of_nothing(server: Server) -> None:
    found = await server.list(TASK)
    assert (found.items, int(found.version) > 0) == ([], True)


async def labels_select(server: Server) -> None:
    await _labelled(server)
    for selector, want in {
        "color=red": "ae",
        "color==blue": "b",
        "color!=red": "bcd",
        "color": "abce",
        "!color": "d",
        "color,size": "ab",
        "color in (red, green)": "ace",
        "color notin (red,green)": "bd",
        "color=red,size=1": "a",
        "size=1,color!=red": "b",
        "example.com/x": "e",
        "example.com/x=": "e",
        "color=": "",
        "color=none": "",
        "": "abcde",
    }.items():
        assert "".join(_names(await server.list(TASK, labels=selector))) == want, selector


async def labels_that_change_select_anew(server: Server) -> None:
    await _labelled(server)
    await server.merge(TASK, "a", {"metadata": {"labels": {"color": "blue"}}})
    await server.merge(TASK, "b", {"metadata": {"labels": None}})
    await server.delete(TASK, "e")

    assert _names(await server.list(TASK, labels="color=blue")) == ["a"]
    assert _names(await server.list(TASK, labels="color=red")) == []
    assert _names(await server.list(TASK, labels="!color")) == ["b", "d"]


async def a_selector_that_cannot_be_read(server: Server) -> None:
    for selector in ("a b", "color in red", "=x", "a=b=c"):
        assert await refused(server.list(TASK, labels=selector)) == NONSENSE, selector


async def fields_select(server: Server) -> None:
    await server.create(TASK, make_task("a"))
    await server.create(TASK, make_task("b"))

    assert _names(await server.list(TASK, fields="metadata.name=b")) == ["b"]
    assert _names(await server.list(TASK, fields="metadata.name!=b")) == ["a"]
    assert _names(await server.list(TASK, fields=f"metadata.namespace={server.namespace},metadata.name=a")) == ["a"]
    assert await refused(server.list(TASK, fields="spec.suspend=true")) == NONSENSE
    assert await refused(server.list(CONFIG_MAP, fields="data.a=b")) == NONSENSE


async def events_are_found_by_what_they_are_about(server: Server) -> None:
    about = [await server.create(TASK, make_task(name)) for name in ("a", "b")]
    for one in about:
        await server.create(EVENT, event(one, generateName="x."))
    uid = about[1]["metadata"]["uid"]

    found = await server.list(EVENT, fields=f"involvedObject.uid={uid}")
    assert [one["involvedObject"]["name"] for one in found.items] == ["b"]
    both = f"involvedObject.kind=TuningTask,reason=Noted,type=Normal,involvedObject.uid={uid}"
    assert len((await server.list(EVENT, fields=both)).items) == 1


async def pods_are_found_by_their_node(server: Server) -> None:
    await server.create(POD, pod("a", node="nowhere"))
    await server.create(POD, pod("b"))

    assert _names(await server.list(POD, fields="spec.nodeName=nowhere")) == ["a"]
    assert _names(await server.list(POD, fields="spec.nodeName=")) == ["b"]
    assert _names(await server.list(POD, fields="status.phase!=Running,spec.nodeName!=nowhere")) == ["b"]


async def a_list_in_parts(server: Server) -> None:
    for name in "abcde":
        await server.create(CONFIG_MAP, config_map(name, labels={"part": "x"}))
    first = await server.list(CONFIG_MAP, limit=2, labels="part=x")
    second = await server.list(CONFIG_MAP, limit=2, labels="part=x", more=first.more)
    third = await server.list(CONFIG_MAP, limit=2, labels="part=x", more=second.more)

    assert [_names(one) for one in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert {one.version for one in (first, second, third)} == {first.version}
    assert (bool(first.more), bool(second.more), third.more) == (True, True, "")
    assert [one.remaining for one in (first, second, third)] == [None] * 3


async def a_list_in_parts_says_how_many_are_left(server: Server) -> None:
    for name in "abcde":
        await server.create(TASK, make_task(name))
    first = await server.list(TASK, limit=2)
    rest = await server.list(TASK, limit=3, more=first.more)

    assert (first.remaining, rest.remaining) == (3, None)
    assert _names(await server.list(TASK, more=first.more)) == ["c", "d", "e"]


async def a_list_in_parts_shows_one_moment(server: Server) -> None:
    for name in "abcd":
        await server.create(TASK, make_task(name))
    first = await server.list(TASK, limit=2)
    await server.create(TASK, make_task("cc"))
    await server.merge(TASK, "c", {"spec": {"suspend": True}})
    await server.delete(TASK, "d")
    rest = await server.list(TASK, limit=9, more=first.more)

    assert (_names(rest), rest.version) == (["c", "d"], first.version)
    assert [one["spec"]["suspend"] for one in rest.items] == [False, False]


async def a_place_in_a_list_that_is_none(server: Server) -> None:
    assert await refused(server.list(TASK, limit=2, more="nonsense")) == NONSENSE


async def items_of_a_list_are_whole(server: Server) -> None:
    made = await server.create(TASK, make_task())

    (found,) = (await server.list(TASK)).items
    assert (found["spec"], version(found)) == (made["spec"], version(made))
