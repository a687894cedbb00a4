"""The entry point: parse, run one command, turn errors into messages and exit codes.

Exit codes: 0 done; 1 it failed; 2 wrong usage; 3 the invoked function answered with an error; 130 interrupted.
This is the only module that exits.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import click

from fnroll import __version__
from fnroll.cli import options
from fnroll.cli.app import App
from fnroll.cli.early import prepare
from fnroll.cli.group import Fn
from fnroll.errors import FnError


@click.group(
    cls=Fn,
    name="fn",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="A definition is Lambda's CreateFunction request as JSON; see docs/function-json.md. Start with: "
    "fn init --runtime perl hello",
)
@click.version_option(__version__, prog_name="fn")
@click.pass_context
def fn(ctx: click.Context, /, **values: Any) -> None:
    """Run, ship and release AWS Lambda functions from one function.json."""
    ctx.obj.settle(options.given(ctx, values))


fn.params[:0] = options.options()


def main(argv: list[str] | None = None) -> NoReturn:
    """Run `fn` and exit the process."""
    code = run(sys.argv[1:] if argv is None else argv)
    # Flush by hand: at interpreter exit a closed pipe (`fn list | head`) would print a traceback.
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(argv: list[str]) -> int:
    """Run `fn` with these arguments and return its exit code."""
    app = App()
    try:
        defaults = prepare(argv, os.environ)
        words = argv or ["--help"]
        result = fn.main(words, prog_name="fn", standalone_mode=False, obj=app, default_map=defaults)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as signal:
        return signal.exit_code
    except (KeyboardInterrupt, click.Abort):
        app.complain("interrupted")
        return 130
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return error.exit_code
    except FnError as error:
        if app.settings.debug:
            raise
        app.complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        return 1
    except Exception as error:
        if app.settings.debug:
            raise
        app.complain(
            f"internal error: {type(error).__name__}: {error}\n  run the command again with --debug to see where"
        )
        return 1
    finally:
        app.close()


if __name__ == "__main__":
    main()
