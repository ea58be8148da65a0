#include <stdlib.h>
#include <string.h>

#include "proto/sql_call.h"

/*
 * The volatile functions of pg_catalog, and what they leave in a session that
 * is not over with the transaction:
 *
 * - set_config(), setseed(), session advisory locks: that is what they are for.
 * - nextval(), setval(): what lastval() and currval() give. A column's default
 *   calls nextval() in every other INSERT and the text does not show it, so the
 *   caller may well not care; it is told of both sides.
 * - pg_replication_origin_session_setup(), _reset() and pg_replication_origin_
 *   xact_setup(), _reset(): the origin that commits are marked with.
 * - pg_create_*_replication_slot(), pg_copy_*_replication_slot(): temporary
 *   ones belong to the session. The argument is not looked at.
 * - pg_backup_start(), pg_start_backup(): a backup that ends with the session.
 * - query_to_xml*(), ts_stat(), ts_rewrite(tsquery, text), and xpath's cousins
 *   that are not in pg_catalog: run an argument as SQL. cursor_to_xml() fetches
 *   from a cursor.
 * - binary_upgrade_*(): variables for pg_upgrade; an error elsewhere.
 *
 * Not: lo_open() and the like (descriptors are closed at the end of the
 * transaction), pg_export_snapshot() (the same), pg_advisory_xact_lock(),
 * pg_logical_emit_message() (to the log), pg_logical_slot_get_changes() (gives
 * the slot back), pg_stat_clear_snapshot() (statistics of this transaction),
 * txid_current(), random(), pg_sleep(), all that acts on the cluster or on
 * other sessions. pg_notify() is told of because of the process id that others see.
 */
