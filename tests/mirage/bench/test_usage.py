"""`mirage bench usage`, small: every record counts, and every question is asked."""

from mirage.bench.usage import run


def test_every_record_is_counted_and_every_question_answered() -> None:
    report = run(devices=3, minutes=2, cameras=1)
    gates = {gate.name: gate for gate in report.gates}
    assert (gates["records_counted"].value, gates["records_counted"].ok) == (1.0, True)
    assert report.results["records_counted"] == 6
    asked = ("fleet_ms", "day_by_hour_ms", "hour_by_minute_ms", "top_of_month_ms", "odd_hour_ms", "prune_ms")
    assert all(float(str(report.results[name])) > 0 for name in asked)
