#include <string.h>

#include "proto/moved.h"

/* For what is bounded elsewhere: settings twice, params, names, keys. */
#define OTHERS_MAX (512u << 10)

bool
moved_fits(const struct texts *texts, const struct stmt_client *stmts)
{
	size_t room = MOVED_MAX - OTHERS_MAX, used = texts_size(texts);

	return stmt_client_can_put(stmts) && used <= room &&
	    stmt_client_put_size(stmts) <= room - used;
}

static void
put_optional(struct writer *w, const char *s)
{
	writer_u8(w, s != NULL);
	if (s != NULL)
		writer_cstr(w, s);
}

static void
put_peer(struct writer *w, const struct moved *m)
{
	writer_u8(w, m->peer.family);
	writer_u16(w, m->peer.port);
	writer_u32(w, m->peer.pid);
	writer_bytes(w, m->peer.ip, sizeof(m->peer.ip));
	writer_u8(w, m->is_unix);
}

static void
put_params(struct writer *w, const struct param_set *params,
    const struct param_names *names)
{
	size_t i, n = params != NULL ? param_names_count(names) : 0;

	for (i = 0; i < n; i++) {
		const char *value = param_get(params, i);

		if (value == NULL)
			continue;
		writer_u8(w, 1);
		writer_cstr(w, param_name(names, i));
		writer_cstr(w, value);
	}
	writer_u8(w, 0);
}

void
moved_put(const struct moved *m, const struct param_names *names,
    const struct stmt_client *stmts, struct buf *out)
{
	struct writer w;

	writer_begin(&w, out, 'C');
	writer_cstr(&w, m->database);
	writer_cstr(&w, m->user);
	writer_u8(&w, (uint8_t)m->key.n);
	writer_bytes(&w, m->key.p, m->key.n);
	put_peer(&w, m);
	writer_u32(&w, (uint32_t)((uint64_t)m->connect_wall_us >> 32));
	writer_u32(&w, (uint32_t)m->connect_wall_us);
	put_params(&w, m->params, names);
	put_params(&w, m->asked, names);
	put_optional(&w, m->secret);
	writer_u8(&w, m->has_keys);
	if (m->has_keys) {
		writer_bytes(&w, m->keys.client_key, SCRAM_KEY);
		writer_bytes(&w, m->keys.server_key, SCRAM_KEY);
	}
	settings_put(m->settings, &w);
	settings_put(m->startup, &w);
	texts_put(m->texts, &w);
	stmt_client_put(stmts, &w);
	writer_end(&w);
}

static void
take(struct reader *r, void *to, size_t n)
{
	struct span s = reader_bytes(r, n);

	if (!r->bad)
		memcpy(to, s.p, n);
}

static void
take_peer(struct reader *r, struct moved *m)
{
	m->peer.family = reader_u8(r);
	m->peer.port = reader_u16(r);
	m->peer.pid = reader_u32(r);
	take(r, m->peer.ip, sizeof(m->peer.ip));
	m->is_unix = reader_u8(r) != 0;
}

static struct param_set *
take_params(struct reader *r, const struct param_names *names)
{
	struct param_set *set = param_set_new(param_names_count(names));

	while (reader_u8(r) != 0) {
		int i = param_index(names, reader_cstr(r));
		const char *value = reader_cstr(r);

		if (i >= 0 && !r->bad)
			set = param_set_with(set, (size_t)i, value);
	}
	return set;
}

static void
take_state(struct reader *r, struct moved *m)
{
	settings_take(r, &m->settings);
	if (!r->bad)
		settings_take(r, &m->startup);
	if (!r->bad)
		texts_take(r, &m->texts);
}

bool
moved_take(struct span message, const struct param_names *names,
    struct moved *m, struct reader *r)
{
	uint64_t wall;

	memset(m, 0, sizeof(*m));
	m->database = m->user = "";
	reader_init(r, message);
	if (reader_u8(r) != 'C' || reader_u32(r) != message.n - 1)
		return false;
	m->database = reader_cstr(r);
	m->user = reader_cstr(r);
	m->key = reader_bytes(r, reader_u8(r));
	take_peer(r, m);
	wall = (uint64_t)reader_u32(r) << 32;
	wall |= reader_u32(r);
	m->connect_wall_us = (int64_t)wall;
	m->params = take_params(r, names);
	m->asked = take_params(r, names);
	if (reader_u8(r) != 0)
		m->secret = reader_cstr(r);
	m->has_keys = reader_u8(r) != 0;
	if (m->has_keys) {
		take(r, m->keys.client_key, SCRAM_KEY);
		take(r, m->keys.server_key, SCRAM_KEY);
	}
	take_state(r, m);
	return !r->bad;
}

void
moved_fini(struct moved *m)
{
	param_set_unref(m->params);
	param_set_unref(m->asked);
	settings_unref(m->settings);
	settings_unref(m->startup);
	texts_free(m->texts);
	wipe(&m->keys, sizeof(m->keys));
	m->params = m->asked = NULL;
	m->settings = m->startup = NULL;
	m->texts = NULL;
}
