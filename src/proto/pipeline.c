#include <stdlib.h>
#include <string.h>

#include "proto/pipeline.h"

/* One byte for each entry: what was sent, and whether it is our own. */
enum kind {
	QUERY,
	FUNCTION,
	PARSE,
	BIND,
	DESCRIBE,
	EXECUTE,
	CLOSE,
	SYNC,
	MARK, /* CopyDone or CopyFail: owes nothing itself */
	FAKE_PARSE, /* not sent: no answer of the server fits these */
	FAKE_CLOSE,
};

_Static_assert(QUERY == 0 && SYNC < PIPELINE_ASIDE && MARK == PIPELINE_ASIDE,
    "pipeline_pass() counts on it");

#define OWN 0x80
#define TRACKED 0x40
#define REFUSED 0x20
#define UNNAMED 0x10
#define KIND 0x0f
#define BIT(kind) (1u << (kind))

_Static_assert((OWN | TRACKED | KIND) == PIPELINE_PLAIN,
    "a refused one is tracked as well; an unnamed one is plain");

#define IS(e, kind) ((int)(e) == (int)(kind))
_Static_assert(IS(PIPELINE_SENT_QUERY, QUERY) &&
    IS(PIPELINE_SENT_PARSE, PARSE | UNNAMED) &&
    IS(PIPELINE_SENT_NAMED_PARSE, PARSE) && IS(PIPELINE_SENT_BIND, BIND) &&
    IS(PIPELINE_SENT_DESCRIBE, DESCRIBE) &&
    IS(PIPELINE_SENT_EXECUTE, EXECUTE) && IS(PIPELINE_SENT_SYNC, SYNC),
    "entries that pipeline_push() makes");

#define EXTENDED (BIT(PARSE) | BIT(BIND) | BIT(DESCRIBE) | BIT(EXECUTE) | \
	BIT(CLOSE))
/* Kinds that the server knows nothing of, and so owes nothing for. */
#define NOT_SENT (BIT(MARK) | BIT(FAKE_PARSE) | BIT(FAKE_CLOSE))
#define FAKES (BIT(FAKE_PARSE) | BIT(FAKE_CLOSE))
/* Kinds that a ReadyForQuery answers. */
#define OWES_READY (BIT(QUERY) | BIT(FUNCTION) | BIT(SYNC))

/* Frontend messages: 0 = not known, else what it does and its kind. */
#define KNOWN 0x40
#define NO_ENTRY 0x20

static const uint8_t frontend[256] = {
	['Q'] = KNOWN | QUERY,
	['F'] = KNOWN | FUNCTION,
	['P'] = KNOWN | PARSE,
	['B'] = KNOWN | BIND,
	['D'] = KNOWN | DESCRIBE,
	['E'] = KNOWN | EXECUTE,
	['C'] = KNOWN | CLOSE,
	['S'] = KNOWN | SYNC,
	['c'] = KNOWN | MARK,
	['f'] = KNOWN | MARK,
	['d'] = KNOWN | NO_ENTRY,
	['H'] = KNOWN | NO_ENTRY,
};

/* Backend messages: the entries each can belong to, and those it completes. */
enum what { NONSENSE, ANSWER, COMPLETE, COPY_BEGINS, ERROR, READY, ASIDE,
	ASYNC };

static const struct {
	uint8_t what;
	uint8_t fits;
	uint8_t takes;
} backend[256] = {
	['1'] = { ANSWER, BIT(PARSE), BIT(PARSE) },
	['2'] = { ANSWER, BIT(BIND), BIT(BIND) },
	['3'] = { ANSWER, BIT(CLOSE), BIT(CLOSE) },
	['t'] = { ANSWER, BIT(DESCRIBE), 0 },
	['n'] = { ANSWER, BIT(DESCRIBE), BIT(DESCRIBE) },
	['T'] = { ANSWER, BIT(QUERY) | BIT(DESCRIBE), BIT(DESCRIBE) },
	['D'] = { ANSWER, BIT(QUERY) | BIT(EXECUTE), 0 },
	['I'] = { ANSWER, BIT(QUERY) | BIT(EXECUTE), BIT(EXECUTE) },
	['s'] = { ANSWER, BIT(EXECUTE), BIT(EXECUTE) },
	['V'] = { ANSWER, BIT(FUNCTION), 0 },
	['H'] = { ANSWER, BIT(QUERY) | BIT(EXECUTE), 0 },
	['d'] = { ANSWER, BIT(QUERY) | BIT(EXECUTE), 0 },
	['c'] = { ANSWER, BIT(QUERY) | BIT(EXECUTE), 0 },
	['C'] = { COMPLETE, BIT(QUERY) | BIT(EXECUTE), BIT(EXECUTE) },
	['G'] = { COPY_BEGINS, BIT(QUERY) | BIT(EXECUTE), 0 },
	['W'] = { COPY_BEGINS, BIT(QUERY) | BIT(EXECUTE), 0 },
	['Z'] = { READY, OWES_READY, OWES_READY },
	['E'] = { ERROR, 0, 0 },
	['N'] = { ASIDE, 0, 0 },
	['S'] = { ASIDE, 0, 0 },
	['A'] = { ASYNC, 0, 0 },
};

