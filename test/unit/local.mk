# Unit tests: one Check program per pure module, linked with libpure.a alone.
# Each is test/unit/NAME.c, and its name stands here.
unit_tests =

if HAVE_CHECK
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif
