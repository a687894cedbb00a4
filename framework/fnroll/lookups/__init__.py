"""What definitions ask of the world, answered: the callables of a `definition.World`.

    table.py    the lookups by name, over a session that is made when the first of them is asked
    states.py   a Terraform state from where it lies: files, http, S3, Terraform Cloud, GCS, Azure
    http.py     GET, with a token and a limit
    git.py      the commit that a directory stands at

`definition` says what there is to ask and when; here is how it is got. Every failure is one of our errors.
"""

from fnroll.lookups.table import lookups

__all__ = ["lookups"]
