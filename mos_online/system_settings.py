"""The settings that say where everything is: folders, Kafka, the store, the model registry, and their names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from mos_online.variables import folder, kafka_addresses

PREFIX = "MOS_"


class SystemSettings(BaseSettings):
    """The part of ``Settings`` by which programs find each other. Use ``Settings``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    home: Annotated[Path, AfterValidator(folder)] = Field(
        Path(".mos"), description="The folder of everything that is written: models, Feast repository, logs, reports."
    )
    data_dir: Annotated[Path, AfterValidator(folder)] | None = Field(
        None, description="The folder of datasets. Each dataset is a folder in it."
    )

    models: str | None = Field(
        None,
        description="The model registry: a folder, or a URL that fsspec knows, such as `s3://bucket/models`. Several "
        "machines can share a URL. If it is not set, the registry is the folder `models` in `MOS_HOME`.",
    )

    kafka: Annotated[str, AfterValidator(kafka_addresses)] = Field(
        "embedded", description="`embedded`, or the addresses of a Kafka cluster: `host:port[,host:port]`."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How clients connect to the brokers."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="How clients prove who they are. It is used with `SASL_PLAINTEXT` and `SASL_SSL`."
    )
    kafka_sasl_username: str | None = Field(None, description="The user name for SASL.")
    kafka_sasl_password: str | None = Field(None, description="The password for SASL.")
    kafka_ssl_ca: Path | None = Field(None, description="The CA certificate (PEM) that signed those of the brokers.")
    kafka_ssl_certificate: Path | None = Field(None, description="The client certificate (PEM), for mutual TLS.")
    kafka_ssl_key: Path | None = Field(None, description="The client key (PEM), for mutual TLS.")
    namespace: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9._-]{0,64}$",
        description="It separates installations that share Kafka, a store, a model registry or `MOS_HOME`: a prefix of "
        "topics and consumer groups, a part of the store's keys and of the registry's folder, and a label of metrics.",
    )
    partitions: int = Field(
        8,
        ge=1,
        le=1000,
        description="The number of partitions of topics that are created or grown.",
    )

    store: str = Field(
        "sqlite",
        description="The online store: `sqlite`, or `redis://[[user]:password@]host[:port][/db]`. `rediss://` uses "
        "TLS.",
    )

    def topic(self, name: str) -> str:
        """The name that one of ``contracts.TOPICS`` has on the cluster: the namespace is put before it."""
        return f"{self.namespace}{name}"

    def group(self, reader: str) -> str:
        """The consumer group of one stream processor, or of another reader."""
        return f"{self.namespace}mos-online-{reader}"

    @property
    def models_location(self) -> str:
        """The model registry: a folder or a URL; see ``mos_online.registry``."""
        return self._of_namespace(self.models or str(self.home / "models"))

    @property
    def models_cache(self) -> Path:
        """The folder of this machine for versions of a remote registry."""
        return Path(self._of_namespace(str(self.home / "cache" / "models")))

    @property
    def feast_dir(self) -> Path:
        """The folder of the Feast registry and, with SQLite, of the online store."""
        return Path(self._of_namespace(str(self.home / "feast")))

    @property
    def learning_dir(self) -> Path:
        """The folder of the learner: its log, its status, its history."""
        return Path(self._of_namespace(str(self.home / "learning")))

    def _of_namespace(self, folder: str) -> str:
        """The namespace's own part of a folder; its prefix keeps it apart from what else lies there."""
        return f"{folder.rstrip('/')}/ns-{self.namespace}" if self.namespace else folder

    @property
    def broker_file(self) -> Path:
        """The file (JSON) in which the embedded broker leaves its address."""
        return self.home / "kafka.json"
