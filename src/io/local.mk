# Files of io/.

pooler_core_sources += \
	include/io/addr.h src/io/addr.c \
	include/io/keep.h src/io/keep.c \
	include/io/loop.h src/io/loop.c \
	include/io/offload.h src/io/offload.c \
	include/io/command.h src/io/command.c \
	include/io/judge.h src/io/judge.c src/io/judge_impl.h \
	src/io/judge_ldap.c src/io/judge_pam.c \
	include/io/stream.h src/io/stream.c \
	include/io/gather.h src/io/gather.c

pooler_core_sources += \
	include/io/dns.h src/io/dns.c src/io/dns_impl.h src/io/dns_show.c \
	include/io/dns_host.h src/io/dns_host.c \
	src/io/dns_order.h src/io/dns_order.c \
	src/io/dns_zone.h src/io/dns_zone.c \
	src/io/resolver.h src/io/resolver.c \
	src/io/resolver_impl.h src/io/resolver_srv.c \
	include/io/tcp.h src/io/tcp.c

pooler_core_sources += \
	src/io/stream_impl.h src/io/stream_tls.c \
	include/io/tls.h src/io/tls.c src/io/tls_impl.h \
	src/io/tls_ctx.c src/io/tls_file.c src/io/tls_ticket.c
