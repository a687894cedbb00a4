"""Debian packages without Debian: what to fetch for a runtime, where from, whether it is genuine, what is inside.

version.py    which of two versions is newer                                    (pure)
control.py    an archive's index as packages, and their dependencies as data    (pure)
resolve.py    package names -> the packages that they need                      (pure)
mirrors.py    where this machine's Debian archive is
release.py    an archive's signed Release file -> verified index files
deb.py        a .deb -> its files

Neither apt nor dpkg is needed. Where apt is there, its downloader is used, which knows the machine's proxies.
"""