static const struct {
	const char *name;
	enum sql_call_kind kind;
} effects[] = {
	{ "binary_upgrade_create_empty_extension", SQL_CALL_STATE },
	{ "binary_upgrade_set_missing_value", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_array_pg_type_oid", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_attribute_versions", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_heap_pg_class_oid", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_heap_relfilenode", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_index_pg_class_oid", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_index_relfilenode", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_multirange_array_pg_type_oid",
	    SQL_CALL_STATE },
	{ "binary_upgrade_set_next_multirange_pg_type_oid", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_pg_authid_oid", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_pg_enum_oid", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_pg_tablespace_oid", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_pg_type_oid", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_toast_pg_class_oid", SQL_CALL_STATE },
	{ "binary_upgrade_set_next_toast_relfilenode", SQL_CALL_STATE },
	{ "binary_upgrade_set_record_init_privs", SQL_CALL_STATE },
	{ "currval", SQL_CALL_SEQ_READ },
	{ "cursor_to_xml", SQL_CALL_STATE },
	{ "lastval", SQL_CALL_SEQ_READ },
	{ "nextval", SQL_CALL_SEQ_WRITE },
	{ "pg_advisory_lock", SQL_CALL_LOCK },
	{ "pg_advisory_lock_shared", SQL_CALL_LOCK },
	{ "pg_advisory_unlock", SQL_CALL_UNLOCK },
	{ "pg_advisory_unlock_all", SQL_CALL_UNLOCK_ALL },
	{ "pg_advisory_unlock_shared", SQL_CALL_UNLOCK },
	{ "pg_backup_start", SQL_CALL_STATE },
	{ "pg_backup_stop", SQL_CALL_STATE },
	{ "pg_copy_logical_replication_slot", SQL_CALL_STATE },
	{ "pg_copy_physical_replication_slot", SQL_CALL_STATE },
	{ "pg_create_logical_replication_slot", SQL_CALL_STATE },
	{ "pg_create_physical_replication_slot", SQL_CALL_STATE },
	{ "pg_notify", SQL_CALL_NOTIFY },
	{ "pg_replication_origin_session_reset", SQL_CALL_STATE },
	{ "pg_replication_origin_session_setup", SQL_CALL_STATE },
	{ "pg_replication_origin_xact_reset", SQL_CALL_STATE },
	{ "pg_replication_origin_xact_setup", SQL_CALL_STATE },
	{ "pg_start_backup", SQL_CALL_STATE },
	{ "pg_stop_backup", SQL_CALL_STATE },
	{ "pg_try_advisory_lock", SQL_CALL_LOCK },
	{ "pg_try_advisory_lock_shared", SQL_CALL_LOCK },
	{ "query_to_xml", SQL_CALL_STATE },
	{ "query_to_xml_and_xmlschema", SQL_CALL_STATE },
	{ "query_to_xmlschema", SQL_CALL_STATE },
	{ "set_config", SQL_CALL_SET_CONFIG },
	{ "setseed", SQL_CALL_SEED },
	{ "setval", SQL_CALL_SEQ_WRITE },
	{ "ts_rewrite", SQL_CALL_STATE },
	{ "ts_stat", SQL_CALL_STATE },
};

/*
 * Reserved words and those that cannot name a function, and of the rest those
 * that the grammar puts before a parenthesis. Anybody may still have a function
 * "over" in a schema and call it with the schema, or quoted.
 */
static const char *const no_functions[] = {
	"all", "analyse", "analyze", "and", "any", "array", "as", "asc",
	"asymmetric", "between", "bigint", "bit", "boolean", "both", "by",
	"case", "cast", "char", "character", "check", "coalesce", "collate",
	"column", "columns", "conflict", "constraint", "create", "cross",
	"cube", "current_catalog", "current_date", "current_role",
	"current_time", "current_timestamp", "current_user", "cursor", "dec",
	"decimal", "default", "deferrable", "desc", "distinct", "do", "else",
	"end", "except", "exclude", "exists", "extract", "false", "fetch",
	"filter", "float", "for", "foreign", "from", "generated", "grant",
	"greatest", "group", "grouping", "having", "identity", "ilike", "in",
	"include", "inherits", "initially", "inner", "int", "integer",
	"intersect", "interval", "into", "is", "isnull", "join", "key",
	"lateral", "leading", "least", "like", "limit", "list", "localtime",
	"localtimestamp", "materialized", "national", "natural", "nchar",
	"not", "notnull", "null", "nullif", "numeric", "of", "offset", "on",
	"only", "operator", "options", "or", "order", "out", "outer", "over",
	"overlaps", "overlay", "partition", "placing", "position", "precision",
	"primary", "range", "real", "recursive", "references", "returning",
	"rollup", "row", "rows", "select", "session_user", "set", "setof",
	"sets", "similar", "smallint", "some", "substring", "symmetric",
	"table", "then", "time", "timestamp", "to", "trailing", "treat",
	"trim", "true", "union", "unique", "update", "user", "using", "values",
	"varchar", "variadic", "when", "where", "window", "with", "within",
	"xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest",
	"xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize",
	"xmltable",
};

/* Unreserved ones among them, and those for functions and types
 * (pg_get_keywords()). NOT MATERIALIZED ( and OPERATOR( are never calls. */
static const char *const maybe_functions[] = {
	"columns", "conflict", "cross", "cursor", "filter", "generated",
	"identity", "ilike", "include", "inherits", "inner", "is", "isnull",
	"join", "key", "like", "natural", "notnull", "of", "options", "outer",
	"over", "overlaps", "partition", "recursive", "rows", "sets",
	"similar", "within",
};
static const char *const maybe_in_lists[] = {
	"by", "cube", "exclude", "list", "range", "rollup", "set", "update",
};

/* Of a name against a sorted one that ends in NUL. */
static int
compare(struct span name, const char *with)
{
	size_t n = strlen(with);
	int c = memcmp(name.p, with, name.n < n ? name.n : n);

	return c != 0 ? c : (name.n > n) - (name.n < n);
}

static int
compare_listed(const void *name, const void *row)
{
	return compare(*(const struct span *)name,
	    *(const char *const *)row);
}

static bool
is_listed(struct span name, const char *const *list, size_t n)
{
	return bsearch(&name, list, n, sizeof(*list), compare_listed) != NULL;
}

enum sql_name_class
sql_name_class(struct span name, enum sql_call_kind *kind)
{
	for (size_t lo = 0, hi = ARRAY_LEN(effects); lo < hi;) {
		size_t mid = (lo + hi) / 2;
		int c = compare(name, effects[mid].name);

		if (c == 0) {
			*kind = effects[mid].kind;
			return SQL_NAME_EFFECT;
		}
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return is_listed(name, sql_catalog_names, sql_catalog_count) ?
	    SQL_NAME_HARMLESS : SQL_NAME_UNKNOWN;
}

/* In any case. */
static bool
is_word_of(struct span word, const char *const *list, size_t n)
{
	uint8_t lower[24];
	size_t i;

	if (word.n > sizeof(lower))
		return false;
	for (i = 0; i < word.n; i++)
		lower[i] = word.p[i] >= 'A' && word.p[i] <= 'Z' ?
		    word.p[i] | 0x20 : word.p[i];
	return is_listed(SPAN(lower, word.n), list, n);
}

bool
sql_is_no_function(struct span word)
{
	return is_word_of(word, no_functions, ARRAY_LEN(no_functions));
}

bool
sql_may_be_function(struct span word, bool *list)
{
	*list = is_word_of(word, maybe_in_lists, ARRAY_LEN(maybe_in_lists));
	return *list || is_word_of(word, maybe_functions,
	    ARRAY_LEN(maybe_functions));
}
