/* Certificates for tests. */
#include "tls_certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "fixture.h"

static const char *const script =
    "set -e; umask 022; mkdir -p '%s'; cd '%s'\n"
    "key() { openssl genpkey -algorithm EC -pkeyopt "
    "ec_paramgen_curve:P-256 -out $1.key; chmod 644 $1.key; }\n"
    "ca() { key $1; openssl req -x509 -new -key $1.key -subj /CN=$1 "
    "-days 3 -out $1.crt; }\n"
    /* name authority subject days extensions */
    "cert() { key $1; printf \"$5\" >$1.ext; "
    "openssl req -new -key $1.key -subj \"$3\" | openssl x509 -req "
    "-CA $2.crt -CAkey $2.key -CAcreateserial -days $4 -extfile $1.ext "
    "-out $1.crt; }\n"
    "none='basicConstraints=CA:FALSE\\n'\n"
    "inner='basicConstraints=critical,CA:TRUE\\n'\n"
    "ca ca; ca other\n"
    "cert server ca /CN=localhost 3 "
    "'subjectAltName=DNS:localhost,IP:127.0.0.1\\n'\n"
    "cert wrong ca /CN=elsewhere 3 'subjectAltName=DNS:elsewhere\\n'\n"
    "cert alice ca /CN=alice 3 \"$none\"\n"
    "cert bob ca /CN=bob 3 \"$none\"\n"
    "cert stale ca /CN=alice -1 \"$none\"\n"
    "cert gone ca /CN=alice 3 \"$none\"\n"
    "cert foreign other /CN=alice 3 \"$none\"\n"
    "up=ca; chain=\n"
    "for i in $(seq 50); do cert in$i $up /CN=in$i 3 \"$inner\"; up=in$i; "
    "chain=\"in$i.crt $chain\"; done\n"
    "cert long $up /CN=alice 3 \"$none\"; cat $chain >>long.crt\n"
    "touch index.txt; echo 01 >crlnumber\n"
    "printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\n"
    "crlnumber=crlnumber\\ndefault_md=sha256\\ndefault_crl_days=3\\n' "
    ">ca.cnf\n"
    "openssl ca -config ca.cnf -cert ca.crt -keyfile ca.key -revoke "
    "gone.crt\n"
    "openssl ca -config ca.cnf -cert ca.crt -keyfile ca.key -gencrl "
    "-out ca.crl\n"
    "cp server.key pg.key; chmod 600 pg.key alice.key bob.key stale.key "
    "gone.key foreign.key long.key\n"
    "[ $(id -u) != 0 ] || chown nobody pg.key\n"
    "touch done\n";

static FILE *
file_of(const char *name, const char *mode)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/tls/%s", fx_dir(), name);
	f = fopen(path, mode);
	ck_assert_msg(f != NULL, "%s", path);
	return f;
}

/* No program makes such a name by accident. */
static void
make_nul(void)
{
	static const unsigned char name[] = "alice\0.evil";
	FILE *f = file_of("ca.key", "r");
	EVP_PKEY *ca_key = PEM_read_PrivateKey(f, NULL, NULL, NULL), *key;
	X509 *ca, *cert = X509_new();

	fclose(f);
	f = file_of("ca.crt", "r");
	ca = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	key = EVP_EC_gen("P-256");
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 4711);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName,
	    V_ASN1_UTF8STRING, (unsigned char *)(uintptr_t)name,
	    sizeof(name) - 1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(ca));
	ck_assert_int_gt(X509_sign(cert, ca_key, EVP_sha256()), 0);
	f = file_of("nul.crt", "w");
	PEM_write_X509(f, cert);
	fclose(f);
	f = file_of("nul.key", "w");
	fchmod(fileno(f), 0600);
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
}

void
certs_make(void)
{
	char dir[300], path[320], *out;

	snprintf(dir, sizeof(dir), "%s/tls", fx_dir());
	snprintf(path, sizeof(path), "%s/done", dir);
	if (access(path, F_OK) == 0)
		return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	ck_assert_msg(fx_shell(&out, script, dir, dir) == 0, "%s", out);
#pragma GCC diagnostic pop
	free(out);
	make_nul();
}

void
certs_postgres(bool on)
{
	const char *word = on ? "on" : "off";

	pg_exec("ALTER SYSTEM SET ssl_cert_file = '%s/tls/server.crt'",
	    fx_dir());
	pg_exec("ALTER SYSTEM SET ssl_key_file = '%s/tls/pg.key'", fx_dir());
	pg_exec("ALTER SYSTEM SET ssl_ca_file = '%s/tls/ca.crt'", fx_dir());
	pg_exec("ALTER SYSTEM SET ssl = %s", word);
	pg_exec("SELECT pg_reload_conf()");
	WAIT_UNTIL(strcmp(pg_text("SHOW ssl"), word) == 0, 10000);
}
