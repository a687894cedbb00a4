"""A client of Lambda's Runtime API for functions of the managed python runtimes. Standard library alone."""
