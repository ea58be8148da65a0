/*
 * Servers that misbehave in login: whatever they say or leave unsaid, the
 * waiting client gets an error in bounded time, and the others go on.
 */
#include "fakepg.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pooler *
start_with(struct fakepg *f, const char *settings)
{
	return pooler_start("server_down_after = 0.5\nclient_gone_grace = 0.1\n"
			    "server_login_retry = 0.1\n%s[databases]\n"
			    "bad = host=127.0.0.1 port=%d pool_size=1\n"
			    "app = host=127.0.0.1 port=@PGPORT@\n",
	    settings, fakepg_port(f));
}

static void
others_go_on(void)
{
	PGconn *c = client_open(" ");

	ck_assert_int_eq(sql_int(c, "SELECT 4711"), 4711);
	PQfinish(c);
}

/* --- login --- */

enum login_fault {
	CLOSE_AT_ONCE,
	CLOSE_AFTER_STARTUP,
	CLOSE_AFTER_AUTH,
	CLOSE_AFTER_STATUS,
	CLOSE_BEFORE_READY,
	NONSENSE,
	LENGTH_ZERO,
	LENGTH_HUGE,
	LENGTH_NEGATIVE,
	AUTH_UNKNOWN,
	AUTH_TRUNCATED,
	MD5_SHORT_SALT,
	SASL_NO_MECHANISM,
	SASL_UNKNOWN_MECHANISM,
	SASL_OUT_OF_TURN,
	SASL_WRONG_NONCE,
	SASL_NO_ITERATIONS,
	SASL_ENDLESS_ITERATIONS,
	ERROR_WITHOUT_FIELDS,
	ERROR_WITHOUT_END,
	STATUS_WITHOUT_END,
	STATUS_OF_20_MB,
	KEY_TOO_SHORT,
	UNKNOWN_TYPE,
	ROW_IN_LOGIN,
	SSL_NONSENSE,
	READY_WITH_NO_STATUS,
	N_LOGIN_FAULTS
};

static void
put_message(struct pkt *k, char type, const void *body, size_t n)
{
	pkt_begin(k, type);
	pkt_raw(k, body, n);
	pkt_end(k);
}

static void
put_sasl(struct pkt *k, uint32_t kind, const char *text, bool as_list)
{
	pkt_begin(k, 'R');
	pkt_i32(k, kind);
	pkt_raw(k, text, strlen(text));
	if (as_list && text[0] != '\0')
		pkt_u8(k, 0);
	if (as_list)
		pkt_u8(k, 0);
	pkt_end(k);
}

/* A SCRAM server-first message whose nonce may begin with the client's. */
static void
sasl_first(struct fake_conn *c, bool keep_nonce, const char *rest)
{
	struct pkt k = { 0 };
	char text[400], nonce[200] = "";
	const char *at;

	put_sasl(&k, 10, "SCRAM-SHA-256", true);
	if (!fake_send(c, &k) || fake_read(c) != 'p')
		return;
	at = memmem(c->body, c->n, ",r=", 3);
	if (at != NULL && keep_nonce)
		snprintf(nonce, sizeof(nonce), "%.*s",
		    (int)(c->n - (size_t)(at + 3 - (char *)c->body)), at + 3);
	snprintf(text, sizeof(text), "r=%sSERVERNONCE%s", nonce, rest);
	put_sasl(&k, 11, text, false);
	fake_send(c, &k);
	fake_linger(c);
}

static void
put_half_login(struct pkt *k, enum login_fault fault)
{
	fake_put_auth(k, 0);
	if (fault == CLOSE_AFTER_AUTH)
		return;
	fake_put_status(k, "server_version", "15.0");
	if (fault == CLOSE_AFTER_STATUS)
		return;
	put_message(k, 'K', "\0\0\0\1\0\0\0\2", 8);
}

