#!/bin/sh
# Prints src/proto/sql_names.c: the names of the functions of pg_catalog, from a
# running PostgreSQL that psql reaches with the arguments given here:
#
#	src/proto/sql_names.sh -h /tmp -p 5432 -d postgres >src/proto/sql_names.c
#
# A newer version may be asked any time; before that, look what its new functions
# do to the session (sql_call.c). Names that functions had in older versions are
# added by hand, in the query.
set -eu

cat <<'END'
/* Names of the functions of pg_catalog. Made by sql_names.sh: do not edit. */
#include "proto/sql_call.h"

/* In the order of strcmp(). */
const char *const sql_catalog_names[] = {
END
psql -XAtq "$@" <<'END' | LC_ALL=C sort -u | sed 's/.*/	"&",/'
SELECT proname FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace;
SELECT unnest('{
pg_xlogfile_name,pg_xlogfile_name_offset,pg_xlog_location_diff,
pg_current_xlog_location,pg_current_xlog_insert_location,
pg_last_xlog_receive_location,pg_last_xlog_replay_location,
pg_switch_xlog,pg_is_xlog_replay_paused,
pg_get_replication_slots,pg_is_in_backup,pg_backup_start_time
}'::text[]);
END
cat <<'END'
};
const size_t sql_catalog_count = ARRAY_LEN(sql_catalog_names);
END
