/* Before a client's first message its server gets the client's settings. */
#include <stdlib.h>

#include "proto/msg.h"
#include "proto/reply.h"
#include "relay_private.h"

struct err *
relay_error_of(struct span body)
{
	struct notice_fields f;
	struct err *e;

	if (!msg_notice(body, &f))
		return NULL;
	e = xmalloc(sizeof(*e));
	err_set(e, f.sqlstate ? f.sqlstate : "22023", "%s",
	    f.message ? f.message : "invalid server parameter");
	if (f.detail)
		err_detail(e, "%s", f.detail);
	if (f.hint)
		err_hint(e, "%s", f.hint);
	return e;
}

/* What the server says to our SETs is the client's to know. */
void
relay_sync_refused(struct relay *r, struct span body)
{
	if (!r->err)
		r->err = relay_error_of(body);
}

static void
sync_failed(struct relay *r)
{
	struct err e;

	if (r->a.greeting && r->err) {
		e = *r->err;
	} else {
		err_set(&e, "22023", "invalid server parameter");
		err_detail(&e, "the server refused a setting of this client "
		    "when it was replayed%s%s", r->err ? ": " : "",
		    r->err ? r->err->msg : "");
	}
	free(r->err);
	r->err = NULL;
	/* A text that failed has changed nothing. Of two it is not known which
	 * one it was. */
	if (r->sync_both)
		relay_server_failed(r, &e, "var change failed");
	else
		relay_finish(r, RELAY_FAILED, &e, "invalid server parameter");
}

/* Our SETs have been answered, or not yet. */
void
relay_synced(struct relay *r)
{
	struct server *s = relay_server_of(r);

	if (!pipeline_is_settled(&s->pipeline))
		return;
	r->syncing = false;
	r->sync_us = 0;
	if (r->err || s->pipeline.own_error) {
		sync_failed(r);
		return;
	}
	/* The server's spelling is the client's from now on, else the SET
	 * would come again and again; and both share one set. */
	param_set_unref(*r->a.params);
	*r->a.params = param_set_ref(s->params);
	settings_unref(s->settings);
	s->settings = settings_ref(*r->a.settings);
	if (UNLIKELY(r->resets != NULL))
		relay_reset_applied(r);
	if (r->cancel_wanted) {
		relay_finish(r, RELAY_CANCELED, NULL, NULL);
		return;
	}
	if (r->a.greeting) {
		relay_finish(r, RELAY_DONE, NULL, NULL);
		return;
	}
	if (*r->a.heard && !r->state)
		relay_state_begin(r);
	relay_feed_held(r);
	relay_settle(r);
}

static void
send_sets(struct relay *r, struct buf *sql)
{
	struct server *s = relay_server_of(r);
	struct buf msg = { 0 };

	if (buf_len(sql)) {
		buf_append(sql, "", 1);
		s->unnamed_id = 0;
		pipeline_own_sent(&s->pipeline, 'Q');
		request_query(&msg, (const char *)buf_head(sql));
		stream_write(&s->stream, buf_head(&msg), buf_len(&msg));
		buf_free(&msg);
	}
	buf_free(sql);
}

void
relay_send_sets(struct relay *r, struct buf *params, struct buf *settings)
{
	r->sync_both = buf_len(params) && buf_len(settings);
	/* Two messages: a text is read in the encoding, and by the rules for
	 * quotes, that hold when it comes. */
	send_sets(r, params);
	send_sets(r, settings);
	r->syncing = true;
	r->sync_us = loop_now(r->a.loop);
	relay_set_timer(r);
}

/* Both take the one with the lower address: so all clients and servers with
 * the same values come to share one set, and a comparison of two pointers
 * suffices. */
static void
share_params(struct relay *r)
{
	struct server *s = relay_server_of(r);

	if ((uintptr_t)*r->a.params < (uintptr_t)s->params)
		s->params = param_set_share(*r->a.params, s->params);
	else
		*r->a.params = param_set_share(s->params, *r->a.params);
}

static void
share_settings(struct relay *r)
{
	struct server *s = relay_server_of(r);

	if ((uintptr_t)*r->a.settings < (uintptr_t)s->settings)
		s->settings = settings_share(*r->a.settings, s->settings);
	else
		*r->a.settings = settings_share(s->settings, *r->a.settings);
}

bool
relay_sync(struct relay *r)
{
	struct server *s = relay_server_of(r);
	struct buf params = { 0 }, settings = { 0 };
	struct err e;
	int n;

	if (LIKELY(*r->a.params == s->params &&
		*r->a.settings == s->settings) || r->set->replication)
		return true;
	share_params(r);
	share_settings(r);
	n = param_diff_sql(s->target->names, *r->a.params, s->params, &params,
	    &e);
	if (n < 0) {
		relay_leave_server(r, true);
		relay_end(r, RELAY_FAILED, &e, "invalid server parameter");
		return false;
	}
	n += settings_diff_sql(*r->a.settings, s->settings, &settings);
	if (n == 0)
		return true;
	relay_send_sets(r, &params, &settings);
	return false;
}
