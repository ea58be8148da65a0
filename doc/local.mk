# Manual pages and documents.
dist_man_MANS += doc/pooler.1
# The example goes beside the documents and never over anybody's own file.
dist_doc_DATA += README doc/architecture.md doc/parity.md doc/security.md etc/pooler.ini
# A unit for systemd, to be copied and changed.
dist_doc_DATA += etc/pooler.socket
doc_DATA = etc/pooler.service
EXTRA_DIST += etc/pooler.service.in
CLEANFILES += etc/pooler.service
etc/pooler.service: etc/pooler.service.in Makefile
	@$(MKDIR_P) etc
	sed 's|@bindir@|$(bindir)|' $(srcdir)/etc/pooler.service.in >$@

# What is printed from the tables of options and of the console. The results are
# kept in the tree, so that nobody needs to run this to read them; `make docs`
# renews them and test/unit/check_docs.sh tells when that was forgotten.
noinst_PROGRAMS += doc/gendoc doc/genconsole
doc_gendoc_SOURCES = doc/gendoc.c doc/gendoc_text.c doc/gendoc_text.h
doc_gendoc_LDADD = $(pure_libs)
doc_genconsole_SOURCES = doc/genconsole.c
doc_genconsole_LDADD = $(core_libs)
dist_man_MANS += doc/pooler.ini.5 doc/pooler-console.7

docs: doc/gendoc doc/genconsole
	doc/gendoc ini >$(srcdir)/etc/pooler.ini
	doc/gendoc man5 >$(srcdir)/doc/pooler.ini.5
	doc/genconsole >$(srcdir)/doc/pooler-console.7

.PHONY: docs
