/*
 * LDAP: a real slapd, by a simple bind and by search and bind, in plain, with
 * StartTLS and with ldaps; one that is down, slow or full.
 */
#include "fixture.h"
#include "raw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ldap_port, ldaps_port;
static pid_t slapd;

static const char tree[] =
    "dn: dc=example,dc=com\nobjectClass: dcObject\n"
    "objectClass: organization\ndc: example\no: x\n\n"
    "dn: uid=scrammer,dc=example,dc=com\nobjectClass: inetOrgPerson\n"
    "uid: scrammer\ncn: S\nsn: S\nmail: s@example.com\n"
    "userPassword: scrammer-pw\n\n"
    "dn: uid=alice,dc=example,dc=com\nobjectClass: inetOrgPerson\n"
    "uid: alice\ncn: A\nsn: A\nuserPassword: alice-pw\n\n"
    "dn: cn=twin1,dc=example,dc=com\nobjectClass: inetOrgPerson\n"
    "uid: twin\ncn: twin1\nsn: T\nuserPassword: pw\n\n"
    "dn: cn=twin2,dc=example,dc=com\nobjectClass: inetOrgPerson\n"
    "uid: twin\ncn: twin2\nsn: T\nuserPassword: pw\n";

static void
stop_slapd(void)
{
	if (slapd > 0)
		kill(slapd, SIGKILL);
}

static bool
answers(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool ok = connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;

	close(fd);
	return ok;
}

/* A directory, its certificate and its data; then the server, and a pooler
 * with the environment that libldap looks at. */
static void
start_slapd(void)
{
	char dir[200], text[2000], path[300], urls[200], log[300];
	char *argv[] = { (char *)"/usr/sbin/slapd", (char *)"-f", path,
		(char *)"-h", urls, (char *)"-d", (char *)"0", NULL };

	if (access(argv[0], X_OK) != 0) {
		fprintf(stderr, "skipped: there is no slapd\n");
		_exit(0);
	}
	snprintf(dir, sizeof(dir), "%s/ldap-%d", fx_dir(), (int)getpid());
	ck_assert_int_eq(fx_shell(NULL,
	    "mkdir -p %s/db && cd %s && openssl req -x509 -newkey rsa:2048 "
	    "-nodes -keyout key -out cert -days 2 -subj /CN=127.0.0.1 "
	    "-addext subjectAltName=IP:127.0.0.1 2>/dev/null && "
	    "chmod 755 . && chmod 644 cert",
	    dir, dir), 0);
	snprintf(path, sizeof(path), "%s/tree", dir);
	fx_write_file(path, tree);
	snprintf(path, sizeof(path), "%s/conf", dir);
	snprintf(text, sizeof(text),
	    "include /etc/ldap/schema/core.schema\n"
	    "include /etc/ldap/schema/cosine.schema\n"
	    "include /etc/ldap/schema/inetorgperson.schema\n"
	    "modulepath /usr/lib/ldap\nmoduleload back_mdb\n"
	    "pidfile %s/pid\nTLSCertificateFile %s/cert\n"
	    "TLSCertificateKeyFile %s/key\n"
	    "database mdb\nmaxsize 10485760\nsuffix \"dc=example,dc=com\"\n"
	    "rootdn \"cn=admin,dc=example,dc=com\"\nrootpw admin-pw\n"
	    "directory %s/db\n"
	    "access to attrs=userPassword by * auth\n"
	    "access to * by dn=\"uid=alice,dc=example,dc=com\" read "
	    "by anonymous auth\n",
	    dir, dir, dir, dir);
	fx_write_file(path, text);
	ck_assert_int_eq(fx_shell(NULL, "/usr/sbin/slapadd -f %s -l %s/tree "
	    ">%s/add.log 2>&1", path, dir, dir), 0);
	ldap_port = fx_free_port();
	ldaps_port = fx_free_port();
	snprintf(urls, sizeof(urls), "ldap://127.0.0.1:%d/ "
	    "ldaps://127.0.0.1:%d/", ldap_port, ldaps_port);
	snprintf(log, sizeof(log), "%s/log", dir);
	slapd = fx_spawn(log, false, argv);
	atexit(stop_slapd);
	WAIT_UNTIL(answers(ldap_port) && answers(ldaps_port), 20000);
	snprintf(text, sizeof(text), "%s/cert", dir);
	setenv("LDAPTLS_CACERT", text, 1);
}

