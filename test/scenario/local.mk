# Scenarios: the real pooling code on loops and streams that are the test's own,
# with virtual time. fake_loop.c and fake_stream.c stand before libpooler.a, so
# that nothing of io's loop, stream and dns is taken from there; the clock and
# connect() are replaced by the linker.
scenario_tests = \
	test/scenario/test_waiting \
	test/scenario/test_gone \
	test/scenario/test_session \
	test/scenario/test_down \
	test/scenario/test_edges \
	test/scenario/test_prepared \
	test/scenario/test_table \
	test/scenario/test_monkey

scenario_sources = \
	test/scenario/fake.h \
	test/scenario/fake_loop.c test/scenario/fake_stream.c \
	test/scenario/scenario.h test/scenario/scenario.c \
	test/scenario/talk.h test/scenario/talk.c
scenario_libs = $(core_libs) $(CHECK_LIBS)
scenario_ldflags = $(AM_LDFLAGS) \
	-Wl,--wrap=clock_mono_us -Wl,--wrap=target_dial

test_scenario_test_waiting_SOURCES = \
	test/scenario/test_waiting.c $(scenario_sources)
test_scenario_test_waiting_LDADD = $(scenario_libs)
test_scenario_test_waiting_LDFLAGS = $(scenario_ldflags)

test_scenario_test_gone_SOURCES = \
	test/scenario/test_gone.c $(scenario_sources)
test_scenario_test_gone_LDADD = $(scenario_libs)
test_scenario_test_gone_LDFLAGS = $(scenario_ldflags)

test_scenario_test_session_SOURCES = \
	test/scenario/test_session.c $(scenario_sources)
test_scenario_test_session_LDADD = $(scenario_libs)
test_scenario_test_session_LDFLAGS = $(scenario_ldflags)

test_scenario_test_down_SOURCES = \
	test/scenario/test_down.c $(scenario_sources)
test_scenario_test_down_LDADD = $(scenario_libs)
test_scenario_test_down_LDFLAGS = $(scenario_ldflags)

test_scenario_test_table_SOURCES = \
	test/scenario/test_table.c $(scenario_sources)
test_scenario_test_table_LDADD = $(scenario_libs)
test_scenario_test_table_LDFLAGS = $(scenario_ldflags)

test_scenario_test_monkey_SOURCES = \
	test/scenario/test_monkey.c $(scenario_sources)
test_scenario_test_monkey_LDADD = $(scenario_libs)
test_scenario_test_monkey_LDFLAGS = $(scenario_ldflags)

test_scenario_test_edges_SOURCES = \
	test/scenario/test_edges.c $(scenario_sources)
test_scenario_test_edges_LDADD = $(scenario_libs)
test_scenario_test_edges_LDFLAGS = $(scenario_ldflags)

test_scenario_test_prepared_SOURCES = \
	test/scenario/test_prepared.c $(scenario_sources)
test_scenario_test_prepared_LDADD = $(scenario_libs)
test_scenario_test_prepared_LDFLAGS = $(scenario_ldflags)

if HAVE_CHECK
check_PROGRAMS += $(scenario_tests)
TESTS += $(scenario_tests)
endif
