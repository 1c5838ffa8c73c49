"""Finds the renderer that a bundle asks for; backends are imported when one is needed."""

from cloud.render.renderer import Renderer, RenderError
from cloud.render.style import Painted
from wire.bundle import Bundle

BACKENDS = ("preview", "diffusers")


def load_renderer(bundle: Bundle, threads: int) -> Renderer:
    """Load the renderer of `bundle`, computing on `threads` threads.

    Raises RenderError for a backend that is not known or not installed, BundleError for a damaged bundle.
    """
    backend = bundle.manifest.renderer.backend
    if backend == "preview":
        from cloud.render.preview import PreviewRenderer

        return Painted(PreviewRenderer(bundle, threads=threads))
    if backend == "diffusers":
        try:
            from cloud.render.diffusion.renderer import DiffusionRenderer
        except ModuleNotFoundError as error:
            raise RenderError(
                f"bundle {bundle.manifest.name} asks for renderer 'diffusers', but {error.name} is not "
                "installed: pip install 'mirage-video[cloud,gpu]'"
            ) from error
        return DiffusionRenderer(bundle, threads=threads)
    raise RenderError(f"bundle {bundle.manifest.name} asks for renderer {backend!r}, known: {BACKENDS}")
