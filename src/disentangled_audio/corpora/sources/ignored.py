"""Files and folders that systems leave beside recordings, and that nobody means."""

# The part of a file that other systems cannot store, as macOS writes it into archives and disks.
_RESOURCE_FORK = "._"
_FILES = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini"})
_FOLDERS = frozenset({"__macosx", "$recycle.bin", "system volume information", "@eadir"})


def is_ignored(relative: str) -> bool:
    """Tell whether a path below a folder or in an archive is left out everywhere.

    Parameters
    ----------
    relative : str
        With forward slashes; a folder's path ends in one.
    """
    *folders, name = relative.split("/")
    is_of_system = name.startswith(_RESOURCE_FORK) or name.lower() in _FILES
    return is_of_system or any(map(_is_ignored_folder, folders))


def _is_ignored_folder(name: str) -> bool:
    is_hidden = name.startswith(".") and name not in (".", "..")
    return is_hidden or name.lower() in _FOLDERS
