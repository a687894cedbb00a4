"""The zip format's records, as `struct`s and numbers, for the writer and the reader. Nothing else may live here.

Source: PKWARE APPNOTE 6.3.3, sections 4.3.7 (local header), 4.3.12 (central header), 4.3.14 to 16 (end, ZIP64),
4.4.4 (flags), 4.4.5 (methods), 4.5.3 (ZIP64 extra field).
"""

from __future__ import annotations

import struct

LOCAL = struct.Struct("<IHHHHHIIIHH")
CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
END = struct.Struct("<IHHHHIIH")
END64 = struct.Struct("<IQHHIIQQQQ")
LOCATOR64 = struct.Struct("<IIQI")

LOCAL_MAGIC, CENTRAL_MAGIC, END_MAGIC, END64_MAGIC, LOCATOR64_MAGIC = (
    0x04034B50,
    0x02014B50,
    0x06054B50,
    0x06064B50,
    0x07064B50,
)

STORED, DEFLATED, DEFLATED64 = 0, 8, 9
METHODS = {
    0: "Store",
    1: "Shrink",
    2: "Reduce",
    3: "Reduce",
    4: "Reduce",
    5: "Reduce",
    6: "Implode",
    8: "Deflate",
    9: "Deflate64",
    10: "PKWARE Implode",
    12: "bzip2",
    14: "LZMA",
    16: "IBM CMPSC",
    18: "IBM TERSE",
    19: "IBM LZ77",
    20: "Zstandard",
    93: "Zstandard",
    94: "MP3",
    95: "XZ",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
    99: "AES encryption",
}

FLAG_ENCRYPTED, FLAG_DESCRIPTOR, FLAG_PATCH, FLAG_STRONG = 0x0001, 0x0008, 0x0020, 0x0040
FLAG_UTF8, FLAG_MASKED = 0x0800, 0x2000

NEEDED, NEEDED_ZIP64 = 20, 45
UNIX = 3 << 8
DOS_DATE = 0x0021
"""1980-01-01, the first day that a zip can name; the time is 0."""

MODE_FILE, MODE_PROGRAM, MODE_LINK = 0o100644, 0o100755, 0o120777
