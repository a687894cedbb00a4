"""Python's packages as a source of programs: fetched by pip, which knows this machine's indexes; nothing is installed.

pip.py     requirements -> the wheels of them for one of Lambda's platforms
wheel.py   a wheel -> its files and licences
tree.py    files and a recipe -> those of a layer, checked against the base image's libc
"""