const uint8_t pipeline_plain[256] = {
	['1'] = PARSE,
	['2'] = BIND,
	['n'] = DESCRIBE,
	['T'] = DESCRIBE | PIPELINE_QUERY,
	['D'] = EXECUTE | PIPELINE_QUERY | PIPELINE_STAYS,
	['C'] = EXECUTE | PIPELINE_QUERY,
};

bool
frontend_type_is_known(uint8_t type)
{
	return frontend[type] != 0;
}

bool
frontend_type_is_copy(uint8_t type)
{
	return type == 'd' || type == 'c' || type == 'f';
}

void
pipeline_init(struct pipeline *p)
{
	*p = (struct pipeline){ .cap = PIPELINE_INLINE };
}

void
pipeline_fini(struct pipeline *p)
{
	free(p->ring);
	pipeline_init(p);
}

/* The queue. */

static inline uint8_t *
slot(struct pipeline *p, uint32_t i)
{
	uint8_t *ring = p->ring != NULL ? p->ring : p->inline_ring;
	uint32_t at = p->head + i;

	return &ring[at < p->cap ? at : at - p->cap];
}

/* Entry i, 0 being the oldest. */
static inline uint8_t
entry(const struct pipeline *p, uint32_t i)
{
	const uint8_t *ring = p->ring != NULL ? p->ring : p->inline_ring;
	uint32_t at = p->head + i;

	return ring[at < p->cap ? at : at - p->cap];
}

static inline uint32_t
kind_bit(uint8_t e)
{
	return BIT(e & KIND);
}

static bool
grow(struct pipeline *p)
{
	uint32_t cap = p->cap * 2;
	uint32_t first = p->cap - p->head; /* entries before it wraps */
	uint8_t *old = p->ring != NULL ? p->ring : p->inline_ring;
	uint8_t *ring;

	if (cap > PIPELINE_MAX)
		cap = PIPELINE_MAX;
	if (cap == p->cap)
		return false;
	ring = try_malloc(cap);
	if (ring == NULL)
		return false;
	/* Only a full queue grows, so all of the old block is in use. */
	memcpy(ring, old + p->head, first);
	memcpy(ring + first, old, p->cap - first);
	free(p->ring);
	p->ring = ring;
	p->cap = cap;
	p->head = 0;
	return true;
}

static inline bool
push(struct pipeline *p, uint8_t e)
{
	if (UNLIKELY(p->count == p->cap) && !grow(p))
		return false;
	*slot(p, p->count) = e;
	p->count++;
	p->owed += (kind_bit(e) & NOT_SENT) == 0;
	return true;
}

/* In front of the oldest. */
static bool
unshift(struct pipeline *p, uint8_t e)
{
	if (p->count == p->cap && !grow(p))
		return false;
	p->head = (p->head > 0 ? p->head : p->cap) - 1;
	*slot(p, 0) = e;
	p->count++;
	p->owed++;
	return true;
}

/* Takes the oldest off, in whatever way it ended. */
static inline void
shift(struct pipeline *p)
{
	p->owed -= (kind_bit(entry(p, 0)) & NOT_SENT) == 0;
	p->head = p->head + 1 < p->cap ? p->head + 1 : 0;
	p->count--;
}

/* The oldest ended without having been carried out. */
static inline void
lose(struct pipeline *p)
{
	uint8_t e = entry(p, 0);

	if (UNLIKELY((e & (TRACKED | UNNAMED)) != 0)) {
		p->lost += (e & TRACKED) != 0;
		if ((e & UNNAMED) != 0 && (e & OWN) != 0)
			p->unnamed_own_lost = true;
		else if ((e & UNNAMED) != 0)
			p->unnamed_lost = true;
		p->news = true;
	}
	shift(p);
}

/* Some of the oldest have gone. The marks that then stand first ended the
 * stream of an entry that has gone; fakes there are due. */
