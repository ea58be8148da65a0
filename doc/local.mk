# Manual pages and documents.
dist_man_MANS += doc/pooler.1
