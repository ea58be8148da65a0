# The torture test: seconds of it in `make check`, as long as one likes with
#
#	make torture				ten minutes
#	make torture TORTURE_SECONDS=3600
#
# TORTURE_SEED, TORTURE_CLIENTS, TORTURE_WORKERS and TORTURE_INI of the
# environment are told of in torture.h.
if HAVE_LIBPQ
check_PROGRAMS += test/system/torture
TESTS += test/system/torture
endif

test_system_torture_SOURCES = \
	test/system/torture.c \
	test/system/torture.h \
	test/system/torture_acts.c \
	test/system/torture_gone.c \
	test/system/torture_libpq.c \
	test/system/torture_peer.c \
	test/system/torture_rest.c \
	test/system/torture_script.c \
	test/system/torture_watch.c
test_system_torture_LDADD = $(system_libs)

TORTURE_SECONDS = 600

torture: pooler$(EXEEXT) test/system/torture$(EXEEXT)
	@TORTURE_SECONDS='$(TORTURE_SECONDS)' test/system/torture$(EXEEXT)

.PHONY: torture
