/*
 * sql: what a text of SQL does to the session that it runs in.
 *
 * A pooler that hands a server from one client to the next has to know what
 * the first one left there. This module reads a text as PostgreSQL's lexer
 * would (manual, chapter 4.1: quoted and Unicode identifiers, all kinds of
 * strings, dollar quotes, nested comments, operators), splits it into
 * statements, and tells of each what it is and which functions it calls. It
 * has no grammar beyond that: a text that PostgreSQL would refuse may be
 * reported as anything, since it does nothing.
 *
 * It may report too much and never too little, for everything that the text
 * shows. What it is not sure of it says so: sql_info.unsure, and the server
 * must then be taken to have any state at all. What no text shows, it cannot
 * say: what a function outside pg_catalog does inside, what a trigger, a view,
 * a rule, a default, a cast or an operator of the user's calls. Functions by
 * name are SQL_CALL_UNKNOWN; the others are not told of. A name without schema
 * that pg_catalog has is taken to be that one's, though a search_path that names
 * pg_catalog late, or other types of arguments, may make it another's.
 *
 * All offsets are into the text. The time is linear in its length whatever it
 * holds. Memory: inline for usual texts, bounded by SQL_MAX_* past that.
 *
 * Pure. Thread: none of its own; one owner of a sql_info at a time.
 */
#ifndef PROTO_SQL_H
#define PROTO_SQL_H

#include "base/base.h"
#include "base/buf.h"

#define SQL_MAX_STMTS 1000 /* listed; more of them than that is unsure */
#define SQL_MAX_CALLS 1000
#define SQL_PLAIN_LISTED 16 /* plain ones past that are counted only */

/* A place in the text, n == 0: none. */
struct sql_range {
	uint32_t at;
	uint32_t n;
};

/* What the caller knows of the session when the text gets there. */
enum sql_option {
	SQL_STD_STRINGS = 1, /* standard_conforming_strings is on */
	/* ... may be either, as something on its way may change it: a plain
	 * string with a backslash makes the text unsure */
	SQL_STRINGS_UNKNOWN = 2,
	/* client_encoding is one where an ASCII byte may be half a character
	 * (SJIS, SHIFT_JIS_2004, BIG5, GBK, UHC, GB18030, JOHAB), or is not
	 * known: a byte above 127 makes the text unsure */
	SQL_UNSAFE_ENCODING = 4,
};

/*
 * name, args and value of a statement are, as written:
 */
enum sql_kind {
	SQL_PLAIN, /* all that is not below: queries, DDL, SHOW, MERGE ... */
	SQL_BEGIN, /* BEGIN, START TRANSACTION */
	SQL_COMMIT, /* also END; flag SQL_CHAIN */
	SQL_ROLLBACK, /* also ABORT; flag SQL_CHAIN */
	SQL_PREPARE_TRANSACTION, /* value: its identifier, a literal */
	SQL_COMMIT_PREPARED, /* the same */
	SQL_ROLLBACK_PREPARED, /* the same */
	SQL_SAVEPOINT, /* name */
	SQL_RELEASE, /* name */
	SQL_ROLLBACK_TO, /* name */
	/* sql_setting() gives the name and sql_value() the value; flags
	 * SQL_LOCAL, SQL_FROM_CURRENT. In all forms: SET TIME ZONE, NAMES,
	 * SCHEMA, ROLE, SESSION AUTHORIZATION (which sets the role back, too),
	 * XML OPTION */
	SQL_SET,
	SQL_RESET, /* the same; also SET x TO DEFAULT, with SQL_LOCAL */
	SQL_RESET_ALL,
	/* SET TRANSACTION, SET CONSTRAINTS, SET transaction_isolation = ...:
	 * ends with the transaction */
	SQL_SET_TRANSACTION,
	/* SET SESSION CHARACTERISTICS AS TRANSACTION value: sets
	 * default_transaction_isolation, _read_only, _deferrable */
	SQL_SET_CHARACTERISTICS,
	SQL_PREPARE, /* name, args: (types), value: the statement behind AS */
	/* name, args: (parameters). Also in EXPLAIN and CREATE TABLE AS, then
	 * keyword is the word EXECUTE there. What it calls stood in the
	 * PREPARE */
	SQL_EXECUTE,
	SQL_DEALLOCATE, /* name */
	SQL_DEALLOCATE_ALL,
	SQL_LISTEN, /* name */
	SQL_UNLISTEN, /* name */
	SQL_UNLISTEN_ALL,
	SQL_NOTIFY, /* name, value: payload, a literal, or none */
	SQL_DECLARE, /* name, flag SQL_HOLD; what it calls runs at FETCH */
	SQL_CLOSE, /* name */
	SQL_CLOSE_ALL,
	SQL_DISCARD_ALL,
	SQL_DISCARD_PLANS,
	SQL_DISCARD_SEQUENCES,
	SQL_DISCARD_TEMP,
	SQL_LOAD, /* value: the file, a literal */
	SQL_DO, /* value: the body, a literal; flag SQL_BODY_STATE */
	SQL_CALL, /* the procedure is among the calls */
	SQL_COPY,
};
#define SQL_KIND_COUNT (SQL_COPY + 1)
#define SQL_BIT(kind) ((uint64_t)1 << (kind))