static void
tidy(struct pipeline *p)
{
	while (p->count > 0) {
		uint32_t bit = kind_bit(entry(p, 0));

		if (LIKELY((bit & NOT_SENT) == 0))
			return;
		if ((bit & FAKES) != 0) {
			p->news = true;
			if (!p->abandoned)
				return;
			/* In its turn: behind those that are done. */
			p->done++;
		}
		shift(p);
	}
	/* Every answer that could come has come. */
	p->in_doubt = false;
	p->doubt = 0;
	p->head = 0;
	p->abandoned = false;
	if (UNLIKELY(p->ring != NULL)) {
		free(p->ring);
		p->ring = NULL;
		p->cap = PIPELINE_INLINE;
	}
}

/* Takes the n oldest off: what is tracked among them is lost. */
static void
drop(struct pipeline *p, uint32_t n)
{
	while (n-- > 0)
		lose(p);
	tidy(p);
}

/* Takes the oldest off, which was carried out. */
static inline void
complete(struct pipeline *p)
{
	if (UNLIKELY((entry(p, 0) & TRACKED) != 0)) {
		p->done++;
		p->news = true;
	}
	shift(p);
	tidy(p);
}

/* Index of the first entry of these kinds, or count. */
static uint32_t
find(const struct pipeline *p, uint32_t kinds)
{
	uint32_t i = 0;

	while (i < p->count && (kind_bit(entry(p, i)) & kinds) == 0)
		i++;
	return i;
}

/*
 * The mark that ends the COPY stream of the oldest entry, or 0 if it was not
 * sent yet. syncs are those sent inside the stream. Anything else in there
 * breaks the COPY, and whatever is behind it has nothing to do with it.
 */
static uint32_t
find_stream_end(const struct pipeline *p, uint32_t *syncs)
{
	uint32_t i;

	*syncs = 0;
	for (i = 1; i < p->count; i++) {
		uint8_t kind = entry(p, i) & KIND;

		if (kind == MARK)
			return i;
		if ((BIT(kind) & FAKES) != 0)
			continue;
		if (kind != SYNC)
			break;
		++*syncs;
	}
	return 0;
}

/* What is sent. */

static bool
sent_end_of_stream(struct pipeline *p)
{
	p->copy_stream = false;
	/* With nothing under way no COPY can want it. */
	return p->count == 0 || push(p, MARK);
}

bool
pipeline_sent(struct pipeline *p, uint8_t type)
{
	uint8_t f = frontend[type];

	if (UNLIKELY(f == 0 || (f & NO_ENTRY) != 0))
		return true;
	if (UNLIKELY((f & KIND) == MARK))
		return sent_end_of_stream(p);
	/* After a COPY that failed the client may go on without ending it. */
	if (!p->copy_in)
		p->copy_stream = false;
	return push(p, f & KIND);
}

bool
pipeline_own_sent(struct pipeline *p, uint8_t type)
{
	uint8_t f = frontend[type];

	p->own_error = false;
	if (f == 0 || (f & NO_ENTRY) != 0)
		return true;
	return push(p, (f & KIND) | OWN);
}

bool
pipeline_tracked_sent(struct pipeline *p, uint8_t type, bool own)
{
	if (!p->copy_in)
		p->copy_stream = false;
	return push(p, (frontend[type] & KIND) | TRACKED | (own ? OWN : 0));
}

bool
pipeline_unnamed_sent(struct pipeline *p, bool own)
{
	if (!p->copy_in)
		p->copy_stream = false;
	return push(p, PARSE | UNNAMED | (own ? OWN : 0));
}

bool
pipeline_is_at_tracked_query(const struct pipeline *p)
{
	return p->count > 0 && (entry(p, 0) & ~OWN) == (QUERY | TRACKED);
}

bool
pipeline_has_unnamed(const struct pipeline *p)
{
	uint32_t i;

	for (i = 0; i < p->count; i++)
		if ((entry(p, i) & UNNAMED) != 0)
			return true;
	return false;
}

bool
pipeline_refused_sent(struct pipeline *p, uint8_t type)
{
	if (!p->copy_in)
		p->copy_stream = false;
	return push(p, (frontend[type] & KIND) | TRACKED | REFUSED);
}

bool
pipeline_fake_sent(struct pipeline *p, uint8_t type)
{
	if (!push(p, (type == 'P' ? FAKE_PARSE : FAKE_CLOSE) | TRACKED))
		return false;
	p->news = p->news || p->count == 1;
	return true;
}

uint8_t
pipeline_take_fake(struct pipeline *p)
{
	uint32_t kind;

	if (p->count == 0 || p->failed)
		return 0;
	kind = entry(p, 0) & KIND;
	if ((BIT(kind) & FAKES) == 0)
		return 0;
	complete(p);
	return kind == FAKE_PARSE ? '1' : '3';
}

