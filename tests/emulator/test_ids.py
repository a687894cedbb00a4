"""Names that need to differ: their form, and that they do."""

from __future__ import annotations

from uuid import RFC_4122, UUID

from fnroll.emulator.ids import new_hex, new_id


def test_ids_are_version_4() -> None:
    made = [new_id() for _ in range(500)]
    assert len(set(made)) == 500
    assert {(UUID(one).version, UUID(one).variant) for one in made} == {(4, RFC_4122)}
    assert all(str(UUID(one)) == one for one in made)


def test_hexadecimal_numbers_have_their_length() -> None:
    assert {len(new_hex(16)) for _ in range(500)} == {16}
    assert len({new_hex(24) for _ in range(500)}) == 500