enum sql_flag {
	SQL_LOCAL = 1, /* SET LOCAL */
	SQL_SESSION = 2, /* SET SESSION, written out */
	SQL_FROM_CURRENT = 4, /* SET x FROM CURRENT */
	SQL_CHAIN = 8, /* AND CHAIN */
	SQL_HOLD = 16, /* WITH HOLD */
	/* Makes a temporary object, or names schema pg_temp, also as a value of
	 * SET (anything made under such a search_path is temporary). */
	SQL_TEMP = 32,
	SQL_ON_COMMIT_DROP = 64, /* with SQL_TEMP: gone at the end */
	SQL_EXPLAIN = 128, /* EXPLAIN of this; with ANALYZE it runs */
	/* The body of a DO holds a word that can change the session, or a
	 * command made up at run time, or is not in PL/pgSQL. Without it the
	 * body is as a function that is not known. */
	SQL_BODY_STATE = 256,
};

/* What a called function does to the session. See src/proto/sql_call.c for
 * why each function of pg_catalog is what it is. */
enum sql_call_kind {
	SQL_CALL_UNKNOWN, /* not in pg_catalog: whatever it may do */
	SQL_CALL_SET_CONFIG, /* arg 0 name, 1 value, 2 is_local; also an UPDATE
			      * of pg_settings, with no args */
	SQL_CALL_LOCK, /* pg_advisory_lock and its kind */
	SQL_CALL_UNLOCK,
	SQL_CALL_UNLOCK_ALL,
	SQL_CALL_SEED, /* setseed() */
	SQL_CALL_SEQ_WRITE, /* nextval(), setval(): change currval, lastval */
	SQL_CALL_SEQ_READ, /* currval(), lastval(): need them to stay */
	SQL_CALL_NOTIFY, /* pg_notify(): arg 0 channel, 1 payload */
	/* Others that leave something in the session (backups, replication
	 * origins, slots) or run text as SQL (query_to_xml). */
	SQL_CALL_STATE,
};
#define SQL_CALL_BIT(kind) ((uint32_t)1 << (kind))

enum sql_arg {
	SQL_ARG_NONE, /* there is no such argument */
	SQL_ARG_STRING, /* one literal: sql_literal() decodes the range */
	SQL_ARG_PARAM, /* $n */
	SQL_ARG_TRUE,
	SQL_ARG_FALSE,
	SQL_ARG_NULL,
	SQL_ARG_OTHER, /* an expression */
};
#define SQL_CALL_ARGS 3

struct sql_call {
	enum sql_call_kind kind;
	/* It runs exactly once if the statement succeeds: SELECT of nothing but
	 * such calls. Else it may run never or often. */
	bool certain;
	uint8_t nargs; /* how many there are, also past SQL_CALL_ARGS */
	uint8_t arg_kind[SQL_CALL_ARGS]; /* enum sql_arg */
	struct sql_range name; /* with schema, as written */
	struct sql_range arg[SQL_CALL_ARGS];
};

