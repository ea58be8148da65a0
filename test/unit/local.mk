# Unit tests: one Check program per pure module, linked with libpure.a alone.
# Each is test/unit/NAME.c, and its name stands here.
unit_tests =
EXTRA_DIST += test/unit/unit.h

# base/ and proto/
unit_tests += test/unit/test_base test/unit/test_wire test/unit/test_msg \
	test/unit/test_pipeline test/unit/test_param \
	test/unit/test_fingerprint \
	test/unit/test_settings test/unit/test_texts \
	test/unit/test_channels \
	test/unit/test_journal test/unit/test_scram \
	test/unit/test_auth test/unit/test_log test/unit/test_sql
unit_tests += test/unit/test_proxy
unit_tests += test/unit/test_hist
unit_tests += test/unit/test_stmt test/unit/test_moved
# The log is not pure: it comes from the other library.
test_unit_test_log_LDADD = $(core_libs) $(CHECK_LIBS)

# policy/
unit_tests += test/unit/test_ini test/unit/test_option \
	test/unit/test_userlist test/unit/test_ldap_options \
	test/unit/test_config \
	test/unit/test_config_live test/unit/test_ledger \
	test/unit/test_net test/unit/test_ident test/unit/test_hba
EXTRA_DIST += test/unit/config_world.h test/unit/sql_cases.h \
	test/unit/sql_show.h
EXTRA_DIST += test/unit/unit.h test/unit/unit_suite.h

# control/: its pure part
unit_tests += test/unit/test_command

# Printed documents are what the tables say.
TESTS += test/unit/check_docs.sh
EXTRA_DIST += test/unit/check_docs.sh
test/unit/check_docs.log: doc/gendoc doc/genconsole

if HAVE_CHECK
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif
