"""The statements of each step of the main database's schema, as they are run.

They are text and run nothing; `migrations.py` tells their order. The rule that must not break: a
statement that was released is never changed, a further step is added.
"""

from __future__ import annotations

# Times are milliseconds since 1970 in UTC. Columns of sealed values are BLOB.
M001 = (
    """
    CREATE TABLE sessions (
        session_key TEXT PRIMARY KEY,
        created_ms INTEGER NOT NULL,
        touched_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE turns (
        run_id TEXT PRIMARY KEY,
        session_key TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
        state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
        accepted_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        model_id TEXT,
        source TEXT,
        finish_reason TEXT,
        usage TEXT,
        timings TEXT,
        error_code TEXT,
        error_message TEXT
    ) STRICT
    """,
    "CREATE UNIQUE INDEX one_running_turn ON turns (session_key) WHERE state = 'running'",
    "CREATE INDEX turns_of_session ON turns (session_key, accepted_ms)",
    """
    CREATE TABLE messages (
        session_key TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
        position INTEGER NOT NULL,
        run_id TEXT NOT NULL REFERENCES turns ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('customer', 'assistant', 'operator', 'system')),
        text BLOB NOT NULL,
        token_ids BLOB,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (session_key, position)
    ) STRICT
    """,
    "CREATE INDEX messages_of_run ON messages (run_id)",
)


# `events` holds chunks of consecutive numbers. `number_floor` is a number that no later event of
# the session may have; it is raised where stored numbers may be lower than those that were shown.
M002 = (
    "ALTER TABLE sessions ADD COLUMN number_floor INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE turns ADD COLUMN client_id TEXT",
    "ALTER TABLE turns ADD COLUMN event_id INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE turns ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0",
    "CREATE UNIQUE INDEX asked_once ON turns (session_key, client_id)",
    """
    CREATE TABLE events (
        session_key TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
        first_number INTEGER NOT NULL,
        last_number INTEGER NOT NULL,
        run_id TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (session_key, first_number)
    ) STRICT
    """,
    """
    CREATE TABLE boots (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        boot_id TEXT NOT NULL,
        is_clean INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE house_time (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        house_ms INTEGER NOT NULL,
        wall_ms INTEGER NOT NULL,
        boot_id TEXT NOT NULL,
        uptime_ms INTEGER NOT NULL,
        sure_house_ms INTEGER NOT NULL,
        sure_wall_ms INTEGER NOT NULL,
        sure_boot_id TEXT NOT NULL
    ) STRICT
    """,
)


# What an answer rests on tells what was asked, so it is sealed as messages are. An owner that is
# not the bot is rare: the index holds only those.
M003 = (
    "ALTER TABLE turns ADD COLUMN score REAL",
    "ALTER TABLE turns ADD COLUMN rule TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE turns ADD COLUMN is_cached INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE turns ADD COLUMN sources BLOB",
    "ALTER TABLE turns ADD COLUMN suggestions BLOB",
    "ALTER TABLE sessions ADD COLUMN owner TEXT NOT NULL DEFAULT 'bot' "
    "CHECK (owner IN ('bot', 'waiting', 'human', 'closed'))",
    "ALTER TABLE sessions ADD COLUMN owner_since_ms INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX not_the_bots ON sessions (owner) WHERE owner <> 'bot'",
    """
    CREATE TABLE verdicts (
        session_key TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
        run_id TEXT NOT NULL REFERENCES turns ON DELETE CASCADE,
        place INTEGER NOT NULL,
        stage TEXT NOT NULL CHECK (stage IN ('in', 'out', 'moderation', 'lock')),
        rule TEXT NOT NULL,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (run_id, place)
    ) STRICT
    """,
    "CREATE INDEX verdicts_of_session ON verdicts (session_key)",
    """
    CREATE TABLE handoffs (
        session_key TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
        number INTEGER NOT NULL,
        run_id TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('bot', 'waiting', 'human', 'closed')),
        reason TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (session_key, number)
    ) STRICT
    """,
)


# A fact is what a customer said of himself in the message of its run; a summary stands for the
# first `exchanges` of its session and is written once.
M004 = (
    """
    CREATE TABLE facts (
        session_key TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
        run_id TEXT NOT NULL REFERENCES turns ON DELETE CASCADE,
        place INTEGER NOT NULL,
        kind TEXT NOT NULL,
        value BLOB NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (run_id, place)
    ) STRICT
    """,
    "CREATE INDEX facts_of_session ON facts (session_key)",
    """
    CREATE TABLE summaries (
        session_key TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
        exchanges INTEGER NOT NULL,
        author TEXT NOT NULL CHECK (author IN ('extract', 'model')),
        text BLOB NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (session_key, exchanges)
    ) STRICT
    """,
    "ALTER TABLE sessions ADD COLUMN is_trim_told INTEGER NOT NULL DEFAULT 0",
)


