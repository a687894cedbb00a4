"""The CRCs that are computed by halving: held to published check values, to zlib, and to a loop over bits."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.cloud.checksums import CHECKSUMS, CRC32C, CRC64NVME, Crc


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crc32", "cbf43926"),
        ("crc32c", "e3069283"),
        ("crc64nvme", "ae8b14860a799888"),
    ],
)
def test_the_check_values_of_the_crcs(name: str, value: str) -> None:
    assert CHECKSUMS[name](b"123456789").hex() == value


@given(st.binary(max_size=3000), st.sampled_from([1, 257, 2**18 // 100]))
def test_halving_gives_what_a_loop_over_bits_gives(data: bytes, times: int) -> None:
    data = (data * times)[:20_000]
    assert Crc(32, 0xEDB88320).of(data) == zlib.crc32(data).to_bytes(4, "big")
    for crc, width, polynomial in ((CRC32C, 32, 0x82F63B78), (CRC64NVME, 64, 0x9A6C9329AC4BC9B5)):
        short = data[:400]
        register = (1 << width) - 1
        for byte in short:
            register ^= byte
            for _ in range(8):
                register = register >> 1 ^ (polynomial if register & 1 else 0)
        assert crc.of(short) == (register ^ (1 << width) - 1).to_bytes(width // 8, "big")


def test_a_crc_over_several_blocks() -> None:
    data = bytes(range(256)) * 3000
    assert Crc(32, 0xEDB88320).of(data) == zlib.crc32(data).to_bytes(4, "big")
