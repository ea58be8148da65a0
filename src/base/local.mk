# base: what every other module may use. log is kept out of libpure, so that
# a pure module that logs does not link.
libpure_a_SOURCES += \
	src/base/base.c include/base/base.h \
	src/base/err.c include/base/err.h \
	src/base/buf.c include/base/buf.h \
	src/base/arena.c include/base/arena.h \
	src/base/slab.c include/base/slab.h \
	src/base/map.c include/base/map.h \
	src/base/hist.c include/base/hist.h

pooler_core_sources += src/base/log.c include/base/log.h \
	src/base/log_line.c src/base/log_line.h