void
pipeline_abandon(struct pipeline *p)
{
	if (p->count == 0)
		return;
	p->abandoned = true;
	tidy(p);
}

/* What comes. */

static inline enum pipe_verdict
verdict_of(uint8_t e)
{
	return (e & OWN) != 0 ? PIPE_SWALLOW : PIPE_FORWARD;
}

/*
 * In doubt the queue may hold more than is owed, always at its front. So when
 * a message comes that the oldest entry cannot have caused, the first one
 * that can is the earliest place where the server can be, and what stands
 * before it will never be answered.
 */
static bool
realign(struct pipeline *p, uint32_t kinds)
{
	uint32_t i, to = find(p, kinds);

	if (!p->in_doubt || to == p->count)
		return false;
	for (i = 0; i < to && p->doubt > 0; i++)
		p->doubt -= (kind_bit(entry(p, i)) & OWES_READY) != 0;
	for (i = 0; i < to; i++)
		p->unsure = p->unsure || (entry(p, i) & TRACKED) != 0;
	drop(p, to);
	return true;
}

/* False when the message fits nothing that is owed. */
static inline bool
fits(struct pipeline *p, uint32_t kinds)
{
	if (UNLIKELY(p->count == 0 || p->failed))
		return false;
	return LIKELY((kind_bit(entry(p, 0)) & kinds) != 0) ||
	    realign(p, kinds);
}

static enum pipe_verdict
got_answer(struct pipeline *p, uint32_t kinds, uint32_t takes)
{
	uint8_t head;

	if (UNLIKELY(!fits(p, kinds)))
		return PIPE_BAD;
	head = entry(p, 0);
	/* What cannot succeed has. */
	if (UNLIKELY((head & REFUSED) != 0))
		return PIPE_BAD;
	if ((kind_bit(head) & takes) != 0) {
		/* Only what belongs to a batch is taken off by its answer. */
		p->open = true;
		complete(p);
	}
	return verdict_of(head);
}

/* The server has read the client's CopyDone, and so whatever was before it. */
static void
end_copy(struct pipeline *p)
{
	uint32_t syncs, i;
	uint32_t end = find_stream_end(p, &syncs);
	uint8_t head = entry(p, 0);

	p->copy_in = false;
	/* A walsender that shuts down completes without the client's end. */
	if (end == 0)
		return;
	for (i = 0; i < end; i++)
		lose(p);
	*slot(p, 0) = head;
	p->owed++;
}

static enum pipe_verdict
got_complete(struct pipeline *p, uint32_t kinds, uint32_t takes)
{
	if (UNLIKELY(!fits(p, kinds)))
		return PIPE_BAD;
	if (UNLIKELY(p->copy_in))
		end_copy(p);
	return got_answer(p, kinds, takes);
}

static enum pipe_verdict
got_copy_begins(struct pipeline *p, uint32_t kinds)
{
	uint32_t syncs;

	if (!fits(p, kinds) || p->copy_in)
		return PIPE_BAD;
	p->copy_in = true;
	p->copy_stream = find_stream_end(p, &syncs) == 0;
	return verdict_of(entry(p, 0));
}

static enum pipe_verdict
got_error(struct pipeline *p)
{
	uint8_t head;
	uint32_t syncs, sync;

	if (p->count == 0) {
		p->doomed = true;
		return PIPE_FORWARD;
	}
	head = entry(p, 0);
	if (p->copy_in) {
		find_stream_end(p, &syncs);
		p->doubt += syncs;
		p->in_doubt = p->in_doubt || syncs > 0;
		p->copy_in = false;
	}
	if ((head & OWN) != 0)
		p->own_error = true;
	if ((kind_bit(head) & EXTENDED) == 0)
		return (head & REFUSED) != 0 ? PIPE_REPLACE :
		    verdict_of(head);
	/* In doubt this may be another's error; see ready_entry(). */
	p->failed = !p->in_doubt;
	if ((head & REFUSED) != 0)
		return PIPE_REPLACE;
	/* The batch is whose Sync ends it. */
	sync = find(p, BIT(SYNC));
	return sync < p->count ? verdict_of(entry(p, sync)) : PIPE_FORWARD;
}

/*
 * The entry that a ReadyForQuery answers, or count. In doubt it is the first
 * that owes one, which is never too far: a Query behind an error stays, though
 * it may have been skipped, and then its Sync has nothing to come either.
 */
