"""The store: opened, migrated, durable, and clear about what is wrong with it."""

import contextlib
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text

from cloud.schema import ClipRow, DeviceRow, JobRow
from cloud.store import Store, StoreError
from tests.cloud.schemas import difference, migrate
from tests.postgres import Cluster


def device(name: str) -> DeviceRow:
    return DeviceRow(tenant="acme", site="north", name=name, seen_ms=0)


def store_of(revision: str, path: Path) -> str:
    """Make a store as an earlier version left it, and give its url."""
    migrate(f"sqlite:///{path}", revision)
    return f"sqlite:///{path}"


def test_migrations_make_exactly_the_schema(store_url: str) -> None:
    Store(store_url).close()
    assert difference(store_url) == []


def test_migrations_go_back_and_forth(store_url: str) -> None:
    migrate(store_url, "base")
    migrate(store_url, "head")
    assert difference(store_url) == []


def test_processes_that_start_at_once_migrate_a_new_database_once(cluster: Cluster) -> None:
    cluster.server.execute("CREATE DATABASE empty")
    url, opened = cluster.server.url("empty"), list[str]()

    def start() -> None:
        store = Store(url)
        store.check()
        opened.append(store.name)
        store.close()

    threads = [threading.Thread(target=start, name=f"process-{number}") for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(opened) == len(threads)


def test_a_database_that_was_restarted_is_found_again(cluster: Cluster) -> None:
    store = Store(cluster.fresh())
    with store.write() as session:
        session.add(device("before"))
    cluster.server.kill()
    with pytest.raises(StoreError, match="store_"):
        store.check()
    cluster.server.start()
    with store.write() as session:
        session.add(device("after"))
    with store.read() as session:
        assert set(session.scalars(select(DeviceRow.name))) == {"before", "after"}
    store.close()


def test_a_password_of_postgresql_is_never_shown() -> None:
    with pytest.raises(StoreError) as caught:
        Store("postgresql+psycopg://user:hunter2@127.0.0.1:1/db?connect_timeout=2")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_jobs_keep_what_became_of_them(tmp_path: Path) -> None:
    """Schema 0005 knew failed jobs, and no results."""
    url = store_of("0005", tmp_path / "a.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        for row in (
            "devices VALUES (1, 'acme', 'north', 'cam', NULL, 0)",
            "cameras VALUES (1, 1, 'gate', NULL, NULL, NULL, 2, 9)",
        ):
            connection.execute(f"INSERT INTO {row}")
        connection.execute(
            "INSERT INTO boots (id, device_id, boot_hex, state, highest, holes, changed_ms) "
            "VALUES (1, 1, 'a', 'ready', 1, '[]', 0)"
        )
        connection.executemany(
            "INSERT INTO packets VALUES (?, 1, 1, ?, 1, 0, 0, 9, x'00', 0, NULL)", [(1, 1), (2, 2)]
        )
        connection.executemany(
            "INSERT INTO jobs VALUES (?, ?, 0, 5, 1, NULL, 7)", [(1, "done"), (2, "failed")]
        )
        connection.execute(
            "INSERT INTO clips VALUES (1, 'f', 'v', 'p', 10, 64, 36, 10, 5, '{}', 0, NULL, NULL, NULL)"
        )
    store = Store(url)
    with store.read() as session:
        done, dead = session.get_one(JobRow, (1, "")), session.get_one(JobRow, (2, ""))
        assert (done.state, done.result_ref, done.asked_ms) == ("done", "f", 7)
        assert (dead.state, dead.lane, dead.turn) == ("dead", 3, 1)
    store.close()


OF_A_PACKET = (  # of the first two schemas
    "devices VALUES (1, 'acme', 'north', 'cam', NULL, 0)",
    "boots VALUES (1, 1, 'a', NULL, 'ready', 0, '[]', NULL, 0)",
    "cameras VALUES (1, 1, 'gate', NULL, NULL, NULL, 1, 9)",
    "packets VALUES (1, 1, 1, 0, 1, 0, 0, 9, x'00', 0)",
)


def test_a_store_of_the_first_schema_is_kept_and_brought_up(tmp_path: Path) -> None:
    url = store_of("0001", tmp_path / "a.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        for row in (*OF_A_PACKET, "clips VALUES (1, 'f', 'v', 'p', 10, 64, 36, 10, 5, '{}', 0)"):
            connection.execute(f"INSERT INTO {row}")
    store = Store(url)
    with store.read() as session:
        query = select(ClipRow.fingerprint, ClipRow.seam, ClipRow.wanted, ClipRow.tail_key)
        assert session.execute(query).all() == [("f", None, None, "tails/f.png")]
    store.close()


def test_jobs_outlive_the_table_that_is_made_anew_for_them(tmp_path: Path) -> None:
    url = store_of("0002", tmp_path / "a.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        for row in (*OF_A_PACKET, "jobs VALUES (1, 'running', 1, 2, 3, NULL, 4)"):
            connection.execute(f"INSERT INTO {row}")
    store = Store(url)
    with store.read() as session:
        job = session.get_one(JobRow, (1, ""))
        assert (job.state, job.lane, job.not_before_ms, job.attempts) == ("running", 0, 2, 3)
    store.close()


def test_what_one_opening_wrote_the_next_one_reads(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/100%.db"
    store = Store(url)
    with store.write() as session:
        session.add(device("cam"))
    store.close()
    again = Store(url)
    with again.read() as session:
        assert session.scalars(select(DeviceRow.name)).all() == ["cam"]
    again.close()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(StoreError, match="UNIQUE"), store.write() as session:
        session.add_all([device("other"), device("cam"), device("cam")])
    with store.read() as session:
        assert session.scalars(select(DeviceRow.name)).all() == []
    store.close()


def test_sqlite_is_opened_so_that_a_commit_survives_a_power_cut(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    with store.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA synchronous")) == 2
    store.close()


def test_a_full_disk_is_one_clear_error_and_costs_nothing_that_was_stored(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        store = Store(f"sqlite:///{folder}/a.db")
        with store.write() as session:
            session.add(device("first"))
        filler = folder / "filler"
        with contextlib.suppress(OSError):
            filler.write_bytes(bytes(4_000_000))
        with pytest.raises(StoreError, match=r"a\.db: .*(full|I/O)"), store.write() as session:
            session.add_all([device(f"{number:032}") for number in range(2_000)])
        filler.unlink()
        with store.write() as session:
            session.add(device("second"))
        with store.read() as session:
            assert session.scalars(select(DeviceRow.name)).all() == ["first", "second"]
        store.close()
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_reader_is_not_held_up_by_a_writer(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    with store.write() as writing:
        writing.add(device("cam"))
        writing.flush()
        with store.read() as reading:
            assert reading.scalars(select(DeviceRow.name)).all() == []
    store.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("sqlite://", "in memory", id="in memory"),
        pytest.param("nonsense", "not understood", id="no url"),
        pytest.param("carrier+pigeon://host/db", "not understood", id="unknown database"),
        pytest.param("sqlite:////nonexistent/folder/a.db", "unable to open", id="no such folder"),
    ],
)
def test_an_unusable_url_is_one_clear_line(url: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason) as caught:
        Store(url)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"holiday pictures" * 100)
    with pytest.raises(StoreError, match=r"a\.db.*not a database"):
        Store(f"sqlite:///{tmp_path}/a.db")


def test_a_store_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    Store(url).close()
    connection = sqlite3.connect(tmp_path / "a.db")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match="9999"):
        Store(url)


def test_a_new_file_that_another_process_has_locked_is_awaited(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    let_go = threading.Event()

    def let_it_go() -> None:
        let_go.set()
        holder.execute("ROLLBACK")

    looked = threading.Timer(0.3, let_it_go)
    looked.start()
    store = Store(f"sqlite:///{path}")
    assert let_go.is_set()
    looked.join()
    store.check()
    store.close()
    holder.close()


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        Store(f"sqlite://user:hunter2@/{tmp_path}/a.db")
    assert "hunter2" not in str(caught.value)
