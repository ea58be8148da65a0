# Files of policy/.
libpure_a_SOURCES += \
	src/policy/config_impl.h \
	include/policy/ini.h src/policy/ini.c \
	include/policy/option.h src/policy/option.c \
	include/policy/ledger.h src/policy/ledger.c \
	include/policy/userlist.h src/policy/userlist.c \
	include/policy/net.h src/policy/net.c \
	include/policy/words.h src/policy/words.c \
	include/policy/ident.h src/policy/ident.c \
	include/policy/ldap_options.h src/policy/ldap_options.c \
	include/policy/hba.h src/policy/hba.c src/policy/hba_read.c \
	include/policy/config.h src/policy/config.c \
	src/policy/config_ask.c src/policy/config_env.c \
	src/policy/config_finish.c src/policy/config_hba.c \
	src/policy/config_net.c src/policy/config_load.c \
	src/policy/config_print.c src/policy/config_size.c \
	src/policy/config_table.c src/policy/config_table_line.c
