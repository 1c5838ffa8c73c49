"""What the demo asks of the cloud, over the same HTTP API that everyone has."""

from mirage.errors import DemoError


class CloudClient:
    """Talks to a cloud on this machine."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        """Tell whether the cloud answers and finds itself healthy."""
        try:
            self._get("/healthz")
        except DemoError:
            return False
        return True
