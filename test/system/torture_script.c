/* Questions put together: what is sent, and what has to come back. */
#include "torture.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* So every row shows whose it is, and in whose transaction it was made. */
#define ASIDE                                   \
	"current_setting('application_name'), " \
	"coalesce(current_setting('torture.me', true), '')"

struct segment *
script_segment(struct script *s, struct peer *p)
{
	struct segment *seg = &s->seg[s->n++];

	*seg = (struct segment){ .first = p->seq + 1 };
	return seg;
}

const char *
peer_select(struct peer *p, struct segment *seg, char *buf, size_t size)
{
	unsigned seq = ++p->seq;
	int n;

	seg->rows++;
	n = snprintf(buf, size, "SELECT '%s%u', " ASIDE, p->who, seq);
	if (seg->filler > 0)
		snprintf(buf + n, size - (size_t)n, ", repeat('%s%u ', %u)",
		    p->who, seq, seg->filler);
	return buf;
}

void
script_simple(struct script *s, struct peer *p, unsigned n)
{
	struct segment *seg = script_segment(s, p);
	char sql[400];
	unsigned i;

	if (n == 1 && rng_chance(&p->rng, 5))
		seg->filler = 1 + rng_below(&p->rng, 40000);
	pkt_begin(&s->out, 'Q');
	for (i = 0; i < n; i++) {
		peer_select(p, seg, sql, sizeof(sql));
		pkt_raw(&s->out, sql, strlen(sql));
		pkt_raw(&s->out, "; ", 2);
	}
	pkt_u8(&s->out, 0);
	pkt_end(&s->out);
}

static void
extended(struct script *s, struct peer *p, struct segment *seg)
{
	char token[48];
	int n = snprintf(token, sizeof(token), "%s%u", p->who, ++p->seq);

	seg->rows++;
	pkt_parse(&s->out, "", "SELECT $1::text, " ASIDE);
	pkt_begin(&s->out, 'B');
	pkt_str(&s->out, "");
	pkt_str(&s->out, "");
	pkt_i16(&s->out, 0);
	pkt_i16(&s->out, 1);
	pkt_i32(&s->out, (uint32_t)n);
	pkt_raw(&s->out, token, (size_t)n);
	pkt_i16(&s->out, 0);
	pkt_end(&s->out);
	if (rng_chance(&p->rng, 70))
		pkt_describe(&s->out, 'P', "");
	pkt_execute(&s->out, "", 0);
}

void
script_extended(struct script *s, struct peer *p, unsigned n)
{
	struct segment *seg = script_segment(s, p);
	unsigned i;

	for (i = 0; i < n; i++)
		extended(s, p, seg);
	pkt_empty(&s->out, 'S');
}

void
script_command(struct script *s, struct peer *p, const char *sql)
{
	script_segment(s, p);
	pkt_query(&s->out, sql);
}

enum fate
peer_run(struct peer *p, struct script *s)
{
	enum fate fate = FATE_OK, one;
	unsigned i;

	/* A failed send is seen as the end of what can be read. */
	(void)peer_send(p, &s->out);
	for (i = 0; i < s->n; i++) {
		one = peer_answer(p, &s->seg[i]);
		if (one != FATE_OK)
			fate = one;
		if (one == FATE_LOST)
			break;
	}
	s->n = 0;
	return fate;
}
