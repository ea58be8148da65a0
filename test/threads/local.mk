# Tests of kind threads: programs that need threads, sockets or other processes,
# but no database. test_dns needs dnsmasq and fails without it.
thread_tests = \
	test/threads/test_cancel_keys \
	test/threads/test_daemon \
	test/threads/test_dns \
	test/threads/test_dnsfaults \
	test/threads/test_guard \
	test/threads/test_keycache \
	test/threads/test_listener \
	test/threads/test_pool \
	test/threads/test_pool_load \
	test/threads/test_quota \
	test/threads/test_registry \
	test/threads/test_rights \
	test/threads/test_tls_session

test_threads_test_daemon_SOURCES = \
	test/threads/test_daemon.c \
	test/threads/config_text.c test/threads/config_text.h
test_threads_test_daemon_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_dns_SOURCES = \
	test/threads/test_dns.c \
	test/threads/dns_rig.c test/threads/dns_rig.h \
	test/threads/dnsmasq.c test/threads/dnsmasq.h
test_threads_test_dns_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_dnsfaults_SOURCES = \
	test/threads/test_dnsfaults.c \
	test/threads/dns_rig.c test/threads/dns_rig.h \
	test/threads/dnsmasq.c test/threads/dnsmasq.h \
	test/threads/liar.c test/threads/liar.h
test_threads_test_dnsfaults_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_keycache_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_guard_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_tls_session_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_listener_SOURCES = \
	test/threads/test_listener.c \
	test/threads/config_text.c test/threads/config_text.h
test_threads_test_listener_LDADD = $(core_libs) $(CHECK_LIBS)

pool_rig = \
	test/threads/config_text.c test/threads/config_text.h \
	test/threads/fake_server.c test/threads/fake_server.h \
	test/threads/pool_rig.c test/threads/pool_rig.h

test_threads_test_cancel_keys_SOURCES = \
	test/threads/test_cancel_keys.c $(pool_rig)
test_threads_test_cancel_keys_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_pool_SOURCES = test/threads/test_pool.c $(pool_rig)
test_threads_test_pool_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_pool_load_SOURCES = \
	test/threads/test_pool_load.c $(pool_rig)
test_threads_test_pool_load_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_quota_SOURCES = test/threads/test_quota.c $(pool_rig)
test_threads_test_quota_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_registry_SOURCES = test/threads/test_registry.c $(pool_rig)
test_threads_test_registry_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_rights_SOURCES = \
	test/threads/test_rights.c \
	test/threads/config_text.c test/threads/config_text.h
test_threads_test_rights_LDADD = $(core_libs) $(CHECK_LIBS)

if HAVE_CHECK
check_PROGRAMS += $(thread_tests)
TESTS += $(thread_tests)
endif
