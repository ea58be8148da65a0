# proto: bytes in, answers out.
libpure_a_SOURCES += \
	src/proto/wire.c include/proto/wire.h \
	src/proto/msg.c include/proto/msg.h \
	src/proto/reply.c include/proto/reply.h \
	src/proto/pipeline.c include/proto/pipeline.h \
	src/proto/param.c include/proto/param.h