static struct pooler *
start_with(const char *options)
{
	return pooler_start("auth_type = ldap\nauth_ldap_options = %s\n",
	    options);
}

static void
gets_in(const char *user, const char *password)
{
	PGconn *c = client_open("user=%s password=%s", user, password);

	ck_assert_str_eq(sql_text(c, "SELECT current_user"), user);
	PQfinish(c);
}

static void
is_refused(const char *user, const char *password)
{
	PGconn *c = client_try("user='%s' password='%s'", user, password);
	const char *said = strstr(PQerrorMessage(c), "FATAL:  ");

	ck_assert_msg(PQstatus(c) == CONNECTION_BAD, "%s got in", user);
	ck_assert_msg(said != NULL, "%s: %s", user, PQerrorMessage(c));
	ck_assert_str_eq(said + 8, "LDAP authentication failed\n");
	PQfinish(c);
}

/* Each way to ask, with what is needed for it. */
static const struct {
	const char *options; /* %1$d: port, %2$d: port of ldaps */
} ways[] = {
	{ "ldapserver=127.0.0.1 ldapport=%1$d ldapprefix=\"uid=\" "
	  "ldapsuffix=\",dc=example,dc=com\"" },
	{ "ldapserver=127.0.0.1 ldapport=%1$d ldaptls=1 ldapprefix=\"uid=\" "
	  "ldapsuffix=\",dc=example,dc=com\"" },
	{ "ldapserver=127.0.0.1 ldapport=%2$d ldapscheme=ldaps "
	  "ldapprefix=\"uid=\" ldapsuffix=\",dc=example,dc=com\"" },
	/* The first server is down. */
	{ "ldapserver=\"127.0.0.2 127.0.0.1\" ldapport=%1$d "
	  "ldapprefix=\"uid=\" ldapsuffix=\",dc=example,dc=com\"" },
	{ "ldapserver=127.0.0.1 ldapport=%1$d "
	  "ldapbasedn=\"dc=example,dc=com\" "
	  "ldapbinddn=\"uid=alice,dc=example,dc=com\" "
	  "ldapbindpasswd=alice-pw" },
	{ "ldapserver=127.0.0.1 ldapport=%1$d "
	  "ldapbasedn=\"dc=example,dc=com\" "
	  "ldapbinddn=\"cn=admin,dc=example,dc=com\" ldapbindpasswd=admin-pw "
	  "ldapsearchfilter=\"(|(uid=$username)(mail=$username@x))\"" },
	{ "ldapurl=\"ldap://127.0.0.1:%1$d/dc=example,dc=com?uid?sub\" "
	  "ldapbinddn=\"cn=admin,dc=example,dc=com\" "
	  "ldapbindpasswd=admin-pw ldaptls=1" },
	{ "ldapurl=\"ldaps://127.0.0.1:%2$d/dc=example,dc=com?uid?one\" "
	  "ldapbinddn=\"cn=admin,dc=example,dc=com\" "
	  "ldapbindpasswd=admin-pw" },
};
#define N_WAYS ((int)(sizeof(ways) / sizeof(ways[0])))

static void
fill(const char *format, char out[600])
{
	const char *p;
	size_t n = 0;

	for (p = format; *p; p++)
		if (strncmp(p, "%1$d", 4) == 0 || strncmp(p, "%2$d", 4) == 0) {
			n += (size_t)snprintf(out + n, 600 - n, "%d",
			    p[1] == '1' ? ldap_port : ldaps_port);
			p += 3;
		} else {
			out[n++] = *p;
		}
	out[n] = '\0';
}

