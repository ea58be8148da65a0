# proto: bytes in, answers out.
libpure_a_SOURCES += \
	src/proto/wire.c include/proto/wire.h \
	src/proto/msg.c include/proto/msg.h \
	src/proto/reply.c include/proto/reply.h \
	src/proto/pipeline.c include/proto/pipeline.h \
	src/proto/param.c include/proto/param.h \
	src/proto/settings.c include/proto/settings.h

libpure_a_SOURCES += \
	src/proto/base64.c include/proto/base64.h \
	src/proto/digest.c include/proto/digest.h \
	src/proto/scram.c include/proto/scram.h \
	src/proto/auth.c include/proto/auth.h
