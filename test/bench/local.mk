# `make bench`: this pooler beside PgBouncer and HAProxy. Nothing of it is part
# of `make check`: a figure is no test.
#
#	make bench			all sections, most of an hour
#	make bench BENCH_QUICK=1	a first look, about two minutes
#	make bench SECTIONS='cpu copy'	some of them

EXTRA_PROGRAMS += test/bench/load test/bench/fakepg test/bench/logins

test_bench_load_SOURCES = test/bench/load.c
test_bench_load_LDADD =
test_bench_fakepg_SOURCES = test/bench/fakepg.c
test_bench_fakepg_LDADD =
test_bench_logins_SOURCES = test/bench/logins.c
test_bench_logins_LDADD = $(pure_libs) $(OPENSSL_LIBS)

BENCH_QUICK = 0
SECTIONS =

bench: pooler$(EXEEXT) test/bench/load$(EXEEXT) test/bench/fakepg$(EXEEXT) \
    test/bench/logins$(EXEEXT)
	@POOLER_BIN="$${POOLER_BIN-./pooler$(EXEEXT)}" \
	    BENCH_TOOLS=test/bench BENCH_QUICK='$(BENCH_QUICK)' \
	    $(srcdir)/test/bench/run $(SECTIONS)

.PHONY: bench

CLEANFILES += test/bench/load$(EXEEXT) test/bench/fakepg$(EXEEXT) \
	test/bench/logins$(EXEEXT)
EXTRA_DIST += \
	test/bench/measure.py \
	test/bench/report.py \
	test/bench/rig.py \
	test/bench/run \
	test/bench/secure.py \
	test/bench/sections.py
