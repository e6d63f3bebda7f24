"""Defines every error that MoS Online raises on purpose.

```
MosError
├── SettingsError        a setting has an unknown name or an impossible value
├── ContractError        a message on the wire does not follow its contract
├── DatasetError         a dataset is missing, unreadable or unfit for the job
├── ModelError           a checkpoint or a router artefact is missing, damaged or incompatible
│   └── RegistryError    the model registry cannot be reached, read or written
├── BrokerError          Kafka cannot be reached, or refuses or has dropped what we need
│   └── BrokerUnavailableError   Kafka or one of its topics is not there now; the same may work later
├── StoreError           the online feature store cannot be reached or read
└── ServingError         the recommendation service cannot be reached or answered with an error
```

A message says what is wrong, what was found, what is allowed and how to mend it. The command line prints it
without a traceback and exits with status 2.
"""

from __future__ import annotations


class MosError(Exception):
    """The base of every deliberate error. Catch it to tell user errors from bugs."""


class SettingsError(MosError):
    """A setting has an unknown name or an impossible value."""


class ContractError(MosError):
    """A message does not follow its contract; readers send it to the dead-letter topic.

    Attributes:
        reason: short machine-readable class of the fault, e.g. ``"not_json"``; a label of the metrics.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DatasetError(MosError):
    """A dataset is missing, unreadable or unfit for the job."""


class ModelError(MosError):
    """A checkpoint or a router artefact is missing, damaged or incompatible."""


class RegistryError(ModelError):
    """The model registry cannot be reached, read or written; the same may work later."""


class RegistryHeldError(RegistryError):
    """Somebody else has the right that is asked for, and keeps it."""


class BrokerError(MosError):
    """Kafka cannot be reached, or refuses or has dropped what we need."""


class BrokerUnavailableError(BrokerError):
    """Kafka or one of its topics is not there now; the same may work later."""


class StoreError(MosError):
    """The online feature store cannot be reached or read."""


class ServingError(MosError):
    """The recommendation service cannot be reached or answered with an error."""
