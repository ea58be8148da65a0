# Macros of pooler's configure.

# POOLER_FLAG(VARIABLE, FLAG)
# Adds FLAG to VARIABLE when the compiler and the linker take it without a
# word. -Werror, because clang only warns of a flag that it does not know.
AC_DEFUN([POOLER_FLAG], [
	AS_VAR_PUSHDEF([cached], [pooler_cv_flag_$2])
	AC_CACHE_CHECK([whether $CC takes $2], [cached], [
		pooler_saved_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS -Werror $2"
		AC_LINK_IFELSE([AC_LANG_PROGRAM()],
		    [AS_VAR_SET([cached], [yes])], [AS_VAR_SET([cached], [no])])
		CFLAGS=$pooler_saved_CFLAGS
	])
	AS_VAR_IF([cached], [yes], [$1="$$1 $2"])
	AS_VAR_POPDEF([cached])
])

# POOLER_OPTIONAL(NAME, VARIABLE, PACKAGE, PURPOSE)
# A library that is used when it is there: --with-NAME insists on it and
# --without-NAME leaves it out. Defines HAVE_VARIABLE, and sets VARIABLE_CFLAGS,
# VARIABLE_LIBS and have_NAME (yes or no).
AC_DEFUN([POOLER_OPTIONAL], [
	AC_ARG_WITH([$1],
	    [AS_HELP_STRING([--without-$1], [leave out $4])],
	    [], [with_$1=check])
	have_$1=no
	AS_IF([test "x$with_$1" != xno], [
		PKG_CHECK_MODULES([$2], [$3], [have_$1=yes], [
			AS_IF([test "x$with_$1" != xcheck],
			    [AC_MSG_ERROR([$3 is not installed, but --with-$1 asks for it])])
		])
	])
	AS_IF([test "x$have_$1" = xyes],
	    [AC_DEFINE([HAVE_$2], [1], [Define when there is $4.])])
])
