# How tests are run and counted, and the checks of the tree itself.

TEST_EXTENSIONS = .sh
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(abs_top_srcdir)'; \
	top_builddir='$(abs_top_builddir)'; \
	CC='$(CC)'; NM='$(NM)'; \
	CPPFLAGS='$(AM_CPPFLAGS) $(CPPFLAGS)'; \
	export top_srcdir top_builddir CC NM CPPFLAGS;

TESTS += test/check_headers.sh test/check_security.sh test/check_demo.sh test/check_unit.sh
# Instrumented objects call into the sanitizer's runtime, and what they show of
# the layers is what any other build shows.
if !SANITIZED
TESTS += test/check_layers.sh
endif

EXTRA_DIST += \
	test/check_demo.sh \
	test/check_headers.sh \
	test/check_layers.sh \
	test/check_security.sh \
	test/check_unit.sh \
	test/common.sh \
	test/count.sh \
	test/demo \
	test/fuzz/run \
	test/regress \
	test/regress_differs.txt \
	test/run

# What they look at has to be there.
test/check_layers.log: libpooler.a libpure.a
test/check_demo.log: pooler
test/check_unit.log: etc/pooler.service

check-local:
if !HAVE_CHECK
	@echo 'The unit tests did not run: configure found no Check' \
	    '(Debian: check).' >&2; exit 1
else
if !HAVE_LIBPQ
	@echo 'The system tests did not run: configure found no libpq' \
	    '(Debian: libpq-dev).' >&2; exit 1
endif
endif

# The plain count of what the last `make check` found.
count:
	@$(SHELL) $(srcdir)/test/count.sh $(TEST_LOGS)

# The whole suite in a build of its own under a sanitizer. It is made from a
# copy, since a tree that is configured in place cannot be built elsewhere too;
# the copy keeps its times, so a second run compiles what changed only. With
# setarch, because ThreadSanitizer wants memory where a kernel that randomises
# more than it knows of may have put something else.
check-asan:
	@$(MAKE) sanitized-check kind=address
check-tsan:
	@$(MAKE) sanitized-check kind=thread
sanitized-check: distdir
	rm -rf build-$(kind)/src
	$(MKDIR_P) build-$(kind)
	mv $(distdir) build-$(kind)/src
	cd build-$(kind) && { test -f Makefile || \
	    src/configure --enable-sanitizers=$(kind) --enable-werror \
	    CC='$(CC)'; } && { \
		setarch -R true 2>/dev/null && fixed='setarch -R'; \
		$$fixed $(MAKE) -k check; status=$$?; \
		$(MAKE) -s count; exit $$status; }

# Every fuzz target for TIME seconds, starting from its corpus. Needs clang.
TIME = 60
fuzz:
	@CLANG='$(CLANG)' TIME='$(TIME)' \
	    CPPFLAGS='$(AM_CPPFLAGS) $(CPPFLAGS)' \
	    LIBS='$(CRYPTO_LIBS) $(LIBIDN_LIBS)' \
	    $(SHELL) $(srcdir)/test/fuzz/run $(srcdir) $(libpure_a_SOURCES)

# PostgreSQL's own regression suite, directly and through the pooler: both have
# to print the same. The tests are downloaded when they are not here.
MODES = session once transaction
check-regress: pooler$(EXEEXT)
	$(srcdir)/test/regress $(MODES)

.PHONY: count check-asan check-tsan sanitized-check fuzz check-regress

clean-local:
	rm -rf build-address build-thread build-fuzz regress-suite
