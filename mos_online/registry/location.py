"""From a path or URL to the files of a registry."""

from __future__ import annotations

from pathlib import Path

import fsspec
from fsspec.core import split_protocol
from fsspec.registry import known_implementations

from mos_online.errors import SettingsError
from mos_online.registry.local_storage import LocalStorage
from mos_online.registry.storage import Storage

LOCAL = {None, "file", "local"}


def open_storage(location: str | Path) -> Storage:
    """The files below a folder or a URL such as ``s3://bucket/models``.

    Raises:
        SettingsError: no filesystem is known for the URL, its package is not installed, or its options are wrong.
    """
    text = str(location)
    protocol, path = split_protocol(text)
    if protocol in LOCAL and "::" not in text:
        return LocalStorage(Path(path))
    label = without_password(text)
    try:
        filesystem, root = fsspec.url_to_fs(text)
    except ImportError as error:
        raise SettingsError(
            f"MOS_MODELS={label} needs a package that is not installed: {_install(protocol, error)}"
        ) from None
    except (ValueError, TypeError, OSError) as error:
        raise SettingsError(
            f"MOS_MODELS={label}: {error}; give a folder, or a URL that fsspec knows, such as s3://bucket/models"
        ) from None
    return Storage(filesystem, root, label)


def without_password(url: str) -> str:
    """The URL without the credentials that may stand before an ``@``."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else url


def _install(protocol: str | None, error: ImportError) -> str:
    known = known_implementations.get(protocol or "", {})
    package = known.get("class", "").partition(".")[0]
    if package and package != "fsspec":
        return f"pip install {package}"
    return str(known.get("err") or error)