static void
put_fault(struct pkt *k, enum login_fault fault)
{
	static const char big[20 << 20] = "x";

	switch (fault) {
	case CLOSE_AFTER_AUTH:
	case CLOSE_AFTER_STATUS:
	case CLOSE_BEFORE_READY:
		put_half_login(k, fault);
		break;
	case NONSENSE:
		pkt_raw(k, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
		break;
	case LENGTH_ZERO:
		pkt_raw(k, "R\0\0\0\0", 5);
		break;
	case LENGTH_HUGE:
		pkt_raw(k, "R\x7f\xff\xff\xff", 5);
		break;
	case LENGTH_NEGATIVE:
		pkt_raw(k, "R\xff\xff\xff\xf0", 5);
		break;
	case AUTH_UNKNOWN:
		fake_put_auth(k, 99);
		break;
	case AUTH_TRUNCATED:
		put_message(k, 'R', "\0\0", 2);
		break;
	case MD5_SHORT_SALT:
		put_message(k, 'R', "\0\0\0\5ab", 6);
		break;
	case SASL_NO_MECHANISM:
		put_sasl(k, 10, "", true);
		break;
	case SASL_UNKNOWN_MECHANISM:
		put_sasl(k, 10, "SCRAM-MD4", true);
		break;
	case SASL_OUT_OF_TURN:
		put_sasl(k, 12, "v=AAAA", false);
		break;
	case ERROR_WITHOUT_FIELDS:
		put_message(k, 'E', "", 1);
		break;
	case ERROR_WITHOUT_END:
		put_message(k, 'E', "SFATAL\0Mwithout end", 19);
		break;
	case STATUS_WITHOUT_END:
		fake_put_auth(k, 0);
		put_message(k, 'S', "name", 4);
		break;
	case STATUS_OF_20_MB:
		fake_put_auth(k, 0);
		put_message(k, 'S', big, sizeof(big));
		break;
	case KEY_TOO_SHORT:
		fake_put_auth(k, 0);
		put_message(k, 'K', "\0\0", 2);
		fake_put_ready(k, 'I');
		break;
	case UNKNOWN_TYPE:
		fake_put_auth(k, 0);
		put_message(k, '?', "abc", 3);
		break;
	case ROW_IN_LOGIN:
		fake_put_auth(k, 0);
		fake_put_answer(k, "nobody asked");
		break;
	case READY_WITH_NO_STATUS:
		fake_put_auth(k, 0);
		put_message(k, 'Z', "", 0);
		break;
	case CLOSE_AT_ONCE:
	case CLOSE_AFTER_STARTUP:
	case SASL_WRONG_NONCE:
	case SASL_NO_ITERATIONS:
	case SASL_ENDLESS_ITERATIONS:
	case SSL_NONSENSE:
	case N_LOGIN_FAULTS:
		break;
	}
}

static void
serve_login_fault(struct fake_conn *c, void *arg)
{
	enum login_fault fault = *(enum login_fault *)arg;
	struct pkt k = { 0 };

	if (fault == CLOSE_AT_ONCE)
		return;
	if (fault == SSL_NONSENSE) {
		fake_bytes(c, "XYZZY", 5);
		fake_linger(c);
		return;
	}
	if (!fake_startup(c) || fault == CLOSE_AFTER_STARTUP)
		return;
	if (fault == SASL_WRONG_NONCE) {
		sasl_first(c, false, ",s=QSXCR+Q6sek8bf92,i=4096");
	} else if (fault == SASL_NO_ITERATIONS) {
		sasl_first(c, true, ",s=QSXCR+Q6sek8bf92,i=0");
	} else if (fault == SASL_ENDLESS_ITERATIONS) {
		sasl_first(c, true, ",s=QSXCR+Q6sek8bf92,i=2000000000");
	} else {
		put_fault(&k, fault);
		fake_send(c, &k);
		if (fault > CLOSE_BEFORE_READY)
			fake_linger(c);
	}
}

START_TEST (server_that_misbehaves_in_login) {
	enum login_fault fault = (enum login_fault)_i;
	struct fakepg *f = fakepg_start(serve_login_fault, &fault);
	struct pooler *p = start_with(f, "server_connect_timeout = 1\n");
	struct raw *r = raw_connect(p->port);
	struct pkt k = { 0 };
	struct msg m;

	pkt_startup(&k, "scrammer", "bad");
	raw_put(r, &k);
	m = raw_next(r, 8000);
	ck_assert_msg(m.type == 'E', "fault %d: '%c' instead of an error", _i,
	    m.type ? m.type : '0');
	ck_assert_str_ne(msg_field(&m, 'M'), "");
	ck_assert_int_eq((int)strlen(msg_field(&m, 'C')), 5);
	raw_close(r);
	others_go_on();
	ck_assert_int_ge(fakepg_accepted(f), 1);
	if (!fx_sanitized())
		ck_assert_int_lt(pooler_peak_kb(p), 60000);
	fakepg_stop(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("badlogin");

	FX_ADD_LOOP(s, server_that_misbehaves_in_login, 30, N_LOGIN_FAULTS);
	return fx_main(s);
}
