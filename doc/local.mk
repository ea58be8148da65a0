# Manual pages and documents.
dist_man_MANS += doc/pooler.1
# The example goes beside the documents and never over anybody's own file.
dist_doc_DATA += README doc/architecture.md etc/pooler.ini

# What is printed from the table of options. The results are kept in the tree,
# so that nobody needs to run this to read them; `make docs` renews them and
# test/unit/check_docs.sh tells when that was forgotten.
noinst_PROGRAMS += doc/gendoc
doc_gendoc_SOURCES = doc/gendoc.c doc/gendoc_text.c doc/gendoc_text.h
doc_gendoc_LDADD = $(pure_libs)
dist_man_MANS += doc/pooler.ini.5

docs: doc/gendoc
	doc/gendoc ini >$(srcdir)/etc/pooler.ini
	doc/gendoc man5 >$(srcdir)/doc/pooler.ini.5

.PHONY: docs