START_TEST (every_way_lets_in_who_has_the_password) {
	char options[600];
	struct pooler *p;

	start_slapd();
	fill(ways[_i].options, options);
	p = start_with(options);
	gets_in("alice", "alice-pw");
	/* The server wants it too, by SCRAM. */
	gets_in("scrammer", "scrammer-pw");
	is_refused("alice", "scrammer-pw");
	is_refused("alice", "ALICE-PW");
	is_refused("ghost", "alice-pw");
	WAIT_UNTIL(pooler_logged(p, "LDAP "), 3000);
	ck_assert(!pooler_logged(p, "alice-pw"));
	ck_assert(!pooler_logged(p, "admin-pw"));
}
END_TEST

START_TEST (searches_that_do_not_give_one_entry) {
	char options[600];
	struct pooler *p;

	start_slapd();
	fill(ways[5].options, options);
	p = start_with(options);
	is_refused("twin", "pw");
	WAIT_UNTIL(pooler_logged(p, "2 entries instead of one"), 3000);
	is_refused("a*", "alice-pw");
	is_refused("alice)(uid=*", "alice-pw");
	is_refused("\\\\2a", "alice-pw");
	WAIT_UNTIL(pooler_logged(p, "not allowed there"), 3000);
}
END_TEST

START_TEST (a_wrong_bind_password_lets_nobody_in) {
	char options[600];
	struct pooler *p;

	start_slapd();
	fill("ldapserver=127.0.0.1 ldapport=%1$d "
	     "ldapbasedn=\"dc=example,dc=com\" "
	     "ldapbinddn=\"cn=admin,dc=example,dc=com\" "
	     "ldapbindpasswd=sesame", options);
	p = start_with(options);
	is_refused("alice", "alice-pw");
	WAIT_UNTIL(pooler_logged(p, "LDAP bind for the search: Invalid "
				    "credentials"), 3000);
	ck_assert(!pooler_logged(p, "sesame"));
}
END_TEST

START_TEST (an_empty_password_is_no_anonymous_bind) {
	char options[600];
	struct pkt k = { 0 };
	struct pooler *p;
	struct raw *r;
	struct msg m;

	start_slapd();
	fill(ways[0].options, options);
	p = start_with(options);
	r = raw_connect(p->port);
	pkt_startup(&k, "alice", "app");
	raw_put(r, &k);
	ck_assert_int_eq(raw_next(r, 5000).type, 'R');
	pkt_password(&k, "");
	raw_put(r, &k);
	m = raw_next(r, 5000);
	ck_assert_str_eq(msg_field(&m, 'M'),
	    "empty password returned by client");
	raw_close(r);
}
END_TEST

START_TEST (a_certificate_of_a_stranger_is_refused) {
	char options[600];
	struct pooler *p;

	start_slapd();
	unsetenv("LDAPTLS_CACERT");
	fill(ways[_i == 0 ? 1 : 2].options, options);
	p = start_with(options);
	is_refused("alice", "alice-pw");
	WAIT_UNTIL(pooler_logged(p, _i == 0 ? "LDAP StartTLS" : "LDAP bind"),
	    3000);
}
END_TEST

START_TEST (a_server_that_is_down_is_told_in_the_log_alone) {
	char options[600];
	struct pooler *p;

	ldap_port = fx_free_port();
	fill(ways[0].options, options);
	p = start_with(options);
	is_refused("alice", "alice-pw");
	WAIT_UNTIL(pooler_logged(p, "Can't contact LDAP server"), 3000);
}
END_TEST

