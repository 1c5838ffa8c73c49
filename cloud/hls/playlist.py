"""Playlists as text (RFC 8216). Pure.

What is left out of a stream is not listed: the next fragment is a discontinuity, with its own date.
`EXT-X-GAP` would say the same to the few players that know it, and have the others wait for the hole to pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cloud.hls.groups import PIECE_S
from cloud.hls.reel import Fragment

TARGET_S = PIECE_S
MEDIA_TYPE = "application/vnd.apple.mpegurl"
HOLD = -1  # the piece of a fragment that shows a clip's last picture

_VERSION = 7


@dataclass(frozen=True, slots=True)
class Kind:
    """What a playlist may still do: a live one loses its beginning, a recording only grows until `ended`."""

    live: bool
    ended: bool


LIVE = Kind(live=True, ended=False)
GROWING = Kind(live=False, ended=False)
WHOLE = Kind(live=False, ended=True)


def playlist(fragments: Sequence[Fragment], kind: Kind) -> str:
    """Write the playlist of fragments, at least one. What it names lies beside it."""
    first = fragments[0]
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{TARGET_S}",
        f"#EXT-X-MEDIA-SEQUENCE:{first.number}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{first.era}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if kind.live:
        lines.append(f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK={3 * TARGET_S:.1f}")
    else:
        lines.append(f"#EXT-X-PLAYLIST-TYPE:{'VOD' if kind.ended else 'EVENT'}")
    era, init_id = first.era, ""
    for fragment in fragments:
        if fragment.era != era:
            lines.append("#EXT-X-DISCONTINUITY")
        if fragment.init_id != init_id:
            lines.append(f'#EXT-X-MAP:URI="init/{fragment.init_id}.mp4"')
        era, init_id = fragment.era, fragment.init_id
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_date(fragment.start_ms)}")
        lines.append(f"#EXTINF:{fragment.ticks / fragment.timescale:.5f},")
        lines.append(uri(fragment))
    if kind.ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def uri(fragment: Fragment) -> str:
    """Name a fragment by all that it depends on, so that any process can serve it and it never changes."""
    piece = "hold" if fragment.piece == HOLD else fragment.piece
    return f"fragments/{fragment.packet_id}/{fragment.tag[:16]}/{piece}.m4s?t={fragment.base_ticks}"


def _date(wall_ms: int) -> str:
    moment = datetime.fromtimestamp(wall_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
