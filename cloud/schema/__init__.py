"""The tables of the store.

    devices -< boots -< packets - segments - clips      packets are what arrived and never change;
        |---< cameras --'              '---- jobs       segments are derived from them and can be rebuilt
        |---< keys                                      secrets of connections, by boot
        |---< commands                                  what devices were asked, and what they said
        '---- telemetry                                 the latest record

    pending      frames of devices whose birth has not been seen, to be read again when it comes
    quarantine   messages that nobody can read, kept for whoever looks for the reason
    tokens -< page_sessions              who may use API and page, and browsers that have logged in
    enrolments   who may speak, known before it does; not tied to `devices`, which are those that spoke
    claims       who may enrol once; certificates: what devices got; spent_nonces: no renewal comes twice
    identity_alarms                      signs that two devices have one identity
    provenance_keys                      the public keys that were ever signed with
    keeps        intervals of cameras that retention leaves alone
    alerts -< alert_hits, webhook_calls      saved searches, the packets they found, whom that is told
    outbox       events that the broker has not acknowledged; duties, tallies: who tells, what was counted
    usage        what places sent by hour, day and month: usage_places -< usage; added up from what devices
                 say (usage_records, usage_samples, usage_ledgers); usage_anomalies is what stood out
    budgets -< budget_alerts             how much places may send in a month, and what of that was reached
    rollouts -< rollout_devices          what devices are to run, and how far that is
    search       what captions say, where and when; kept by triggers on `segments` (migration 0008)

Times ending in `_ms` are milliseconds of the Unix epoch, except `captured_ms` (since boot) and
`duration_ms`. Every change here needs a migration in cloud/migrations.
"""

from cloud.schema.access import PageSessionRow, TokenRow
from cloud.schema.alerting import AlertHitRow, AlertRow, WebhookCallRow
from cloud.schema.anchoring import AnchorRow
from cloud.schema.base import Base
from cloud.schema.fleet import BootRow, CameraRow, CommandRow, DeviceRow, EnrolmentRow, KeyRow, TelemetryRow
from cloud.schema.identity import CertificateRow, ClaimRow, IdentityAlarmRow, SpentNonceRow
from cloud.schema.keeping import KeepRow
from cloud.schema.recording import PacketRow, PendingRow, QuarantineRow, SegmentRow
from cloud.schema.rendering import ClipRow, JobRow, LiveFragmentRow, LiveRow
from cloud.schema.rollouts import RolloutDeviceRow, RolloutRow
from cloud.schema.telling import DutyRow, OutboxRow, TallyRow
from cloud.schema.usage import (
    BudgetAlertRow,
    BudgetRow,
    UsageAnomalyRow,
    UsageCallRow,
    UsageLedgerRow,
    UsagePlaceRow,
    UsageRecordRow,
    UsageRow,
    UsageSampleRow,
)
from cloud.schema.vouching import ProvenanceKeyRow

__all__ = [
    "AlertHitRow",
    "AlertRow",
    "AnchorRow",
    "Base",
    "BootRow",
    "BudgetAlertRow",
    "BudgetRow",
    "CameraRow",
    "CertificateRow",
    "ClaimRow",
    "ClipRow",
    "CommandRow",
    "DeviceRow",
    "DutyRow",
    "EnrolmentRow",
    "IdentityAlarmRow",
    "JobRow",
    "KeepRow",
    "KeyRow",
    "LiveFragmentRow",
    "LiveRow",
    "OutboxRow",
    "PacketRow",
    "PageSessionRow",
    "PendingRow",
    "ProvenanceKeyRow",
    "QuarantineRow",
    "RolloutDeviceRow",
    "RolloutRow",
    "SegmentRow",
    "SpentNonceRow",
    "TallyRow",
    "TelemetryRow",
    "TokenRow",
    "UsageAnomalyRow",
    "UsageCallRow",
    "UsageLedgerRow",
    "UsagePlaceRow",
    "UsageRecordRow",
    "UsageRow",
    "UsageSampleRow",
    "WebhookCallRow",
]
