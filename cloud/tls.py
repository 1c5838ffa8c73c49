"""TLS to the broker: it proves itself to us, and we to it where we have a certificate."""

import ssl

from cloud.config import Broker, ConfigError


class _Socket(ssl.SSLSocket):
    """Closes itself where the handshake fails: paho would leave it open."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 -- as the base class has it
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_context(broker: Broker) -> ssl.SSLContext | None:
    """Read the files that the settings name; None without `ca`. Raises ConfigError."""
    if broker.ca is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the broker's certificate and its name
    context.sslsocket_class = _Socket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(broker.ca)
    except OSError as error:
        reason = _reason(error, "no PEM file of certificates")
        raise ConfigError(f"broker.ca: {broker.ca}: {reason}") from error
    if broker.certificate is not None:
        try:
            context.load_cert_chain(broker.certificate, broker.key, password="")  # else it would ask
        except OSError as error:
            reason = _reason(error, "no certificate and its key in PEM")
            names = f"{broker.certificate}, broker.key: {broker.key}"
            raise ConfigError(f"broker.certificate: {names}: {reason}") from error
    return context


def _reason(error: OSError, otherwise: str) -> str:
    return otherwise if isinstance(error, ssl.SSLError) else error.strerror or str(error)
