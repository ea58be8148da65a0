# System tests: the real program in front of a real PostgreSQL.
#
# One program per theme. They find the program under test in ./pooler, which is
# where `make check` runs them; POOLER_BIN names another one.
system_lib = test/system/libfixture.a
system_tests = \
	test/system/test_auth \
	test/system/test_authquery \
	test/system/test_badinput \
	test/system/test_badlogin \
	test/system/test_badserver \
	test/system/test_binding \
	test/system/test_bounds \
	test/system/test_cancel \
	test/system/test_cli \
	test/system/test_commands \
	test/system/test_console \
	test/system/test_copy \
	test/system/test_down \
	test/system/test_drain \
	test/system/test_drivers \
	test/system/test_ends \
	test/system/test_faults \
	test/system/test_exporter \
	test/system/test_gone \
	test/system/test_hold \
	test/system/test_hba \
	test/system/test_ldap \
	test/system/test_leaks \
	test/system/test_impatient \
	test/system/test_interleave \
	test/system/test_hosts \
	test/system/test_hostile \
	test/system/test_hostfaults \
	test/system/test_listen \
	test/system/test_log \
	test/system/test_matrix \
	test/system/test_drivermatrix \
	test/system/test_modes \
	test/system/test_names \
	test/system/test_notify \
	test/system/test_prepared \
	test/system/test_protocol \
	test/system/test_pam \
	test/system/test_params \
	test/system/test_peers \
	test/system/test_proxy \
	test/system/test_passcmd \
	test/system/test_pgbench \
	test/system/test_pools \
	test/system/test_replication \
	test/system/test_security \
	test/system/test_service \
	test/system/test_rotation \
	test/system/test_scale \
	test/system/test_show \
	test/system/test_tables \
	test/system/test_swap \
	test/system/test_takeover \
	test/system/test_sql \
	test/system/test_timeouts \
	test/system/test_cert \
	test/system/test_tls \
	test/system/test_wire

if HAVE_LIBPQ
check_LIBRARIES = $(system_lib)
check_PROGRAMS += $(system_tests) test/system/drivers/matrix/libpq_app
TESTS += $(system_tests)
endif

test_system_libfixture_a_SOURCES = \
	test/system/cluster.c \
	test/system/fakepg.c \
	test/system/fakepg.h \
	test/system/fixture.c \
	test/system/fixture.h \
	test/system/gate.c \
	test/system/internal.h \
	test/system/load.c \
	test/system/load.h \
	test/system/pq.c \
	test/system/raw.c \
	test/system/raw.h \
	test/system/sampler.c \
	test/system/sampler.h

system_libs = $(system_lib) $(LIBPQ_LIBS) $(CHECK_LIBS)

test_system_test_auth_LDADD = $(system_libs)
test_system_test_authquery_LDADD = $(system_libs)
test_system_test_badinput_LDADD = $(system_libs)
test_system_test_badlogin_LDADD = $(system_libs)
test_system_test_badserver_LDADD = $(system_libs)
test_system_test_bounds_LDADD = $(system_libs)
test_system_test_cancel_LDADD = $(system_libs)
test_system_test_cli_LDADD = $(system_libs)
test_system_test_commands_LDADD = $(system_libs)
test_system_test_console_LDADD = $(system_libs)
test_system_test_copy_LDADD = $(system_libs)
test_system_test_down_LDADD = $(system_libs)
test_system_test_drain_LDADD = $(system_libs)
test_system_test_drivers_LDADD = $(system_libs)
test_system_test_ends_LDADD = $(system_libs)
test_system_test_faults_LDADD = $(system_libs)
test_system_test_exporter_LDADD = $(system_libs)
test_system_test_gone_LDADD = $(system_libs)
test_system_test_hold_LDADD = $(system_libs)
test_system_test_hba_LDADD = $(system_libs)
test_system_test_ldap_LDADD = $(system_libs)
test_system_test_leaks_LDADD = $(system_libs)
test_system_test_impatient_LDADD = $(system_libs)
test_system_test_interleave_LDADD = $(system_libs)
test_system_test_hosts_LDADD = $(system_libs)
test_system_test_hostile_LDADD = $(system_libs)
test_system_test_hostfaults_SOURCES = \
	test/system/test_hostfaults.c \
	test/system/netns.c test/system/netns.h
test_system_test_hostfaults_LDADD = $(system_libs)
test_system_test_listen_LDADD = $(system_libs)
test_system_test_log_LDADD = $(system_libs)
test_system_test_matrix_LDADD = $(system_libs)
test_system_test_drivermatrix_LDADD = $(system_libs)
test_system_test_modes_LDADD = $(system_libs)
test_system_test_names_SOURCES = \
	test/system/test_names.c \
	test/system/netns.c test/system/netns.h \
	test/threads/dnsmasq.c test/threads/dnsmasq.h \
	test/threads/liar.c test/threads/liar.h
