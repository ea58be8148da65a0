/*
 * What the files of config share: the whole of a snapshot, and the workshop
 * in which one is made.
 */
#ifndef POLICY_CONFIG_IMPL_H
#define POLICY_CONFIG_IMPL_H

#include <stdatomic.h>

#include "base/arena.h"
#include "policy/config.h"
#include "policy/ident.h"
#include "policy/userlist.h"

/* So that the sum of two limits still fits an int. */
#define COUNT_MAX 1000000000
#define CORES_MAX 100000
#define SECONDS_MAX 1000000000

extern const struct option_word pool_mode_words[];
extern const struct option_word session_state_words[];
extern const struct option_word auth_type_words[];

const struct option *config_line_options(enum option_scope s, size_t *n);

/* A comma list as a set of names. */
struct name_set {
	const char **names;
	size_t n;
};

struct config_impl {
	struct config pub; /* first: the two are cast */
	atomic_uint refs;
	void (*tls_unref)(struct tls_set *set);
	struct arena *arena;
	/* The snapshot whose memory this one uses too, if it came from
	 * config_with(); never one that has an origin itself. */
	struct config_impl *origin;
	int machine_cores;
	const char *last_reason; /* the size_reason made last, or NULL */
	const struct userlist_entry *secrets; /* by name; pub.n_secrets */
	struct name_set admins, stats;
	struct net *proxies; /* proxy_protocol_networks */
	size_t n_proxies;
	/* What pub.hba looks names up in; the origin's alone to free. */
	struct ident *ident;
};

static inline struct config_impl *
impl(struct config *c)
{
	return (struct config_impl *)(void *)c;
}

static inline const struct config_impl *
cimpl(const struct config *c)
{
	return (const struct config_impl *)(const void *)c;
}

struct place {
	const char *file; /* NULL: nowhere, the default counts */
	int line;
};

enum section {
	SECTION_NONE,
	SECTION_POOLER,
	SECTION_DATABASES,
	SECTION_USERS,
	SECTION_PEERS,
	SECTION_UNKNOWN, /* told once; its keys are skipped */
};

/* Pointers in the order of their lines; sorted at the end. */
struct line_list {
	void **items;
	size_t n, cap;
};

/* The workshop: lives while one snapshot is being made. */
struct builder {
	const struct config_input *in;
	struct config_report *rep;
	struct config_impl *c;
	struct place *where; /* one for each row of SCOPE_GLOBAL */
	bool saw_pooler, saw_pgbouncer;
	enum section section;
	struct line_list databases, users, peers;
	struct place here; /* of the line being read */
	int files, depth;
};

void builder_init(struct builder *b, const struct config_input *in,
    struct config_report *rep);
/* Ends the work: the snapshot, or NULL if there was an error. */
struct config *builder_finish(struct builder *b);
/* Sets one key of [pooler] at b->here. */
bool builder_set(struct builder *b, struct span key, struct span value);
/* Where that key of [pooler] was set. */
const struct place *builder_where(const struct builder *b, const char *key);
/* A new line of [databases] with nothing in it yet; NULL if the name will
 * not do. */
struct database_conf *builder_database(struct builder *b, struct span name);
/* Sets one key of a line. */
bool builder_set_in_line(struct builder *b, enum option_scope s, void *line,
    struct span key, struct span value);

/* The whole file; one that cannot be read is told at b->here. */
bool builder_read_file(struct builder *b, const char *path, struct buf *text);

/* Adds a copy of e at b->here. Always false. */
bool builder_error(struct builder *b, struct err *e);
void report_error(struct config_report *r, const struct err *e);
/* place: NULL or with file NULL for a line that stands nowhere. */
void report_warning(struct config_report *r, const struct place *place,
    const char *fmt, ...) PRINTF(3, 4);

/* config_hba.c: rules and maps, for auth_type hba. */
void config_read_hba(struct builder *b);
/* A method that config_load() refuses as yet. */
bool config_method_is_later(enum hba_method m);

/* config_net.c */
bool config_check_nets(const struct config *c, struct err *e);
void config_make_nets(struct config_impl *c);

/* config_size.c and config_finish.c: what follows from the keys. The first
 * two also after SET. */
void config_resolve(struct config_impl *c);
void config_make_sets(struct config_impl *c);
bool config_size_is_guess(const struct config *c,
    const struct database_conf *d);
void config_sort_lines(struct builder *b);
void config_check(struct builder *b);
void config_warn(struct builder *b);
void config_keep_running(struct builder *b);
bool config_check_values(const struct config *c, struct err *e);

#endif
