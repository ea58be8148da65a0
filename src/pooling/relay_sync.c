/* Before a client's first message its server gets the client's settings. */
#include "proto/reply.h"
#include "relay_private.h"

/* Our SET has been answered, or not yet. */
void
relay_synced(struct relay *r)
{
	struct server *s = relay_server_of(r);
	struct err e;

	if (!pipeline_is_settled(&s->pipeline))
		return;
	r->syncing = false;
	r->sync_us = 0;
	if (s->pipeline.own_error) {
		err_set(&e, "22023", "invalid server parameter");
		err_detail(&e, "the server refused a setting of this client "
		    "when it was replayed");
		relay_server_failed(r, &e, "var change failed");
		return;
	}
	/* The server's spelling is the client's from now on, else the SET
	 * would come again and again; and both share one set. */
	param_set_unref(*r->a.params);
	*r->a.params = param_set_ref(s->params);
	if (r->cancel_wanted) {
		relay_finish(r, RELAY_CANCELED, NULL);
		return;
	}
	relay_feed_held(r);
	relay_settle(r);
}

/* Makes the server's settings those of the client. False when a SET is under
 * way, behind which the client's bytes have to wait. */
bool
relay_sync_params(struct relay *r)
{
	struct server *s = relay_server_of(r);
	struct buf sql = { 0 }, msg = { 0 };
	struct err e;
	int n;

	if (LIKELY(*r->a.params == s->params) || r->set->replication)
		return true;
	if (param_set_same(*r->a.params, s->params)) {
		/* Both take the one with the lower address: so all clients and
		 * servers with the same values come to share one set, and the
		 * comparison above suffices. */
		if ((uintptr_t)*r->a.params < (uintptr_t)s->params)
			s->params = param_set_share(*r->a.params, s->params);
		else
			*r->a.params = param_set_share(s->params,
			    *r->a.params);
		return true;
	}
	n = param_diff_sql(s->target->names, *r->a.params, s->params, &sql,
	    &e);
	if (n == 0) {
		buf_free(&sql);
		return true;
	}
	if (n < 0) {
		buf_free(&sql);
		relay_leave_server(r, true);
		relay_end(r, RELAY_FAILED, &e, "invalid server parameter");
		return false;
	}
	buf_append(&sql, "", 1);
	pipeline_own_sent(&s->pipeline, 'Q');
	request_query(&msg, (const char *)buf_head(&sql));
	stream_write(&s->stream, buf_head(&msg), buf_len(&msg));
	buf_free(&sql);
	buf_free(&msg);
	r->syncing = true;
	r->sync_us = loop_now(r->a.loop);
	relay_set_timer(r);
	return false;
}
