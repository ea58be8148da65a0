# Files of control/.

pooler_core_sources += \
	include/control/daemon.h src/control/daemon.c \
	src/control/bind.h src/control/bind.c \
	include/control/listener.h src/control/listener.c