# What tools were called for; `detail` is the argument that was asked for.
M005 = (
    """
    CREATE TABLE calls (
        session_key TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
        run_id TEXT NOT NULL REFERENCES turns ON DELETE CASCADE,
        place INTEGER NOT NULL,
        tool TEXT NOT NULL,
        state TEXT NOT NULL,
        chosen_by TEXT NOT NULL,
        detail TEXT NOT NULL,
        arguments BLOB NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (run_id, place)
    ) STRICT
    """,
    "CREATE INDEX calls_of_session ON calls (session_key)",
)


# A revoked session's id opens nothing any more; its rows stay as long as any other's.
M006 = (
    "ALTER TABLE sessions ADD COLUMN is_revoked INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE sessions ADD COLUMN identity BLOB",
)


# What the customer said of the answer.
M007 = (
    "ALTER TABLE turns ADD COLUMN feedback TEXT CHECK (feedback IN ('up', 'down'))",
    "ALTER TABLE turns ADD COLUMN feedback_reason TEXT NOT NULL DEFAULT ''",
)


# Whether the words that older versions wrote in clear are sealed, and up to which day what was
# sealed is destroyed and its rows are gone.
M009 = (
    """
    CREATE TABLE sealing (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        is_done INTEGER NOT NULL,
        purged_day INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO sealing VALUES (1, 0, -1)",
)


# The audit log only grows: what a row says may be taken away, and rows up to an anchor may go, but
# nothing of the chain that they form may be changed.
M010 = (
    """
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        day INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        session_key TEXT NOT NULL,
        body BLOB,
        body_hash BLOB NOT NULL,
        mac BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX audit_of_session ON audit (session_key)",
    """
    CREATE TABLE audit_anchors (
        seq INTEGER PRIMARY KEY,
        mac BLOB NOT NULL,
        signature BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE audit_head (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        seq INTEGER NOT NULL,
        mac BLOB NOT NULL,
        signature BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TRIGGER audit_keeps_its_chain
    BEFORE UPDATE OF seq, day, at_ms, kind, session_key, body_hash, mac ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END
    """,
    """
    CREATE TRIGGER audit_keeps_its_words
    BEFORE UPDATE OF body ON audit WHEN NEW.body IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END
    """,
    """
    CREATE TRIGGER audit_keeps_its_rows
    BEFORE DELETE ON audit WHEN OLD.seq > (SELECT coalesce(max(seq), 0) FROM audit_anchors)
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END
    """,
)


# What operators do. An operator's message is a turn of its own, which is done. A contact is what a
# customer left for whom nobody had time.
M012 = (
    "ALTER TABLE sessions ADD COLUMN assigned_to TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE sessions ADD COLUMN owner_reason TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE sessions ADD COLUMN is_held INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE sessions ADD COLUMN contact BLOB",
    "CREATE INDEX sessions_by_touch ON sessions (touched_ms)",
    "ALTER TABLE messages ADD COLUMN account TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE handoffs ADD COLUMN account TEXT NOT NULL DEFAULT ''",
    """
    CREATE TABLE notes (
        session_key TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
        at_ms INTEGER NOT NULL,
        text BLOB NOT NULL,
        account TEXT NOT NULL,
        place INTEGER NOT NULL,
        PRIMARY KEY (session_key, place)
    ) STRICT
    """,
    """
    CREATE TABLE ratings (
        session_key TEXT PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
        stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
        comment BLOB,
        at_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE replies (
        shortcut TEXT PRIMARY KEY,
        text TEXT NOT NULL,
        place INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE desk (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        is_held INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO desk VALUES (1, 0)",
)


# What operators published into the shop's knowledge; the words stand in the shop's folder.
M013 = (
    """
    CREATE TABLE publications (
        number INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        account TEXT NOT NULL,
        text_hash TEXT NOT NULL DEFAULT '',
        asked INTEGER NOT NULL,
        answered_before INTEGER NOT NULL,
        answered_after INTEGER NOT NULL,
        undone_ms INTEGER,
        undone_by TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
)


# What an operator decided on an answer that was held back, until its turn has ended.
M015 = ("ALTER TABLE turns ADD COLUMN decision BLOB",)


# Summaries stand for so many exchanges, and what operators said is counted among them from here on.
M016 = (
    """
    DELETE FROM summaries
    WHERE session_key IN (SELECT session_key FROM messages WHERE role = 'operator')
    """,
)


# `content` is sealed for good: names, what was before, what it takes to put it back.
M017 = (
    """
    CREATE TABLE changes (
        number INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        account TEXT NOT NULL,
        kind TEXT NOT NULL,
        act TEXT NOT NULL,
        content BLOB NOT NULL
    ) STRICT
    """,
)