static uint32_t
ready_entry(struct pipeline *p)
{
	uint32_t i;

	if (LIKELY(!p->failed && !p->in_doubt))
		return (kind_bit(entry(p, 0)) & OWES_READY) != 0 ? 0 :
		    p->count;
	if (!p->in_doubt)
		return find(p, BIT(SYNC));
	i = find(p, OWES_READY);
	if (i > 0 && i < p->count && (entry(p, i) & KIND) != SYNC)
		p->doubt++;
	return i;
}

static enum pipe_verdict
got_ready(struct pipeline *p, uint8_t status)
{
	uint32_t last;
	uint8_t e;

	if (UNLIKELY(status != 'I' && status != 'T' && status != 'E'))
		return PIPE_BAD;
	if (UNLIKELY(p->count == 0)) {
		if (p->status != 0)
			return PIPE_BAD;
		p->status = status;
		return PIPE_SWALLOW;
	}
	last = ready_entry(p);
	if (UNLIKELY(last == p->count || p->copy_in))
		return PIPE_BAD;
	e = entry(p, last);
	p->failed = false;
	p->open = false;
	p->status = status;
	drop(p, last + 1);
	return verdict_of(e);
}

enum pipe_verdict
pipeline_got(struct pipeline *p, uint8_t type, uint8_t status)
{
	switch ((enum what)backend[type].what) {
	case ANSWER:
		return got_answer(p, backend[type].fits, backend[type].takes);
	case COMPLETE:
		return got_complete(p, backend[type].fits,
		    backend[type].takes);
	case READY:
		return got_ready(p, status);
	case ERROR:
		return got_error(p);
	case COPY_BEGINS:
		return got_copy_begins(p, backend[type].fits);
	case ASIDE:
		return pipeline_own_turn(p) ? PIPE_SWALLOW : PIPE_FORWARD;
	case ASYNC:
		return PIPE_FORWARD;
	case NONSENSE:
		return PIPE_BAD;
	}
	return PIPE_BAD;
}

/* Questions. */

bool
pipeline_is_settled(const struct pipeline *p)
{
	return p->count == 0 && !p->open && !p->copy_in && !p->copy_stream &&
	    !p->doomed;
}

bool
pipeline_is_idle(const struct pipeline *p)
{
	return p->status == 'I' && pipeline_is_settled(p);
}

bool
pipeline_is_doubtful(const struct pipeline *p)
{
	uint32_t i, ready = 0;

	if (!p->in_doubt || p->copy_in || p->open)
		return false;
	for (i = 0; i < p->count; i++) {
		if ((kind_bit(entry(p, i)) & OWES_READY) != 0)
			ready++;
	}
	return ready <= p->doubt;
}

bool
pipeline_wants_sync(const struct pipeline *p)
{
	uint32_t i;

	for (i = p->count; i > 0; i--) {
		uint32_t bit = kind_bit(entry(p, i - 1));

		if ((bit & NOT_SENT) == 0)
			return (bit & EXTENDED) != 0;
	}
	return p->open;
}

bool
pipeline_can_repeat(const struct pipeline *p, bool *synced)
{
	uint32_t i;

	*synced = p->count > 0 && entry(p, p->count - 1) == SYNC;
	if (p->count == 0 || p->status != 'I' || p->open || p->failed ||
	    p->copy_in || p->copy_stream || p->in_doubt || p->doomed ||
	    (entry(p, 0) != BIND && entry(p, 0) != DESCRIBE))
		return false;
	for (i = 0; i < p->count - *synced; i++)
		if ((kind_bit(entry(p, i)) & (EXTENDED | FAKES)) == 0)
			return false;
	return true;
}

bool
pipeline_repeat(struct pipeline *p)
{
	return unshift(p, PARSE | OWN | TRACKED) &&
	    unshift(p, CLOSE | OWN | TRACKED);
}

void
pipeline_each(const struct pipeline *p, void (*tell)(void *arg, uint8_t type),
    void *arg)
{
	static const uint8_t types[KIND + 1] = { [QUERY] = 'Q', [FUNCTION] = 'F',
		[EXECUTE] = 'E', [SYNC] = 'S', [MARK] = 0 };
	uint32_t i;

	for (i = 0; i < p->count; i++) {
		uint8_t e = entry(p, i);

		if ((e & OWN) == 0 && types[e & KIND] != 0)
			tell(arg, types[e & KIND]);
	}
}

bool
pipeline_own_turn(const struct pipeline *p)
{
	return p->count > 0 && (entry(p, 0) & OWN) != 0;
}

bool
pipeline_is_full(const struct pipeline *p)
{
	return p->count >= PIPELINE_FULL;
}
