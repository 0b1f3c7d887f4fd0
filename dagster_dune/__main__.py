"""``python -m dagster_dune``: the command line where the script ``dagster-dune`` is not on the path."""

from dagster_dune.cli import app

if __name__ == "__main__":
    app()
