"""`python -m fnroll` is `fn`."""

from fnroll.cli.main import main

if __name__ == "__main__":
    main()