/* One that takes connections and says nothing. */
START_TEST (a_silent_server_holds_up_nobody_else) {
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char options[600], path[300], line[700];
	PGconn *c, *slow;
	struct pooler *p;
	int64_t from;

	ldap_port = fx_free_port();
	sin.sin_port = htons((uint16_t)ldap_port);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(fd, 50), 0);
	fill(ways[0].options, options);
	p = pooler_prepare("auth_type = hba\nauth_hba_file = @DIR@/hba\n"
			   "auth_file = @DIR@/users\nworker_threads = 1\n");
	snprintf(path, sizeof(path), "%s/users", p->dir);
	fx_write_file(path, "\"bob\" \"\"\n\"admin\" \"admin-pw\"\n");
	snprintf(path, sizeof(path), "%s/hba", p->dir);
	snprintf(line, sizeof(line), "host all bob 127.0.0.1/32 trust\n"
				     "host all all 127.0.0.1/32 ldap %s\n",
	    options);
	fx_write_file(path, line);
	pooler_launch(p);
	slow = client_start("user=alice password=alice-pw");
	from = fx_now_ms();
	(void)client_poll(slow, 200);
	c = client_open("user=bob");
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(sql_int(c, "SELECT 1"), 1);
	while (client_poll(slow, 15000) != PGRES_POLLING_FAILED)
		ck_assert_int_ne(PQstatus(slow), CONNECTION_OK);
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(slow),
	    "LDAP authentication failed"));
	ck_assert_int_lt(fx_now_ms() - from, fx_scaled(12000));
	PQfinish(slow);
	PQfinish(c);
	close(fd);
}
END_TEST

START_TEST (options_that_are_not_right_refuse_the_configuration) {
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "auth_type = ldap\n", "auth_ldap_options is null" },
		{ "auth_type = ldap\nauth_ldap_options = ldapsrv=x\n",
		    "unknown option \"ldapsrv\"" },
		{ "auth_type = ldap\nauth_ldap_options = ldapserver=x "
		  "ldapbasedn=y ldapprefix=z\n", "do not go with a search" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pooler *p = pooler_prepare("%s", cases[i].text);
		char *said;

		ck_assert_int_ne(fx_shell(&said, "%s --check %s", pooler_bin(),
		    p->ini), 0);
		ck_assert_msg(strstr(said, cases[i].said) != NULL, "%s", said);
	}
}
END_TEST

START_TEST (the_bind_password_is_never_shown) {
	char *text;
	PGresult *r;

	start_with("ldapserver=127.0.0.1 ldapbasedn=x ldapbindpasswd=sesame");
	pooler_rewrite(pooler_current(), "auth_type = trust\n"
	    "auth_ldap_options = ldapserver=127.0.0.1 ldapbasedn=x "
	    "ldapbindpasswd=sesame\n");
	pooler_stop(pooler_current());
	pooler_launch(pooler_current());
	r = console_query("SHOW CONFIG");
	for (int i = 0; i < PQntuples(r); i++)
		ck_assert_ptr_null(strstr(PQgetvalue(r, i, 1), "sesame"));
	PQclear(r);
	ck_assert_int_eq(fx_shell(&text, "%s --print-config %s", pooler_bin(),
	    pooler_current()->ini), 0);
	ck_assert_ptr_null(strstr(text, "sesame"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ldap");

	FX_ADD_LOOP(s, every_way_lets_in_who_has_the_password, 60, N_WAYS);
	FX_ADD(s, searches_that_do_not_give_one_entry, 60);
	FX_ADD(s, a_wrong_bind_password_lets_nobody_in, 60);
	FX_ADD(s, an_empty_password_is_no_anonymous_bind, 60);
	FX_ADD_LOOP(s, a_certificate_of_a_stranger_is_refused, 60, 2);
	FX_ADD(s, a_server_that_is_down_is_told_in_the_log_alone, 60);
	FX_ADD(s, a_silent_server_holds_up_nobody_else, 60);
	FX_ADD(s, options_that_are_not_right_refuse_the_configuration, 30);
	FX_ADD(s, the_bind_password_is_never_shown, 30);
	return fx_main(s);
}
