"""What Lambda's base images bring: their libc, and the libraries that a program may count on. Tables alone.

facts: runtimes.md section 2, of the images; nothing else is taken for granted, since some libraries that the public
image holds are missing on Lambda itself.
"""

from __future__ import annotations

GLIBC = {"provided.al2023": (2, 34), "provided.al2": (2, 26)}

LIBRARIES = frozenset(
    {
        *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2"),
        *("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1"),
        *("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
    }
)
