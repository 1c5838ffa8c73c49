"""`[renderer.models]` of a bundle: loads what is named there, from a model hub or a folder, and prepares it.

ModelSource --from_pretrained--> pipeline --attention, cache, compile, VAE, offload--> device
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import diffusers
import torch
import transformers
from safetensors import SafetensorError

from cloud.render.diffusion.options import Options
from cloud.render.renderer import RenderError
from wire.bundle import MANIFEST, Bundle, BundleError, ModelSource

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_ATTENTION = "native"  # PyTorch's own
_DENOISERS = ("transformer", "transformer_2", "unet")
# What from_pretrained raises for folders that are missing, incomplete, damaged or of another model.
_UNUSABLE = (
    OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError, SafetensorError,
)  # fmt: skip


@dataclass(slots=True)
class Loaded:
    """A pipeline on its device; `offload` is what is in force, which lack of memory may have changed."""

    pipe: diffusers.DiffusionPipeline
    device: str
    offload: str
    tiled: bool
    attention: str

    @contextmanager
    def attending(self) -> Iterator[None]:
        """Compute with the bundle's attention: diffusers has one for the process, whoever set it last."""
        with diffusers.attention_backend(self.attention):
            yield

    def reset(self) -> None:
        """Leave nothing behind of a clip that was not finished: offloaded models, cached steps."""
        self.pipe.maybe_free_model_hooks()

    @contextmanager
    def economised(self) -> Iterator[None]:
        """Take less memory: offload from now on, which changes no pixel; decode in tiles meanwhile."""
        if self.device == "cuda" and self.offload != "sequential":
            self.offload = "model" if self.offload == "none" else "sequential"
            offload(self.pipe, self.offload)
        self.pipe.vae.enable_tiling()
        try:
            yield
        finally:
            if not self.tiled:
                self.pipe.vae.disable_tiling()


