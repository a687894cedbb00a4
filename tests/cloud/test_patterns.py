"""Event patterns, as a table: EventBridge's own examples and the edges between them."""

from __future__ import annotations

from typing import Any

import pytest

from fnroll.cloud.patterns import PatternError, matches, parse

EVENT: dict[str, Any] = {
    "name": "Image.JPG",
    "size": 12,
    "ip": "10.0.0.7",
    "none": None,
    "flag": True,
    "tags": ["red", "blue"],
    "inner": {"a": 1, "list": [{"b": 2}, {"b": 3}]},
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{}", True),
        ('{"name":["Image.JPG"]}', True),
        ('{"name":["other","Image.JPG"]}', True),
        ('{"name":["image.jpg"]}', False),
        ('{"name":[{"equals-ignore-case":"image.jpg"}]}', True),
        ('{"name":[{"prefix":"Im"}]}', True),
        ('{"name":[{"prefix":"im"}]}', False),
        ('{"name":[{"prefix":{"equals-ignore-case":"im"}}]}', True),
        ('{"name":[{"suffix":".JPG"}]}', True),
        ('{"name":[{"wildcard":"Im*.J*G"}]}', True),
        ('{"name":[{"wildcard":"Im*.png"}]}', False),
        ('{"name":[{"anything-but":"x"}]}', True),
        ('{"name":[{"anything-but":["x","Image.JPG"]}]}', False),
        ('{"name":[{"anything-but":{"prefix":"Im"}}]}', False),
        ('{"size":[12]}', True),
        ('{"size":[12.0]}', True),
        ('{"size":["12"]}', False),
        ('{"size":[{"numeric":[">",10,"<=",12]}]}', True),
        ('{"size":[{"numeric":["<",12]}]}', False),
        ('{"name":[{"numeric":["<",12]}]}', False),
        ('{"flag":[true]}', True),
        ('{"flag":[1]}', False),
        ('{"none":[null]}', True),
        ('{"absent":[null]}', False),
        ('{"absent":[{"exists":false}]}', True),
        ('{"name":[{"exists":false}]}', False),
        ('{"tags":[{"exists":true}]}', True),
        ('{"absent":[{"anything-but":"x"}]}', False),
        ('{"ip":[{"cidr":"10.0.0.0/24"}]}', True),
        ('{"ip":[{"cidr":"10.0.1.0/24"}]}', False),
        ('{"tags":["blue"]}', True),
        ('{"tags":["green"]}', False),
        ('{"inner":{"a":[1]}}', True),
        ('{"inner":{"list":{"b":[3]}}}', True),
        ('{"inner":{"a":[2]}}', False),
        ('{"name":{"deeper":["x"]}}', False),
        ('{"$or":[{"size":[1]},{"flag":[true]}]}', True),
        ('{"$or":[{"size":[1]},{"flag":[false]}]}', False),
        ('{"name":["Image.JPG"],"size":[13]}', False),
    ],
)
def test_a_pattern(pattern: str, expected: bool) -> None:
    assert matches(parse(pattern), EVENT) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "no json",
        "[]",
        '{"a":"b"}',
        '{"a":[["b"]]}',
        '{"a":[{"like":"b"}]}',
        '{"a":[{"prefix":1}]}',
        '{"a":[{"numeric":["!",1]}]}',
        '{"a":[{"numeric":[">"]}]}',
        '{"a":[{"exists":"yes"}]}',
        '{"a":[{"cidr":"x"}]}',
        '{"a":[{}]}',
        '{"$or":[1]}',
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        parse(pattern)


def test_what_is_no_object_meets_the_empty_pattern_alone() -> None:
    assert matches({}, "text")
    assert not matches({"a": ["b"]}, "text")
