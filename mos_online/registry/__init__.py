"""The model registry: versions with manifests, aliases, one lock for writers, and a follower for those who serve."""

from mos_online.registry.aliases import Aliases
from mos_online.registry.follower import RegistryFollower
from mos_online.registry.manifest import Manifest
from mos_online.registry.model_config import ModelConfig, load_config
from mos_online.registry.registry import Check, Registry, open_registry

__all__ = [
    "Aliases",
    "Check",
    "Manifest",
    "ModelConfig",
    "Registry",
    "RegistryFollower",
    "load_config",
    "open_registry",
]
