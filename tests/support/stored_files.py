"""What the files of a folder hold, while processes go on writing there."""

import os
from pathlib import Path


def stored_files(folder):
    """Yields each file below a folder with its bytes; leaves out what is taken away meanwhile, as SQLite's logs are."""
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in sorted(names)):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            yield path, content


def files_with(text, folder):
    """Returns the files below a folder that hold a text."""
    files = list(stored_files(folder))
    assert files, f"there is nothing to look through in {folder}"
    return [path for path, content in files if text.encode() in content]
