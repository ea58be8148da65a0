# Manual pages and documents.
dist_man_MANS += doc/pooler.1

# What is printed from the table of options. The results are kept in the tree,
# so that nobody needs to run this to read them; `make docs` renews them and
# test/unit/check_docs.sh tells when that was forgotten.
noinst_PROGRAMS += src/gendoc
src_gendoc_SOURCES = src/gendoc.c src/gendoc_text.c src/gendoc_text.h
src_gendoc_LDADD = $(pure_libs)
dist_man_MANS += doc/pooler.ini.5
EXTRA_DIST += etc/pooler.ini

docs: src/gendoc
	src/gendoc ini >$(srcdir)/etc/pooler.ini
	src/gendoc man5 >$(srcdir)/doc/pooler.ini.5

.PHONY: docs
