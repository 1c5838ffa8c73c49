"""What API and page show of a camera, a segment and its clip, made of their rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from cloud.access.roles import Role
from cloud.confidence.calibration import DOUBTFUL
from cloud.reasons import told
from cloud.schema import CameraRow, ClipRow, DeviceRow, JobRow, PacketRow, SegmentRow
from cloud.telemetry import alarm_labels

_SHOWN = {"dead": "failed", "late": "none"}  # late for the live view only


@dataclass(frozen=True, slots=True)
class CameraView:
    """A camera. `id` is tenant/site/device/name; size and rate are None until its birth has come.

    `state` is ready, sleeping, lost or unknown; `seen_ms` is when its device last said anything, `alarms` is
    what it last complained of.
    """

    id: str
    tenant: str
    site: str
    device: str
    name: str
    width: int | None
    height: int | None
    fps: float | None
    state: str
    seen_ms: int
    segments: int
    bytes: int
    alarms: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ClipView:
    """A rendered clip: where to get it, and what it was made from (JSON).

    `seam` is how visible its border to the clip is that it goes on from (`cloud.render.seam`), if it does.
    `degraded` says in what it falls short of what was asked for, if it does. `constraints` are those
    that were in force, by name: value, who decided (`by`), `outcome`, `why`; none of clips made before.

    `confidence` is how near the picture is to what was received: `score` 0 to 1, and whether that is `low`;
    null, and `why`, where it is not known. `signed_by` names the key that signed what is stated of it
    (/api/v1/provenance-keys), in full at /api/v1/clips/ID.json.
    """

    video: str
    poster: str
    bytes: int
    width: int
    height: int
    frames: int
    render_ms: int
    provenance: str
    seam: float | None
    degraded: str | None = None
    constraints: Mapping[str, object] = field(default_factory=dict)
    confidence: Mapping[str, object] = field(default_factory=dict)
    signed_by: str | None = None
    document: Annotated[str | None, Field(exclude=True)] = None


@dataclass(frozen=True, slots=True)
class SegmentView:
    """A segment. Times are in ms; `start_ms` is wall time. `layers` splits `bytes`, header included.

    `fault` says why it cannot be understood. `render` is none, queued, running, done, failed or
    cancelled; `clip` is there when it is done, `error` when it failed.
    """

    id: int
    camera: str
    sequence: int
    start_ms: int
    duration_ms: int
    still: bool
    historical: bool
    caption: str | None
    fault: str | None
    bytes: int
    layers: Mapping[str, int]
    render: str
    error: str | None
    clip: ClipView | None


def camera_path(device: DeviceRow, camera: CameraRow) -> str:
    """Give a camera's id: tenant/site/device/name."""
    return f"{device.tenant}/{device.site}/{device.name}/{camera.name}"


def camera_view(camera: CameraRow, device: DeviceRow, state: str | None, alarms: str | None) -> CameraView:
    """Show a camera; `state` is that of its device's last boot, `alarms` are those of its telemetry."""
    return CameraView(
        id=camera_path(device, camera),
        tenant=device.tenant,
        site=device.site,
        device=device.name,
        name=camera.name,
        width=camera.width,
        height=camera.height,
        fps=camera.fps,
        state=state or "unknown",
        seen_ms=device.seen_ms,
        segments=camera.segments,
        bytes=camera.bytes,
        alarms=alarm_labels(alarms),
    )


def segment_view(
    camera: str, role: Role, segment: SegmentRow, packet: PacketRow, job: JobRow | None, clip: ClipRow | None
) -> SegmentView:
    """Show a segment to a role, with the clip and the job of what that role sees it as."""
    return SegmentView(
        id=segment.packet_id,
        camera=camera,
        sequence=packet.sequence,
        start_ms=segment.start_ms,
        duration_ms=segment.duration_ms,
        still=segment.still,
        historical=packet.historical,
        caption=segment.caption,
        fault=segment.fault,
        bytes=packet.size,
        layers=json.loads(segment.layers),
        render=_render(job, clip),
        error=None if job is None else told(job.error, role),
        clip=None if clip is None else _clip(clip),
    )


def _render(job: JobRow | None, clip: ClipRow | None) -> str:
    """Say how far a segment is; one whose clip was removed since is as if nobody had asked for it."""
    state = "none" if job is None else _SHOWN.get(job.state, job.state)
    if state in ("none", "done"):
        return "none" if clip is None else "done"
    return state


def _clip(clip: ClipRow) -> ClipView:
    said = json.loads(clip.provenance)
    stated = {} if clip.document is None else json.loads(clip.document)
    return ClipView(
        video=f"/api/v1/clips/{clip.packet_id}.mp4",
        poster=f"/api/v1/clips/{clip.packet_id}.jpg",
        bytes=clip.size,
        width=clip.width,
        height=clip.height,
        frames=clip.frames,
        render_ms=clip.render_ms,
        provenance=clip.provenance,
        seam=clip.seam,
        degraded=None if clip.wanted is None else said["degraded"],
        constraints=said.get("constraints", {}),
        confidence=_confidence(stated),
        signed_by=stated.get("signature", {}).get("key"),
        document=clip.document,
    )


def _confidence(stated: Mapping[str, Mapping[str, object]]) -> Mapping[str, object]:
    found = stated.get("confidence", {"score": None, "why": "the clip was made before it was measured"})
    match found.get("score"):
        case int() | float() as score:
            return {"score": score, "low": score < DOUBTFUL}
        case _:
            return {"score": None, "why": found.get("why")}
