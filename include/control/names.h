/*
 * names: what the console calls itself.
 */
#ifndef CONTROL_NAMES_H
#define CONTROL_NAMES_H

/* The database of the console, as clients and SHOW know it, and its synonym.
 * Its user in SHOW is of the same name. */
#define CONSOLE_DATABASE "pgbouncer"
#define CONSOLE_SYNONYM "pooler"
/* What we tell tools that ask which PgBouncer they talk to. */
#define CONSOLE_SPEAKS "1.25.2"

#endif
