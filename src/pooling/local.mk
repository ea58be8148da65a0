# Files of pooling/.

pooler_core_sources += \
	include/pooling/hub.h \
	include/pooling/database.h \
	include/pooling/stats.h src/pooling/stats.c \
	include/pooling/quota.h src/pooling/quota.c \
	include/pooling/crowd.h src/pooling/crowd.c \
	include/pooling/cancel.h src/pooling/cancel.c \
	include/pooling/passwords.h src/pooling/passwords.c \
	include/pooling/keycache.h src/pooling/keycache.c \
	include/pooling/hosts.h src/pooling/hosts.c \
	include/pooling/tls_set.h src/pooling/tls_set.c \
	include/pooling/target.h src/pooling/target.c \
	include/pooling/preface.h src/pooling/preface.c \
	include/pooling/canceler.h src/pooling/canceler.c \
	include/pooling/peers.h src/pooling/peers.c \
	include/pooling/server.h src/pooling/server.c \
	include/pooling/server_login.h src/pooling/server_login.c \
	include/pooling/pool.h src/pooling/pool.c src/pooling/pool_private.h \
	src/pooling/pool_admin.c src/pooling/pool_move.c \
	src/pooling/pool_open.c src/pooling/pool_pump.c \
	src/pooling/pool_release.c src/pooling/pool_bind.c \
	include/pooling/latency.h src/pooling/pool_primary.c src/pooling/pool_latency.c \
	include/pooling/fanout.h src/pooling/fanout.c \
	src/pooling/fanout_private.h src/pooling/fanout_server.c \
	src/pooling/fanout_ear.c \
	include/pooling/tally.h src/pooling/tally.c \
	include/pooling/registry.h src/pooling/registry.c \
	src/pooling/registry_apply.c src/pooling/registry_impl.h \
	src/pooling/registry_pool.c src/pooling/registry_sleep.c \
	src/pooling/registry_sweep.c \
	include/pooling/lookup.h src/pooling/lookup.c \
	include/pooling/lookup_reply.h src/pooling/lookup_reply.c \
	include/pooling/guard.h src/pooling/guard.c \
	src/pooling/guard_private.h src/pooling/guard_show.c \
	include/pooling/login.h src/pooling/login.c src/pooling/login_method.c \
	src/pooling/login_proxy.c src/pooling/login_guard.c \
	src/pooling/login_private.h src/pooling/login_auth.c \
	src/pooling/login_judge.c \
	include/pooling/relay.h src/pooling/relay.c \
	src/pooling/relay_private.h src/pooling/relay_clock.c \
	src/pooling/relay_up.c src/pooling/relay_down.c \
	src/pooling/relay_slow.c \
	src/pooling/relay_sync.c src/pooling/relay_stmt.c src/pooling/relay_sql.c \
	src/pooling/relay_again.c \
	src/pooling/relay_look.h src/pooling/relay_reset.c src/pooling/relay_state.c \
	src/pooling/relay_state.h src/pooling/relay_listen.c \
	include/pooling/client.h src/pooling/client.c src/pooling/client_login.c \
	src/pooling/client_private.h src/pooling/client_log.c src/pooling/client_query.c \
	src/pooling/client_move.c src/pooling/client_hear.c \
	include/pooling/parcel.h src/pooling/parcel.c \
	include/pooling/drain.h src/pooling/drain.c \
	include/pooling/worker.h src/pooling/worker.c \
	include/pooling/walk.h src/pooling/worker_private.h \
	src/pooling/worker_walk.c src/pooling/worker_show.c
