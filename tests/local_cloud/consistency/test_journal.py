"""The past of a graph of mutable objects, without AWS."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import Any

import pytest

from local_cloud.consistency.journal import Journal


@dataclass(kw_only=True, eq=False)
class Node:
    name: str
    tags: dict[str, str] = field(default_factory=dict)
    members: list[Any] = field(default_factory=list)
    zones: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class World:
    """A graph under a journal, with a clock that the test moves by one second a step."""

    root: Node
    now: float = 0.0
    keep: float = 100.0

    def __post_init__(self) -> None:
        self.journal = Journal(roots=lambda: [self.root], belongs=lambda class_: class_ is Node)
        self.journal.record(self.now, self.keep)

    def step(self) -> None:
        self.now += 1
        self.journal.record(self.now, self.keep)

    def names(self, at: float) -> list[str]:
        with self.journal.as_of(at):
            return [member.name for member in self.root.members]


@pytest.fixture
def world() -> World:
    return World(root=Node(name="root"))


def test_what_came_later_is_not_there_yet_and_is_there_again_after(world: World) -> None:
    for name in "abc":
        world.root.members.append(Node(name=name))
        world.step()
    assert [world.names(at) for at in (0, 1, 2, 3)] == [[], ["a"], ["a", "b"], ["a", "b", "c"]]
    assert [member.name for member in world.root.members] == ["a", "b", "c"]


def test_what_was_removed_is_there_with_what_it_held(world: World) -> None:
    node = Node(name="a", tags={"status": "good"}, zones={"z"})
    world.root.members.append(node)
    world.step()
    node.tags["status"] = "quarantined"
    node.zones.clear()
    world.step()
    world.root.members.clear()
    world.step()
    with world.journal.as_of(1):
        (found,) = world.root.members
        assert found is node
        assert (found.tags, found.zones) == ({"status": "good"}, {"z"})
    assert world.root.members == []


def test_attributes_and_nested_containers_go_back_in_place(world: World) -> None:
    seen_elsewhere = world.root.tags
    world.root.members.append({"inner": [1]})
    world.step()
    world.root.name = "renamed"
    world.root.tags["a"] = "b"
    world.root.members[0]["inner"].append(2)
    world.step()
    with world.journal.as_of(1):
        assert (world.root.name, seen_elsewhere) == ("root", {})
        assert world.root.members == [{"inner": [1]}]
    assert (world.root.name, seen_elsewhere) == ("renamed", {"a": "b"})
    assert world.root.members == [{"inner": [1, 2]}]


def test_the_order_and_the_kind_of_a_mapping_stay(world: World) -> None:
    ordered: Any = collections.OrderedDict(b=1, a=2)
    counted: Any = collections.defaultdict(list, {"x": [1]})
    world.root.members += [ordered, counted]
    world.step()
    ordered.move_to_end("b")
    ordered["c"] = 3
    counted["y"].append(1)
    world.step()
    with world.journal.as_of(1):
        assert (list(ordered), dict(counted)) == (["b", "a"], {"x": [1]})
    assert list(ordered) == ["a", "b", "c"]
    assert counted["z"] == []


def test_a_read_may_fail_in_the_past(world: World) -> None:
    world.root.members.append(Node(name="a"))
    world.step()
    with pytest.raises(IndexError), world.journal.as_of(0):
        _ = world.root.members[0]
    assert len(world.root.members) == 1


def test_what_is_older_than_wanted_is_forgotten(world: World) -> None:
    world.keep = 2
    for name in "abcdef":
        world.root.members.append(Node(name=name))
        world.step()
    assert world.names(at=4) == ["a", "b", "c", "d"]
    assert world.names(at=0) == ["a", "b", "c"]  # as far back as it goes


def test_objects_of_other_classes_are_left_alone(world: World) -> None:
    other = collections.Counter(a=1)
    foreign = type("Foreign", (), {})()
    foreign.value = 1
    world.root.members += [other, foreign]
    world.step()
    foreign.value, other["a"] = 2, 2
    world.step()
    with world.journal.as_of(1):
        assert (foreign.value, other["a"]) == (2, 1)