class Models:
    """What the bundle names, loaded on demand in the options' precision."""

    def __init__(self, bundle: Bundle, options: Options, known: Collection[str]) -> None:
        self._bundle = bundle
        self._named = bundle.manifest.renderer.models
        self.device = _device(bundle, options)
        # fp32 on the CPU: few processors compute in 16 bits, the others are many times slower at it
        self.dtype_name = options.dtype if self.device == "cuda" else "fp32"
        self.dtype = _DTYPES[self.dtype_name]
        unknown = sorted(self._named.keys() - set(known))
        if unknown:
            raise BundleError(
                f"{self.where('')}: {options.pipeline} loads {sorted(known)}, not {', '.join(unknown)}"
            )

    def __contains__(self, role: str) -> bool:
        return role in self._named

    def load(
        self, role: str, kind: type[diffusers.ModelMixin], dtype: object = None, **parts: object
    ) -> diffusers.ModelMixin:
        """Load the model in `role` as class `kind`, some `parts` of it being given.

        `dtype` is that of the weights, or one for each component of a pipeline; None: the options'.

        Raises BundleError for a model that is not there or is not what it should be, RenderError for a hub
        that cannot be reached.
        """
        source = self.source(role)
        if source.weights is not None:
            raise BundleError(f"{self.where(role)}: weights is for an IP-Adapter, not for a model folder")
        place, subfolder = source.place(self._bundle.root), source.subfolder
        if source.is_local:
            place, subfolder = str(Path(place) / subfolder), ""
            if not Path(place).is_dir():
                raise BundleError(f"{self.where(role)}: no folder {place}")
        given = {"revision": source.revision} if source.revision else {}
        given |= {"subfolder": subfolder} if subfolder else {}
        with self._blamed(role):
            return kind.from_pretrained(place, torch_dtype=dtype or self.dtype, **given, **parts)

    def load_ip_adapter(self, pipe: diffusers.DiffusionPipeline) -> None:
        """Put an IP-Adapter's weights into a pipeline; its image encoder is loaded when one is needed."""
        source = self.source("ip_adapter")
        if source.weights is None:
            raise BundleError(f"{self.where('ip_adapter')}: needs weights, the name of its file")
        with self._blamed("ip_adapter"):
            pipe.load_ip_adapter(
                source.place(self._bundle.root), subfolder=source.subfolder, weight_name=source.weights,
                image_encoder_folder=None, revision=source.revision,
            )  # fmt: skip

    def check(self, role: str, component: object, kind: type) -> None:
        """Refuse a pipeline whose component is of another class than `kind`."""
        if not isinstance(component, kind):
            found = type(component).__name__
            raise BundleError(f"{self.where(role)}: has a {found}, {kind.__name__} is expected")

    def source(self, role: str) -> ModelSource:
        """Give where the model in `role` is, or raise BundleError."""
        if role not in self._named:
            raise BundleError(f"{self.where(role)}: is missing")
        return self._named[role]

    def prepare(self, pipe: diffusers.DiffusionPipeline, options: Options) -> Loaded:
        """Set the options and move the pipeline to its device; raises BundleError, RenderError."""
        pipe.set_progress_bar_config(disable=True)
        denoisers = [model for name in _DENOISERS if (model := getattr(pipe, name, None)) is not None]
        with diffusers.attention_backend(_ATTENTION):  # the choice of one pipeline is not that of the next
            for model in denoisers:
                self._prepare(model, options)
        if options.vae_tiling:
            pipe.vae.enable_tiling()
        if options.vae_slicing:
            pipe.vae.enable_slicing()
        waiting = options.offload if self.device == "cuda" else "none"
        try:
            if waiting == "none":
                pipe.to(self.device)
            else:
                offload(pipe, waiting)
        except torch.OutOfMemoryError as error:
            raise RenderError(
                f"{self.where('pipeline')}: does not fit in the GPU's memory: set offload = "
                f'"model" or "sequential" under [renderer.options] ({error})'
            ) from error
        return Loaded(pipe, self.device, waiting, options.vae_tiling, options.attention or _ATTENTION)

    def _prepare(self, model: diffusers.ModelMixin, options: Options) -> None:
        if options.attention:
            try:
                model.set_attention_backend(options.attention)
            except (ValueError, RuntimeError, ImportError) as error:
                raise BundleError(
                    f"{self._bundle.root / MANIFEST}: [renderer.options] attention "
                    f"{options.attention!r} cannot be used here: {error}"
                ) from error
        if options.cache == "first-block":
            model.enable_cache(diffusers.FirstBlockCacheConfig(threshold=options.cache_threshold))
        if options.compile:
            (model.compile_repeated_blocks if getattr(model, "_repeated_blocks", None) else model.compile)()

    @contextmanager
    def _blamed(self, role: str) -> Iterator[None]:
        """Say of which model it was that something could not be read."""
        source = self.source(role)
        try:
            yield
        except _UNUSABLE as error:
            what = f"{self.where(role)}: {source.model} cannot be loaded: {error}"
            if isinstance(error, ImportError):  # of what a model's own tokenizer needs, as sentencepiece
                raise RenderError(what) from error
            if isinstance(error, OSError) and not source.is_local:
                raise RenderError(
                    f"{what}; is the network up, is this machine allowed to read it?"
                ) from error
            raise BundleError(what) from error

    def where(self, role: str) -> str:
        """Name file and table of a model."""
        return f"{self._bundle.root / MANIFEST}: [renderer.models{'.' if role else ''}{role}]"


def offload(pipe: diffusers.DiffusionPipeline, how: str) -> None:
    """Keep in the CPU's memory what does not compute: whole models, or each layer."""
    if how == "model":
        pipe.enable_model_cpu_offload()
    else:
        pipe.remove_all_hooks()
        pipe.to("cpu")
        pipe.enable_sequential_cpu_offload()


def be_quiet(threads: int) -> None:
    """Set what is one for the whole process: no chatter, the same algorithms every time, CPU threads."""
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
        library.utils.logging.set_verbosity_error()
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.set_num_threads(threads)


def _device(bundle: Bundle, options: Options) -> str:
    if options.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if options.device == "cuda" and not torch.cuda.is_available():
        raise RenderError(
            f"{bundle.root / MANIFEST}: [renderer.options] device is cuda, but PyTorch {torch.__version__} "
            'sees no GPU here: install its driver, or set device = "auto"'
        )
    return options.device
