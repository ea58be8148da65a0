/* What stands in the files of a TLS context. */
#include "tls_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/log.h"

/* Revocation lists of public authorities are large; nothing else is. */
#define FILE_MAX ((size_t)64 << 20)
#define READ_STEP ((size_t)64 << 10)
/* An end that is near is told at each load. */
#define WARN_DAYS 14

static bool
is_set(const char *text)
{
	return text && text[0];
}

static bool
complain(struct err *e, const struct tls_settings *s, const char *key,
    const char *path, const char *what)
{
	return err_set(e, "F0000", "%s%s \"%s\": %s", s->prefix, key, path,
	    what);
}

/* ---- reading ---- */

static bool
read_all(int fd, struct buf *out)
{
	ssize_t n;

	do {
		n = read(fd, buf_reserve(out, READ_STEP), READ_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		out->end += (size_t)n;
		if (buf_len(out) > FILE_MAX) {
			errno = EFBIG;
			return false;
		}
	} while (n != 0);
	return true;
}

static bool
read_file(struct buf *out, const struct tls_settings *s, const char *key,
    const char *path, struct err *e)
{
	int fd, err;
	bool ok;

	if (!is_set(path))
		return true;
	/* O_NONBLOCK: a FIFO must not stop the process. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return complain(e, s, key, path, strerror(errno));
	ok = read_all(fd, out);
	err = errno;
	close(fd);
	return ok || complain(e, s, key, path, strerror(err));
}

/* A key that every user of the machine can read is no secret. */
static void
warn_readable(const struct tls_settings *s)
{
	struct stat st;

	if (stat(s->key_file, &st) == 0 && (st.st_mode & (S_IROTH | S_IWOTH)))
		log_warn("%skey_file \"%s\" can be read by every user of this "
		    "machine", s->prefix, s->key_file);
}

bool
tls_files_read(struct tls_files *f, const struct tls_settings *s,
    struct err *e)
{
	bool ok;

	memset(f, 0, sizeof(*f));
	ok = read_file(&f->cert, s, "cert_file", s->cert_file, e) &&
	    read_file(&f->key, s, "key_file", s->key_file, e) &&
	    read_file(&f->ca, s, "ca_file", s->ca_file, e) &&
	    read_file(&f->crl, s, "crl_file", s->crl_file, e) &&
	    read_file(&f->ticket, s, "ticket_file", s->ticket_file, e);
	if (ok && is_set(s->key_file))
		warn_readable(s);
	return ok;
}

void
tls_files_free(struct tls_files *f)
{
	buf_free(&f->cert);
	buf_wipe_free(&f->key);
	buf_free(&f->ca);
	buf_free(&f->crl);
	buf_wipe_free(&f->ticket);
}

static BIO *
over(const struct buf *b)
{
	return BIO_new_mem_buf(buf_len(b) ? (const void *)buf_head(b) : "",
	    (int)buf_len(b));
}

/* ---- our certificate and key ---- */

static void
warn_end(const struct tls_settings *s, const X509 *cert)
{
	const ASN1_TIME *end = X509_get0_notAfter(cert);
	int days = 0, seconds = 0;

	if (!ASN1_TIME_diff(&days, &seconds, NULL, end))
		return;
	if (days < 0 || seconds < 0)
		log_warn("%scert_file \"%s\": the certificate has expired",
		    s->prefix, s->cert_file);
	else if (days < WARN_DAYS)
		log_warn("%scert_file \"%s\": the certificate expires in "
		    "%d days", s->prefix, s->cert_file, days);
}

/* The first certificate is ours, the others lead to an authority. */
static bool
load_chain(SSL_CTX *ssl, const struct tls_settings *s, BIO *in, struct err *e)
{
	X509 *cert = PEM_read_bio_X509_AUX(in, NULL, NULL, NULL);
	bool ok;

	if (!cert)
		return complain(e, s, "cert_file", s->cert_file,
		    "it holds no certificate");
	warn_end(s, cert);
	ok = SSL_CTX_use_certificate(ssl, cert) == 1;
	X509_free(cert);
	if (!ok)
		return complain(e, s, "cert_file", s->cert_file, tls_reason());
	while ((cert = PEM_read_bio_X509(in, NULL, NULL, NULL)))
		if (SSL_CTX_add0_chain_cert(ssl, cert) != 1) {
			X509_free(cert);
			return complain(e, s, "cert_file", s->cert_file,
			    tls_reason());
		}
	ERR_clear_error(); /* the end of the file */
	return true;
}

/* Nobody sits at a terminal to type one in. */
static int
no_passphrase(char *out, int cap, int writing, void *asked)
{
	(void)out;
	(void)cap;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static bool
load_key(SSL_CTX *ssl, const struct tls_settings *s, BIO *in, struct err *e)
{
	bool asked = false, ok;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase,
	    &asked);

	if (!key && asked) {
		complain(e, s, "key_file", s->key_file,
		    "the key is protected by a passphrase");
		err_hint(e, "store it without one, readable by the pooler's "
		    "user only");
		return false;
	}
	if (!key)
		return complain(e, s, "key_file", s->key_file,
		    "it holds no private key");
	ok = SSL_CTX_use_PrivateKey(ssl, key) == 1 &&
	    SSL_CTX_check_private_key(ssl) == 1;
	EVP_PKEY_free(key);
	if (ok)
		return true;
	complain(e, s, "key_file", s->key_file, "the key does not belong to "
	    "the certificate");
	err_hint(e, "the certificate is in %scert_file \"%s\"", s->prefix,
	    s->cert_file);
	return false;
}

bool
tls_load_cert(SSL_CTX *ssl, const struct tls_settings *s,
    const struct tls_files *f, struct err *e)
{
	BIO *cert, *key;
	bool ok;

	if (!is_set(s->cert_file) && !is_set(s->key_file))
		return true;
	if (!is_set(s->cert_file) || !is_set(s->key_file))
		return err_set(e, "F0000", "%scert_file and %skey_file need "
		    "each other", s->prefix, s->prefix);
	cert = over(&f->cert);
	key = over(&f->key);
	ok = load_chain(ssl, s, cert, e) && load_key(ssl, s, key, e);
	BIO_free(cert);
	BIO_free(key);
	return ok;
}

/* ---- authorities and revocation lists ---- */

/* One thing out of a file; both kinds may stand in one. */
static bool
add_info(SSL_CTX *ssl, const X509_INFO *info, bool name_it)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);

	if (info->x509 && X509_STORE_add_cert(store, info->x509) != 1)
		return false;
	if (info->x509 && name_it && SSL_CTX_add_client_CA(ssl, info->x509) !=
	    1)
		return false;
	return !info->crl || X509_STORE_add_crl(store, info->crl) == 1;
}

