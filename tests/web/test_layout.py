"""The drawing of graphs: all is there, nothing overlaps, lines run one way and through no node."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.web.layout import HEIGHT, WIDTH, Layout, lay_out

Edges = list[tuple[int, int]]
SMALL = st.integers(0, 14)
GRAPHS = st.lists(st.tuples(SMALL, SMALL), max_size=40)
WITHOUT_CIRCLES = GRAPHS.map(lambda edges: [(a, b) for a, b in edges if a < b])
NODES = list(range(15))


def rectangles(drawing: Layout[int]) -> dict[int, tuple[int, int, int, int]]:
    return {one.node: (one.x, one.y, one.x + WIDTH, one.y + HEIGHT) for one in drawing.spots}


@given(GRAPHS)
def test_every_node_is_there_once_and_no_two_overlap(edges: Edges) -> None:
    drawing = lay_out(NODES, edges)
    assert sorted(one.node for one in drawing.spots) == NODES
    places = rectangles(drawing)
    for one, other in combinations(places.values(), 2):
        apart = one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
        assert apart, (one, other)
    for left, top, right, bottom in places.values():
        assert 0 <= left <= right <= drawing.width
        assert 0 <= top <= bottom <= drawing.height


@given(GRAPHS)
def test_every_edge_is_a_line_between_its_nodes(edges: Edges) -> None:
    drawing = lay_out(NODES, edges)
    expected = {(a, b) for a, b in edges if a != b}
    drawn = [(one.start, one.end) for one in drawing.lines]
    assert set(drawn) == expected
    assert len(drawn) == len(expected)
    assert all(one.path.startswith("M ") for one in drawing.lines)


@given(WITHOUT_CIRCLES)
def test_edges_go_one_way_where_there_is_no_circle(edges: Edges) -> None:
    drawing = lay_out(NODES, edges)
    places = rectangles(drawing)
    for line in drawing.lines:
        assert not line.back
        assert places[line.start][2] < places[line.end][0]
        across = [x for x, _ in line.points]
        assert across == sorted(across)


@given(GRAPHS)
def test_lines_run_beside_nodes_and_never_through_one(edges: Edges) -> None:
    drawing = lay_out(NODES, edges)
    places = rectangles(drawing)
    for line in drawing.lines:
        if line.back:
            continue
        for x, y in line.points[1:-1]:
            for left, top, right, bottom in places.values():
                assert not (left <= x <= right and top <= y <= bottom), line


@given(GRAPHS)
def test_only_what_closes_a_circle_runs_back(edges: Edges) -> None:
    drawing = lay_out(NODES, edges)
    ahead = {(one.start, one.end) for one in drawing.lines if not one.back}
    levels = {one.node: one.level for one in drawing.spots}
    assert all(levels[a] < levels[b] for a, b in ahead)
    for line in drawing.lines:
        if line.back:
            assert line.start in reached(line.end, ahead), "without it there is no circle"


def reached(start: int, edges: set[tuple[int, int]]) -> set[int]:
    found, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        for a, b in edges:
            if a == here and b not in found:
                found.add(b)
                waiting.append(b)
    return found


def test_a_chain_is_a_row_of_columns_and_siblings_stand_below_one_another() -> None:
    chain = lay_out("abc", [("a", "b"), ("b", "c")])
    assert [one.level for one in chain.spots] == [0, 1, 2]
    assert len({one.y for one in chain.spots}) == 1
    fan = lay_out("abc", [("a", "c"), ("b", "c")])
    a, b, c = fan.spots
    assert (a.level, b.level, c.level) == (0, 0, 1)
    assert a.y < c.y < b.y


def test_crossings_that_can_be_avoided_are() -> None:
    drawing = lay_out("abxy", [("a", "y"), ("b", "x")])
    at = {one.node: one.y for one in drawing.spots}
    assert (at["a"] < at["b"]) == (at["y"] < at["x"])


def test_nothing_and_what_is_unknown() -> None:
    assert lay_out([], []).spots == ()
    assert lay_out(["a"], [("a", "b"), ("a", "a")]).lines == ()
