"""The bundles that this cloud has, found by the hash that a device's birth states."""

from collections.abc import Callable, Iterable

from cloud.render.load import load_renderer
from cloud.render.renderer import Renderer
from wire.bundle import Bundle, BundleError
from wire.segment import Codec

LoadRenderer = Callable[[Bundle, int], Renderer]


class Bundles:
    """Receiver halves by short hash. Tables are read at once, a renderer when it is first needed.

    `renderer` is for one thread at a time: the worker's.
    """

    def __init__(
        self, bundles: Iterable[Bundle], load: LoadRenderer = load_renderer, threads: int = 1
    ) -> None:
        self._bundles = {bundle.short_sha256: bundle for bundle in bundles}
        self._codecs = {short: bundle.codec() for short, bundle in self._bundles.items()}
        self._renderers: dict[str, Renderer] = {}
        self._load = load
        self._threads = threads

    def bundle(self, short_sha256: str) -> Bundle:
        """Give the bundle, or raise BundleError: a device with another one cannot be understood."""
        found = self._bundles.get(short_sha256)
        if found is None:
            known = ", ".join(sorted(self._bundles)) or "none"
            raise BundleError(f"device uses bundle {short_sha256}, which is not here (here: {known})")
        return found

    def codec(self, short_sha256: str) -> Codec:
        """Give the bundle's codec, or raise BundleError."""
        self.bundle(short_sha256)
        return self._codecs[short_sha256]

    @property
    def carries(self) -> bool:
        """Tell whether a renderer that was needed so far lets clips go on from each other."""
        return any(renderer.carries for renderer in self._renderers.values())

    def renderer(self, short_sha256: str) -> Renderer:
        """Give the bundle's renderer, or raise BundleError, RenderError."""
        bundle = self.bundle(short_sha256)
        if short_sha256 not in self._renderers:
            self._renderers[short_sha256] = self._load(bundle, self._threads)
        return self._renderers[short_sha256]
