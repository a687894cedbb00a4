"""What every test may count on, however the suite was started."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script, a process ignores SIGINT, and so would every command that a test starts
    # and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