struct sql_stmt {
	enum sql_kind kind;
	uint32_t flags; /* enum sql_flag */
	struct sql_range text; /* whole, without what separates it */
	/* First word; behind EXPLAIN, that of the statement explained. */
	struct sql_range keyword;
	struct sql_range name, args, value; /* see enum sql_kind */
	const char *setting; /* SQL_SET, SQL_RESET: name if not written so */
	uint32_t first_call, ncalls; /* in info->calls */
};

#define SQL_INLINE 4

struct sql_info {
	/* Anything may be done by this text; why (a fixed text, else NULL).
	 * What is listed is then only a part. */
	bool unsure;
	const char *why;
	/* Of all statements together. */
	uint64_t kinds; /* SQL_BIT() */
	uint32_t flags;
	uint32_t calls_made; /* SQL_CALL_BIT() */
	size_t nstmts;
	size_t ncalls; /* one name of unknown functions may stand once only */
	size_t nplain; /* SQL_PLAIN without flags and calls, not listed */
	struct sql_stmt *stmts;
	struct sql_call *calls;
	struct span text; /* the caller's */
	unsigned options;
	/* private */
	size_t stmt_cap, call_cap;
	struct sql_stmt inline_stmts[SQL_INLINE];
	struct sql_call inline_calls[SQL_INLINE];
};

/* What can be seen of a text at a glance. */
enum sql_quick {
	SQL_QUICK_SCAN, /* nothing: sql_scan() it */
	/* One statement, or none, that does not touch the session. It may call
	 * functions of pg_catalog that do not either, and no others. */
	SQL_QUICK_PLAIN,
	SQL_QUICK_BEGIN, /* BEGIN alone, START TRANSACTION alone */
	SQL_QUICK_COMMIT, /* COMMIT or END alone */
	SQL_QUICK_ROLLBACK, /* ROLLBACK or ABORT alone */
};

/* Of the whole text, which holds no zero byte. In any encoding and for any
 * standard_conforming_strings. Some 80 instructions for a short SELECT. */
enum sql_quick sql_quick(struct span text);

static inline bool
sql_is_plain(struct span text)
{
	return sql_quick(text) == SQL_QUICK_PLAIN;
}

void sql_info_init(struct sql_info *info);
void sql_info_fini(struct sql_info *info);
/*
 * Reads the text, which must stay until the info is not used any more. The
 * info may be used again without fini; it keeps its memory. options: enum
 * sql_option, or'ed. The caller has to hold the text to a size
 * (max_inspected_statement).
 */
void sql_scan(struct sql_info *info, struct span text, unsigned options);

/*
 * These append to out without a NUL, and false means that it cannot be told
 * (an escape for a character that is not ASCII, an interval, memory is out):
 * out is then as before.
 */
/* Identifiers, as PostgreSQL keeps them: folded, without quotes, cut to 63
 * bytes each, with points between the parts ("a"."B" gives a.B). */
bool sql_name(const struct sql_info *info, struct sql_range r,
    struct buf *out);
/* What a literal ('', E'', U&'', $$) stands for. */
bool sql_literal(const struct sql_info *info, struct sql_range r,
    struct buf *out);
/* Of SQL_SET and SQL_RESET: the setting's name in lower-case. */
bool sql_setting(const struct sql_info *info, const struct sql_stmt *s,
    struct buf *out);
/* Of SQL_SET: the value as it can stand behind `SET name TO`, under any
 * standard_conforming_strings: literals and numbers with commas between. False
 * also for SQL_FROM_CURRENT: ask the server. */
bool sql_value(const struct sql_info *info, const struct sql_stmt *s,
    struct buf *out);
/* Whether a search_path (from set_config(), or read back) names pg_temp. */
bool sql_mentions_temp(struct span text);
/* Kind as a word for logs: "SET", "DECLARE". */
const char *sql_kind_name(enum sql_kind kind);

/*
 * Of a CommandComplete's tag: true if what gave it never touches the session,
 * but for functions that it calls and SELECT INTO. Others may or may not
 * (CREATE TABLE may have made a temporary one).
 */
bool sql_tag_is_plain(struct span tag);

/*
 * True when the text's first statement can end a transaction by committing:
 * COMMIT, END, PREPARE TRANSACTION, RELEASE is not one. White space and
 * comments in front are skipped. The text may be cut off: then what is there
 * decides.
 */
bool sql_is_commit(struct span text);

#endif