test_system_test_names_LDADD = $(system_libs)
test_system_test_notify_LDADD = $(system_libs)
test_system_test_prepared_LDADD = $(system_libs)
test_system_test_protocol_LDADD = $(system_libs)
test_system_test_pam_LDADD = $(system_libs)
test_system_test_params_LDADD = $(system_libs)
test_system_test_peers_LDADD = $(system_libs)
test_system_test_passcmd_LDADD = $(system_libs)
test_system_test_pgbench_LDADD = $(system_libs)
test_system_test_pools_LDADD = $(system_libs)
test_system_test_security_LDADD = $(system_libs)
test_system_test_service_LDADD = $(system_libs)
test_system_test_proxy_LDADD = $(system_libs)
test_system_test_rotation_LDADD = $(system_libs)
test_system_test_scale_LDADD = $(system_libs)
test_system_test_show_LDADD = $(system_libs)
test_system_test_swap_LDADD = $(system_libs)
test_system_test_tables_LDADD = $(system_libs)
# The scanner itself, beside a server.
test_system_test_sql_LDADD = $(system_libs) $(pure_libs)
test_system_test_replication_LDADD = $(system_libs)
test_system_test_takeover_LDADD = $(system_libs) $(OPENSSL_LIBS)
test_system_test_takeover_SOURCES = test/system/test_takeover.c \
	test/system/tls_certs.c test/system/tls_certs.h
test_system_test_timeouts_LDADD = $(system_libs)
test_system_test_wire_LDADD = $(system_libs)

test_system_test_cert_SOURCES = test/system/test_cert.c \
	test/system/tls_certs.c test/system/tls_certs.h
test_system_test_cert_LDADD = $(system_libs) $(OPENSSL_LIBS)

test_system_test_tls_SOURCES = test/system/test_tls.c \
	test/system/tls_certs.c test/system/tls_certs.h
test_system_test_tls_LDADD = $(system_libs) $(OPENSSL_LIBS)

test_system_test_binding_SOURCES = test/system/test_binding.c \
	test/system/tls_certs.c test/system/tls_certs.h
test_system_test_binding_LDADD = $(system_libs) $(pure_libs) $(OPENSSL_LIBS)

include test/system/torture.mk

# Where the applications of test_drivers and test_drivermatrix lie.
test_system_test_drivers_CPPFLAGS = $(AM_CPPFLAGS) \
	-DSYSTEM_SRCDIR='"$(abs_top_srcdir)"'
test_system_test_drivermatrix_CPPFLAGS = $(test_system_test_drivers_CPPFLAGS)
test_system_drivers_matrix_libpq_app_LDADD = $(LIBPQ_LIBS)

EXTRA_DIST += \
	test/system/drivers/asyncpg_app.py \
	test/system/drivers/matrix/Jdbc.java \
	test/system/drivers/matrix/apg.py \
	test/system/drivers/matrix/cells.py \
	test/system/drivers/matrix/dbd_pg.pl \
	test/system/drivers/matrix/django_app.py \
	test/system/drivers/matrix/lib_pq.go \
	test/system/drivers/matrix/node_pg.js \
	test/system/drivers/matrix/pdo.php \
	test/system/drivers/matrix/postgres_js.js \
	test/system/drivers/matrix/psql.sh \
	test/system/drivers/matrix/psy2.py \
	test/system/drivers/matrix/psy3.py \
	test/system/drivers/matrix/psy3_async.py \
	test/system/drivers/matrix/ruby_pg.rb \
	test/system/drivers/matrix/sequelize.js \
	test/system/drivers/matrix/sqla.py \
	test/system/drivers/node_app.js \
	test/system/drivers/psycopg2_app.py \
	test/system/drivers/psycopg3_app.py

mostlyclean-local: clean-node-driver
clean-node-driver:
	rm -rf node-driver driver-matrix
.PHONY: clean-node-driver

# Every driver that is installed, and what is missing of the others. Nothing
# is installed, but what only npm has is fetched into the build folder.
check-drivers: pooler$(EXEEXT) test/system/test_drivermatrix$(EXEEXT) \
	    test/system/drivers/matrix/libpq_app$(EXEEXT)
	DRIVERS_FETCH=1 test/system/test_drivermatrix$(EXEEXT)
.PHONY: check-drivers

# Commands of the console in 1,000 random orders; HOLD_SEED chooses others.
HOLD_OPS = 1000
interleave: pooler$(EXEEXT) test/system/test_interleave$(EXEEXT)
	HOLD_OPS='$(HOLD_OPS)' test/system/test_interleave$(EXEEXT)
.PHONY: interleave

# 10,000 cancel requests over three peers.
cancels: pooler$(EXEEXT) test/system/test_peers$(EXEEXT)
	TEST_LONG=1 CK_RUN_CASE=cancels_through_a_random_balancer_all_arrive \
	    test/system/test_peers$(EXEEXT)
.PHONY: cancels
