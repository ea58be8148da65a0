# Files of control/.

pooler_core_sources += \
	include/control/daemon.h src/control/daemon.c \
	include/control/inherit.h src/control/inherit.c \
	include/control/takeover.h src/control/takeover.c \
	src/control/takeover_packet.c src/control/takeover_packet.h \
	include/control/notify.h src/control/notify.c \
	src/control/bind.h src/control/bind.c \
	include/control/listener.h src/control/listener.c

# The control plane: its state, the console and what it does.
pooler_core_sources += \
	include/control/names.h \
	include/control/cli.h src/control/cli.c \
	include/control/source.h src/control/source.c \
	include/control/plane.h src/control/plane.c \
	include/control/period.h src/control/period.c \
	include/control/sweep.h src/control/sweep.c \
	include/control/pause.h src/control/pause.c \
	include/control/suspend.h src/control/suspend.c \
	include/control/diff.h src/control/diff.c \
	include/control/reload.h src/control/reload.c \
	include/control/shutdown.h src/control/shutdown.c \
	include/control/signals.h src/control/signals.c \
	include/control/show.h src/control/show_tables.h \
	src/control/show.c src/control/show_gather.c \
	src/control/show_conns.c src/control/show_pools.c \
	src/control/show_access.c \
	src/control/show_stats.c src/control/show_misc.c \
	src/control/show_wait.c src/control/show_limits.c src/control/show_times.c src/control/show_hosts.c src/control/show_dns.c \
	include/control/verb.h src/control/verb_impl.h src/control/verb.c \
	src/control/verb_pause.c src/control/verb_process.c \
	include/control/console.h src/control/console_impl.h \
	src/control/console.c src/control/console_msg.c

# These are pure, and held to it: unit tests and fuzzers link them alone.
libpure_a_SOURCES += \
	include/control/command.h src/control/command.c \
	include/control/rows.h src/control/rows.c
