"""Captions can be searched; triggers keep the index in step with segments, whoever changes them.

Both databases have a `search` whose `spot` is the order of time: seconds of the start, then the packet. It is
read newest first as far as it is needed, and is bounded by time. Where a segment is from (camera 0c1, device
0d1, site 0s and tenant 0t with their names in hex) is indexed as words are, so that a rare camera is found as
quickly as a rare word. All begin with 0, lest they are in the way of prefixes that people type.

A later migration that makes `segments` anew on SQLite must make its triggers anew, too.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OF = "FROM cameras JOIN devices ON devices.id = cameras.device_id WHERE cameras.id = ROW.camera_id"
_ENTRY = """((max(0, min(ROW.start_ms / 1000, 4294967295)) << 31) | ROW.packet_id), ROW.caption,
    '0all 0c' || cameras.id || ' 0d' || devices.id || ' 0s' || hex(devices.tenant || '/' || devices.site)
    || ' 0t' || hex(devices.tenant)"""
_ENTER = f"""
    INSERT INTO search (rowid, caption, place)
    SELECT {_ENTRY} {_OF} AND ROW.caption IS NOT NULL;
"""
_LEAVE = f"""
    INSERT INTO search (search, rowid, caption, place)
    SELECT 'delete', {_ENTRY} {_OF} AND ROW.caption IS NOT NULL;
"""
_FILL = f"""
    INSERT INTO search (rowid, caption, place)
    SELECT {_ENTRY.replace("ROW", "segments")} FROM segments
    JOIN cameras ON cameras.id = segments.camera_id JOIN devices ON devices.id = cameras.device_id
    WHERE segments.caption IS NOT NULL ORDER BY 1
"""  # noqa: S608 -- constants

# Contentless: captions are in `segments`. Short beginnings which many words share, have an index.
_TABLE = """
    CREATE VIRTUAL TABLE search USING fts5 (
        caption, place, content='', prefix='1 2 3', tokenize='unicode61 remove_diacritics 0'
    )
"""
_MOVED = "AFTER UPDATE OF caption, start_ms, camera_id ON segments"
_ENTERS, _LEAVES = _ENTER.replace("ROW", "new"), _LEAVE.replace("ROW", "old")
_SQLITE = (
    _TABLE,
    f"CREATE TRIGGER search_enter AFTER INSERT ON segments BEGIN {_ENTERS} END",
    f"CREATE TRIGGER search_leave AFTER DELETE ON segments BEGIN {_LEAVES} END",
    f"CREATE TRIGGER search_move {_MOVED} BEGIN {_LEAVES} {_ENTERS} END",
    _FILL,
)

_POSTGRESQL = """
CREATE TABLE search (
    spot bigint CONSTRAINT pk_search PRIMARY KEY, words tsvector NOT NULL, place text[] NOT NULL
);
CREATE FUNCTION search_spot(start_ms bigint, packet_id integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (greatest(0, least(start_ms / 1000, 4294967295)) << 31) | packet_id::bigint
$$;
-- The collation is named, for the database's own may know no letters beyond ASCII.
CREATE FUNCTION search_words(caption text) RETURNS tsvector LANGUAGE sql IMMUTABLE AS $$
    SELECT to_tsvector(
        'simple', regexp_replace(lower(caption COLLATE "und-x-icu"), '[^[:alnum:]]+', ' ', 'g')
    )
$$;
CREATE FUNCTION search_place(camera integer) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY[
        '0c' || cameras.id, '0d' || devices.id,
        '0s' || encode(convert_to(devices.tenant || '/' || devices.site, 'UTF8'), 'hex'),
        '0t' || encode(convert_to(devices.tenant, 'UTF8'), 'hex')
    ] FROM cameras JOIN devices ON devices.id = cameras.device_id WHERE cameras.id = camera
$$;
CREATE FUNCTION search_follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM search WHERE spot = search_spot(OLD.start_ms, OLD.packet_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        IF NEW.caption IS NOT NULL THEN
            INSERT INTO search VALUES (
                search_spot(NEW.start_ms, NEW.packet_id), search_words(NEW.caption),
                search_place(NEW.camera_id)
            );
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER search_enter AFTER INSERT OR DELETE ON segments FOR EACH ROW EXECUTE FUNCTION search_follow();
CREATE TRIGGER search_move AFTER UPDATE OF caption, start_ms, camera_id ON segments
    FOR EACH ROW EXECUTE FUNCTION search_follow();
INSERT INTO search SELECT search_spot(start_ms, packet_id), search_words(caption), search_place(camera_id)
    FROM segments WHERE caption IS NOT NULL;
CREATE INDEX ix_search_words_place ON search USING gin (words, place);
"""


def upgrade() -> None:
    """Enter what there is."""
    connection = op.get_bind()
    for statement in (_POSTGRESQL,) if connection.dialect.name == "postgresql" else _SQLITE:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    """Forget the index; captions stay where they are."""
    connection = op.get_bind()
    on_postgresql = connection.dialect.name == "postgresql"
    where = " ON segments" if on_postgresql else ""
    for trigger in ("enter", "move") if on_postgresql else ("enter", "leave", "move"):
        connection.exec_driver_sql(f"DROP TRIGGER search_{trigger}{where}")
    connection.exec_driver_sql("DROP TABLE search")
    if on_postgresql:
        connection.exec_driver_sql("DROP FUNCTION search_follow, search_place, search_words, search_spot")
