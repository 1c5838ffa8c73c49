"""Three sets of constraints that have a name: `preset = "private"` in [sender]; keys beside it go before it.

private    for homes and streets: no faces, no writing, words that single nobody out, a coarse picture
balanced   for work places: no faces, no writing, a good picture
faithful   for wildlife, machines and roads without people: everything is sent
"""

from collections.abc import Mapping

from wire.policy.tables import Demands, PresetName, Receiver, Sender, Tables

PRESETS: Mapping[PresetName, Tables] = {
    "private": Tables(
        sender=Sender(
            preset="private",
            faces="redact",
            text="redact",
            words=("gender", "age", "skin", "plate"),
            layers=("caption", "motion", "appearance-tokens"),
            planes=4,
            picture_px=48,
            noise=8.0,
            receiver=Demands(256, "places", style=False, publish=False, keep_days=7, viewers="operator"),
        ),
    ),
    "balanced": Tables(
        sender=Sender(
            preset="balanced",
            faces="redact",
            text="redact",
            words=("skin", "plate"),
            receiver=Demands(1024, "places", keep_days=30),
        ),
        receiver=Receiver(long_side_px=512),
    ),
    "faithful": Tables(sender=Sender(preset="faithful"), receiver=Receiver(long_side_px=1024)),
}
