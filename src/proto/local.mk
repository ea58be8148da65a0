# proto: bytes in, answers out.
libpure_a_SOURCES += \
	src/proto/wire.c include/proto/wire.h \
	src/proto/msg.c include/proto/msg.h \
	src/proto/reply.c include/proto/reply.h \
	src/proto/pipeline.c include/proto/pipeline.h \
	src/proto/stmt.c include/proto/stmt.h src/proto/stmt_private.h \
	src/proto/stmt_client.c src/proto/stmt_server.c \
	src/proto/stmt_carry.c \
	src/proto/param.c include/proto/param.h \
	src/proto/fingerprint.c include/proto/fingerprint.h \
	src/proto/settings.c include/proto/settings.h \
	src/proto/texts.c include/proto/texts.h \
	src/proto/moved.c include/proto/moved.h \
	src/proto/channels.c include/proto/channels.h \
	src/proto/journal.c include/proto/journal.h

libpure_a_SOURCES += \
	src/proto/proxy.c include/proto/proxy.h \
	src/proto/base64.c include/proto/base64.h \
	src/proto/digest.c include/proto/digest.h \
	src/proto/scram.c include/proto/scram.h src/proto/scram_impl.h \
	src/proto/scram_text.c src/proto/scram_server.c \
	src/proto/scram_client.c \
	src/proto/auth.c include/proto/auth.h src/proto/auth_impl.h \
	src/proto/auth_server.c src/proto/auth_client.c

libpure_a_SOURCES += \
	src/proto/sql_lex.c src/proto/sql_lex.h src/proto/sql_decode.c \
	src/proto/sql_names.c src/proto/sql_call.c src/proto/sql_call.h \
	src/proto/sql_scan.c src/proto/sql_scan.h src/proto/sql_track.c \
	src/proto/sql_head.c src/proto/sql_set.c src/proto/sql_body.c \
	src/proto/sql_value.c src/proto/sql_quick.c src/proto/sql.c \
	include/proto/sql.h
# Renews sql_names.c.
EXTRA_DIST += src/proto/sql_names.sh
