"""One process tree in isolation: `open_host` picks the strongest tier that this machine gives (types in api.py).

The fork server imports this package too, and must stay small: so nothing is imported here until a function is called.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from fnroll.sandbox.api import SandboxHost, Tier, Verdict


async def open_host(tier: Tier = "auto", *, rootfs: Path | Literal["empty"] | None = None) -> SandboxHost:
    """A host of `tier`; "auto" takes `linux` where one complete canary sandbox works, else `landlock` likewise, else
    `process`.

    On such a fall-back the first entry of `missing` says which step was refused and what would mend it. `rootfs`: the
    directory that a sandbox sees as its system instead of this machine's, or "empty" for nothing but code and layers;
    it takes the linux tier. Raises SandboxError where the tier that was asked for cannot be had.
    """
    from fnroll.sandbox import host

    return await host.open_host(tier, "" if rootfs is None else str(rootfs))


async def diagnose() -> tuple[Verdict, ...]:
    """Each tier, tried for real: whether it works here, and what it lacks or why it is refused."""
    from fnroll.sandbox import host

    return await host.diagnose()
