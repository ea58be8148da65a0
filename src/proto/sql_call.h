/*
 * sql_call: which functions do something to the session, by name.
 *
 * Private to proto/sql. Pure.
 */
#ifndef PROTO_SQL_CALL_H
#define PROTO_SQL_CALL_H

#include "proto/sql.h"

enum sql_name_class {
	SQL_NAME_UNKNOWN, /* not in pg_catalog */
	SQL_NAME_HARMLESS, /* in pg_catalog, leaves nothing behind */
	SQL_NAME_EFFECT, /* in pg_catalog, *kind tells */
};

/* Of a name in lower-case without schema. */
enum sql_name_class sql_name_class(struct span name, enum sql_call_kind *kind);

/* Keywords that may stand before a parenthesis and are no function then. In any
 * case. */
bool sql_is_no_function(struct span word);
/* Of these, those that a function can bear for a name without quotes: where an
 * expression begins it is one. *list: not so behind a comma or a parenthesis,
 * or BY, where some list of the grammar may go on. */
bool sql_may_be_function(struct span word, bool *list);

extern const char *const sql_catalog_names[];
extern const size_t sql_catalog_count;

#endif
