# Tests of kind threads: programs that need threads, sockets or other processes,
# but no database. test_dns needs dnsmasq and fails without it.
thread_tests = \
	test/threads/test_daemon \
	test/threads/test_dns \
	test/threads/test_listener

test_threads_test_daemon_SOURCES = \
	test/threads/test_daemon.c \
	test/threads/config_text.c test/threads/config_text.h
test_threads_test_daemon_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_dns_SOURCES = \
	test/threads/test_dns.c \
	test/threads/dnsmasq.c test/threads/dnsmasq.h
test_threads_test_dns_LDADD = $(core_libs) $(CHECK_LIBS)

test_threads_test_listener_SOURCES = \
	test/threads/test_listener.c \
	test/threads/config_text.c test/threads/config_text.h
test_threads_test_listener_LDADD = $(core_libs) $(CHECK_LIBS)

if HAVE_CHECK
check_PROGRAMS += $(thread_tests)
TESTS += $(thread_tests)
endif
