# Fuzz targets. Each is test/fuzz/fuzz_NAME.c with a corpus in
# test/fuzz/corpus/NAME. `make check` links it with replay.c, which feeds it
# the corpus; `make fuzz` with libFuzzer.
fuzz_replay = test/fuzz/replay.c test/fuzz/fuzz.h

fuzz_targets += \
	test/fuzz/fuzz_startup \
	test/fuzz/fuzz_options \
	test/fuzz/fuzz_msg \
	test/fuzz/fuzz_pipeline \
	test/fuzz/fuzz_stmt \
	test/fuzz/fuzz_moved \
	test/fuzz/fuzz_sql \
	test/fuzz/fuzz_scram \
	test/fuzz/fuzz_ini \
	test/fuzz/fuzz_userlist \
	test/fuzz/fuzz_command \
	test/fuzz/fuzz_hba \
	test/fuzz/fuzz_ident \
	test/fuzz/fuzz_proxy \
	test/fuzz/fuzz_ldap

test_fuzz_fuzz_startup_SOURCES = test/fuzz/fuzz_startup.c $(fuzz_replay)
test_fuzz_fuzz_options_SOURCES = test/fuzz/fuzz_options.c $(fuzz_replay)
test_fuzz_fuzz_msg_SOURCES = test/fuzz/fuzz_msg.c $(fuzz_replay)
test_fuzz_fuzz_stmt_SOURCES = test/fuzz/fuzz_stmt.c $(fuzz_replay)
test_fuzz_fuzz_moved_SOURCES = test/fuzz/fuzz_moved.c $(fuzz_replay)
test_fuzz_fuzz_pipeline_SOURCES = test/fuzz/fuzz_pipeline.c $(fuzz_replay)
test_fuzz_fuzz_sql_SOURCES = test/fuzz/fuzz_sql.c $(fuzz_replay)
test_fuzz_fuzz_scram_SOURCES = test/fuzz/fuzz_scram.c $(fuzz_replay)
test_fuzz_fuzz_ini_SOURCES = test/fuzz/fuzz_ini.c $(fuzz_replay)
test_fuzz_fuzz_userlist_SOURCES = test/fuzz/fuzz_userlist.c $(fuzz_replay)
test_fuzz_fuzz_command_SOURCES = test/fuzz/fuzz_command.c $(fuzz_replay)
test_fuzz_fuzz_hba_SOURCES = test/fuzz/fuzz_hba.c $(fuzz_replay)
test_fuzz_fuzz_ident_SOURCES = test/fuzz/fuzz_ident.c $(fuzz_replay)
test_fuzz_fuzz_ldap_SOURCES = test/fuzz/fuzz_ldap.c $(fuzz_replay)
test_fuzz_fuzz_proxy_SOURCES = test/fuzz/fuzz_proxy.c $(fuzz_replay)

check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)
EXTRA_DIST += test/fuzz/corpus