static bool
load_infos(SSL_CTX *ssl, const struct tls_settings *s, const struct buf *text,
    bool want_crl)
{
	BIO *in = over(text);
	STACK_OF(X509_INFO) *all = PEM_X509_INFO_read_bio(in, NULL, NULL,
	    NULL);
	bool ok = all != NULL, some = false;
	int i;

	for (i = 0; ok && i < sk_X509_INFO_num(all); i++) {
		const X509_INFO *info = sk_X509_INFO_value(all, i);

		some |= want_crl ? info->crl != NULL : info->x509 != NULL;
		ok = add_info(ssl, info, s->server && !want_crl);
	}
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	BIO_free(in);
	return ok && some;
}

bool
tls_load_authorities(SSL_CTX *ssl, const struct tls_settings *s,
    const struct tls_files *f, struct err *e)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);

	if (is_set(s->ca_file) && !load_infos(ssl, s, &f->ca, false))
		return complain(e, s, "ca_file", s->ca_file,
		    "it holds no certificates of authorities");
	if (!is_set(s->ca_file) && s->check != TLS_CHECK_NONE &&
	    X509_STORE_set_default_paths(store) != 1)
		return err_set(e, "F0000", "cannot load the system's "
		    "certificates of authorities: %s", tls_reason());
	if (!is_set(s->crl_file))
		return true;
	if (!load_infos(ssl, s, &f->crl, true))
		return complain(e, s, "crl_file", s->crl_file,
		    "it holds no revocation list");
	X509_STORE_set_flags(store,
	    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return true;
}
