"""Items that say where they come from."""

from __future__ import annotations

import pytest

from comm.sim.items import ITEM_BYTES_MIN, cut_items, make_item, read_header


SIZES = [0, 1, ITEM_BYTES_MIN, ITEM_BYTES_MIN + 1, 100, 4096, 4097, 20_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", [0, 1, 255, 256, 70_000])
def test_an_item_says_what_it_is(size: int, number: int) -> None:
    """An item has the size that was asked for, or the least that there is, and its
    header says so, and whose it is."""
    item = make_item(7, number, size)
    assert len(item) == max(size, ITEM_BYTES_MIN)
    assert read_header(item) == (7, number, len(item))
    assert read_header(b"xyz" + item, 3) == read_header(item)


def test_neighbours_differ_beyond_their_headers() -> None:
    """Bytes of one item in the place of another one's do not go unnoticed, wherever
    in the item they are."""
    first, second = (make_item(0, number, 6000)[ITEM_BYTES_MIN:] for number in (4, 5))
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_a_batch_is_cut_into_its_items() -> None:
    """What was joined comes apart at the same places."""
    items = [make_item(1, number, 12 + 7 * number) for number in range(20)]
    assert cut_items(b"".join(items), len(items)) == items
    assert cut_items(items[0], 1) == items[:1]


def damaged(items: list[bytes], place: int, size: int) -> bytes:
    """Returns the items as a batch, one of which says that it has another size."""
    broken = items[place][:8] + size.to_bytes(4, "big") + items[place][12:]
    return b"".join([*items[:place], broken, *items[place + 1 :]])


@pytest.mark.parametrize("size", [0, 11, 15, 24, 40, 41, 0xFFFF_FFFF])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_damaged_batch_is_cut_into_as_many(place: int, size: int) -> None:
    """Whatever size an item claims, there are as many as there were sent, none of the
    bytes goes missing, and those before are whole: an application whose connection was
    damaged counts as it did before, and comes to an end."""
    items = [make_item(1, number, 16) for number in range(4)]
    batch = damaged(items, place, size)
    found = cut_items(batch, 4)
    assert len(found) == 4
    assert b"".join(found) == batch
    assert found[:place] == items[:place]
