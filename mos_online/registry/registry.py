"""The model registry: versions, the aliases that name them, and one writer at a time (docs/adr/0011)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from mos_online.errors import ModelError, SettingsError
from mos_online.experiments.treatment import CHAMPION
from mos_online.registry import manifest as manifests
from mos_online.registry.aliases import NAMES, Aliases, AliasHistory
from mos_online.registry.cache import VersionCache
from mos_online.registry.experiments import ExperimentHistory
from mos_online.registry.local_storage import LocalStorage
from mos_online.registry.location import open_storage
from mos_online.registry.lock import LEARNER, Lease, WriterLock
from mos_online.registry.manifest import Manifest
from mos_online.registry.routers import FOLDER as ROUTERS
from mos_online.registry.routers import RouterHistory
from mos_online.registry.storage import Storage
from mos_online.registry.versions import FOLDER, Versions
from mos_online.settings import Settings

KEPT_VERSIONS = 5
"""Newest versions that stay; those with an alias stay in any case, and so do those of arms of experiments."""

Check = Callable[[Path], None]
"""Tries the model in a folder before it goes into service; raises ModelError if it cannot serve. It is passed in,
because it needs torch and the registry does not."""

log = logging.getLogger(__name__)


class Registry:
    """Versions of models in a folder or an object store; for any number of readers and writers on any machines.

    Wherever a method takes a version, an alias will do: ``champion``, ``candidate`` or ``previous``.
    """

    def __init__(self, location: str | Path | Storage, *, cache: Path | None = None) -> None:
        """Name a registry. Nothing is read or written yet.

        Args:
            location: a folder, a URL that fsspec knows, or files that have been opened already.
            cache: folder of this machine for the versions of a remote registry; a local one needs none.

        Raises:
            SettingsError: as ``open_storage``, or a remote registry has no ``cache``.
        """
        storage = location if isinstance(location, Storage) else open_storage(location)
        self.label = storage.label
        self._storage = storage
        self._versions = Versions(storage)
        self._aliases = AliasHistory(storage)
        self._lock = WriterLock(storage)
        self._fetch: Callable[[Manifest], Path]
        if isinstance(storage, LocalStorage):
            self._fetch = partial(_checked, storage.root / FOLDER)
        elif cache is not None:
            self._fetch = VersionCache(cache, self._versions, self._in_force).fetch
        else:
            raise SettingsError(f"the model registry {storage.label} is remote and needs a folder to fetch versions to")

    def add(self, folder: Path, *, metrics: Mapping[str, float] | None = None) -> str:
        """Copy a finished model in as the candidate, remove what has become too old, and return its version.

        A version that is there already is left as it is, unless it is damaged.

        Args:
            folder: of this machine; its ``config.json`` names the version.
            metrics: for the manifest.

        Raises:
            ModelError: the folder holds no model; or the aliases are damaged, and the model was stored without one.
            RegistryError: the registry cannot be written.
        """
        manifest = manifests.describe(folder, metrics or {})
        with self._lock.held() as lease:
            if not self._holds(manifest):
                self._versions.store(folder, manifest, lease.check)
            try:
                _, aliases = self._aliases.read()
            except ModelError as error:
                raise ModelError(f"model {manifest.version} is stored but is no candidate: {error}") from None
            aliases = Aliases(champion=aliases.champion, candidate=manifest.version, previous=aliases.previous)
            self._aliases.commit(aliases, lease.check)
            self._versions.tidy(aliases.versions(), lease.check)
            if (needed := self._in_force()) is not None:
                for old in set(self.versions()[KEPT_VERSIONS:]) - needed:
                    self._versions.remove(old, lease.check)
        return manifest.version

    def promote(self, version: str, check: Check, *, instead_of: str | None = None) -> str:
        """Put a version into service and return it; the former champion becomes ``previous``.

        Args:
            version: its files are compared with the manifest first.
            check: then tries the model; outside tests it is ``recommend.probe.check_model``.
            instead_of: only if this version is in service, and nobody has put another one there meanwhile.

        Raises:
            ModelError: there is no such version, it is damaged, ``check`` refuses it, or ``instead_of`` is not in
                service. The aliases stay as they are.
            RegistryError: the registry cannot be read or written.
        """
        version = self.resolve(version)
        check(self.fetch(version))
        with self._lock.held() as lease:
            self._versions.manifest(version)  # it may have been removed while it was checked
            former = self._read_or_none()
            if instead_of not in {None, former.champion}:
                raise ModelError(
                    f"{version} was made to follow {instead_of}, but {former.champion} is in service now: that stays"
                )
            self._aliases.commit(_promoted(former, version), lease.check)
        return version

    def rollback(self, check: Check) -> str:
        """Put the previous version back into service and return it; a second call undoes the first.

        Args:
            check: as for ``promote``.

        Raises:
            ModelError: there is no previous version, it is damaged, or ``check`` refuses it.
            RegistryError: the registry cannot be read or written.
        """
        return self.promote("previous", check)

    def champion(self) -> tuple[str, str]:
        """Which version is in service, cheap enough to ask every second.

        Returns:
            The revision of the aliases, another one after each change, and the version.

        Raises:
            ModelError: no version is in service, or the aliases are damaged.
            RegistryError: the registry cannot be read.
        """
        revision, aliases = self._aliases.read()
        if aliases.champion is None:
            raise ModelError(self._no_champion(aliases))
        return revision, aliases.champion

    def routers(self, epoch: str, arm: str = CHAMPION) -> RouterHistory:
        """The revisions of the router that began an epoch; those of an arm that learns are its own."""
        return RouterHistory(self._storage, epoch, arm)

    def forget_arm(self, arm: str) -> None:
        """Remove the revisions of the router of an arm in all epochs.

        Raises:
            RegistryError: the registry cannot be written.
        """
        for epoch in self._storage.names(ROUTERS):
            RouterHistory(self._storage, epoch, arm).remove()

    def experiments(self) -> ExperimentHistory:
        """The experiments that are in force, and how they are changed."""
        return ExperimentHistory(self._storage, self.resolve)

    def learner(self, timeout: float) -> AbstractContextManager[Lease]:
        """Be the one learner of this registry for the length of a ``with`` block.

        Args:
            timeout: seconds to wait for another one to end; a killed one counts for some 20 s.

        Raises:
            RegistryHeldError: there is another one.
            RegistryError: the registry cannot be written.
        """
        return WriterLock(self._storage, LEARNER, timeout=timeout).held()

    def aliases(self) -> Aliases:
        """The version that each alias names.

        Raises:
            ModelError: they are damaged.
            RegistryError: the registry cannot be read.
        """
        return self._aliases.read()[1]

    def versions(self) -> list[str]:
        """Versions, newest first; one whose manifest is damaged is last.

        Raises:
            RegistryError: the registry cannot be read.
        """
        return sorted(self._versions.names(), key=lambda version: (-self._created_at(version), version))

    def manifest(self, version: str) -> Manifest:
        """The manifest of a version.

        Raises:
            ModelError: there is no such version, or its manifest is damaged.
            RegistryError: the registry cannot be read.
        """
        return self._versions.manifest(self.resolve(version))

    def fetch(self, version: str) -> Path:
        """A folder of this machine with the files of a version, each compared with the manifest. Change nothing in it.

        Raises:
            ModelError: there is no such version, or a file is missing, damaged or was not added with it.
            RegistryError: the registry cannot be read.
        """
        return self._fetch(self.manifest(version))

    def resolve(self, version: str) -> str:
        """The version that an alias names, or the version itself.

        Raises:
            ModelError: there is no such version, or the alias names none.
            RegistryError: the registry cannot be read.
        """
        if version == "champion":
            return self.champion()[1]
        if version in NAMES:
            named: str | None = getattr(self.aliases(), version)
            if named is None:
                raise ModelError(f"no model of {self.label} is the {version}; `mos models list` shows what there is")
            return named
        if version not in self._versions.names():
            known = ", ".join(self.versions()) or "none"
            raise ModelError(f"no model version {version!r} in {self.label}; there are: {known}")
        return version

    def _in_force(self) -> set[str] | None:
        """Versions with an alias and those of arms; None if they cannot all be read."""
        try:
            aliases, experiments = self.aliases(), self.experiments().read()
        except ModelError:
            return None
        return aliases.versions() | experiments.in_force.models() if experiments.problem is None else None

    def _holds(self, manifest: Manifest) -> bool:
        """Whether the very same model is there, and whole."""
        if manifest.version not in self._versions.names():
            return False
        try:
            self.fetch(manifest.version)
        except ModelError as error:
            log.warning("storing %s again: %s", manifest.version, error)
            return False
        return True

    def _read_or_none(self) -> Aliases:
        try:
            return self._aliases.read()[1]
        except ModelError as error:
            log.warning("the aliases are written anew, without a previous version: %s", error)
            return Aliases()

    def _created_at(self, version: str) -> int:
        try:
            return self._versions.manifest(version).created_at
        except ModelError:
            return 0

    def _no_champion(self, aliases: Aliases) -> str:
        if aliases.candidate is not None:
            return (
                f"no model of {self.label} is in service; put the candidate into service with "
                f"`mos models promote candidate`"
            )
        if "current" in self._storage.names(""):
            return (
                f"the models in {self.label} were made by an older version of MoS Online, which kept no manifests: "
                f"train again with `mos train`"
            )
        return f"no model in {self.label}: make one with `mos train`"


def open_registry(settings: Settings) -> Registry:
    """The registry of these settings.

    Raises:
        SettingsError: MOS_MODELS names no filesystem that can be used.
    """
    return Registry(settings.models_location, cache=settings.models_cache)


def _checked(folder: Path, manifest: Manifest) -> Path:
    manifest.check(folder / manifest.version)
    return folder / manifest.version


def _promoted(former: Aliases, version: str) -> Aliases:
    return Aliases(
        champion=version,
        candidate=None if former.candidate == version else former.candidate,
        previous=former.previous if former.champion in {version, None} else former.champion,
    )
