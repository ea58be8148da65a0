#include <string.h>

#include "proto/sql_lex.h"

static const char *const kind_names[SQL_KIND_COUNT] = {
	[SQL_PLAIN] = "a statement without effect on the session",
	[SQL_BEGIN] = "BEGIN",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_PREPARE_TRANSACTION] = "PREPARE TRANSACTION",
	[SQL_COMMIT_PREPARED] = "COMMIT PREPARED",
	[SQL_ROLLBACK_PREPARED] = "ROLLBACK PREPARED",
	[SQL_SAVEPOINT] = "SAVEPOINT",
	[SQL_RELEASE] = "RELEASE",
	[SQL_ROLLBACK_TO] = "ROLLBACK TO",
	[SQL_SET] = "SET",
	[SQL_RESET] = "RESET",
	[SQL_RESET_ALL] = "RESET ALL",
	[SQL_SET_TRANSACTION] = "SET TRANSACTION",
	[SQL_SET_CHARACTERISTICS] = "SET SESSION CHARACTERISTICS",
	[SQL_PREPARE] = "PREPARE",
	[SQL_EXECUTE] = "EXECUTE",
	[SQL_DEALLOCATE] = "DEALLOCATE",
	[SQL_DEALLOCATE_ALL] = "DEALLOCATE ALL",
	[SQL_LISTEN] = "LISTEN",
	[SQL_UNLISTEN] = "UNLISTEN",
	[SQL_UNLISTEN_ALL] = "UNLISTEN *",
	[SQL_NOTIFY] = "NOTIFY",
	[SQL_DECLARE] = "DECLARE CURSOR",
	[SQL_CLOSE] = "CLOSE",
	[SQL_CLOSE_ALL] = "CLOSE ALL",
	[SQL_DISCARD_ALL] = "DISCARD ALL",
	[SQL_DISCARD_PLANS] = "DISCARD PLANS",
	[SQL_DISCARD_SEQUENCES] = "DISCARD SEQUENCES",
	[SQL_DISCARD_TEMP] = "DISCARD TEMP",
	[SQL_LOAD] = "LOAD",
	[SQL_DO] = "DO",
	[SQL_CALL] = "CALL",
	[SQL_COPY] = "COPY",
};

const char *
sql_kind_name(enum sql_kind kind)
{
	return kind_names[kind];
}

/* Tags, or what comes before a count; a row per first letter. Those with a
 * blank at the end are prefixes. */
static const char *const plain_tags[26][8] = {
	['A' - 'A'] = { "ALTER ", "ANALYZE" },
	['B' - 'A'] = { "BEGIN" },
	['C' - 'A'] = { "COPY ", "COMMIT", "COMMIT PREPARED", "CREATE INDEX",
	    "CREATE ROLE", "COMMENT", "CHECKPOINT", "CLUSTER" },
	['D' - 'A'] = { "DELETE ", "DROP " },
	['E' - 'A'] = { "EXPLAIN" },
	['F' - 'A'] = { "FETCH " },
	['G' - 'A'] = { "GRANT", "GRANT ROLE" },
	['I' - 'A'] = { "INSERT ", "IMPORT FOREIGN SCHEMA" },
	['L' - 'A'] = { "LOCK TABLE" },
	['M' - 'A'] = { "MOVE ", "MERGE " },
	['N' - 'A'] = { "NOTIFY" },
	['P' - 'A'] = { "PREPARE TRANSACTION" },
	['R' - 'A'] = { "ROLLBACK", "RELEASE", "REVOKE", "REVOKE ROLE",
	    "REINDEX", "REFRESH MATERIALIZED VIEW", "ROLLBACK PREPARED",
	    "REASSIGN OWNED" },
	['S' - 'A'] = { "SELECT ", "SHOW", "SAVEPOINT", "START TRANSACTION",
	    "SET CONSTRAINTS", "SECURITY LABEL", "SELECT" },
	['T' - 'A'] = { "TRUNCATE TABLE" },
	['U' - 'A'] = { "UPDATE " },
	['V' - 'A'] = { "VACUUM", "VALUES" },
};

bool
sql_tag_is_plain(struct span tag)
{
	const char *const *row;
	size_t i, n;

	if (tag.n == 0 || tag.p[0] < 'A' || tag.p[0] > 'Z')
		return false;
	row = plain_tags[tag.p[0] - 'A'];
	for (i = 0; i < 8 && row[i]; i++) {
		n = strlen(row[i]);
		if (tag.n < n || memcmp(tag.p, row[i], n) != 0)
			continue;
		if (tag.n == n || row[i][n - 1] == ' ')
			return true;
	}
	return false;
}
