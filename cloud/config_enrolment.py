"""Settings of enrolment: who certifies devices, and where they ask; `cloud.config` has the rest."""

from typing import Annotated

from msgspec import Meta, Struct

from cloud.config_serve import is_loopback

Days = Annotated[float, Meta(gt=0, le=3650)]
Name = Annotated[str, Meta(min_length=1)]


class EnrolmentSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Who certifies devices (`ca`, `key`; or "credential:NAME"), and what devices are told.

    Devices ask at `host`:`port`, over TLS with `certificate` and `certificate_key`, which is the authority's
    too: devices know no other. Without them it listens on the loopback only, for a proxy that does TLS.
    A certificate lasts for `certificate_days`; one that is over can be renewed for `grace_days` more.
    `releases` is a folder of releases that devices fetch there too: `downloads` files at once, to one address
    `downloads_per_address` of them, and none for long more slowly than `download_bytes_per_s`.
    `revoked` is a list of the same authority (crl.pem of `mirage cloud ca`) that is taken into ours.
    """

    ca: Name
    key: Name
    broker_host: Name
    broker_port: Annotated[int, Meta(ge=1, le=65535)] = 8883
    cloud_key: Name = "cloud.pub"
    host: Name = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8444
    certificate: str | None = None
    certificate_key: str | None = None
    certificate_days: Annotated[float, Meta(ge=1, le=825)] = 90.0
    grace_days: Days = 180.0
    revoked: str | None = None
    crl_days: Annotated[float, Meta(ge=2, le=3650)] = 30.0
    requests_per_minute: Annotated[float, Meta(gt=0, le=1e6)] = 60.0
    releases: str | None = None
    downloads: Annotated[int, Meta(ge=1, le=10_000)] = 256
    downloads_per_address: Annotated[int, Meta(ge=1, le=10_000)] = 32
    download_bytes_per_s: Annotated[float, Meta(ge=0)] = 32.0  # half of a device's slowest

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("enrolment.certificate and enrolment.certificate_key go together")
        if self.certificate is None and not is_loopback(self.host):
            raise ValueError(
                f"enrolment.host {self.host!r} can be reached by others: claims would cross the network "
                "in the clear. Give enrolment.certificate, or the loopback as host, behind a proxy with TLS"
            )
