/*
 * The parts of the printed documents that no table has.
 */
#ifndef GENDOC_TEXT_H
#define GENDOC_TEXT_H

extern const char text_ini_head[];
extern const char text_ini_tail[];
extern const char text_man_head[];
extern const char text_man_databases[];
extern const char text_man_users[];
extern const char text_man_peers[];
extern const char text_man_rule[];
extern const char text_man_environment[];
extern const char text_man_tail[];

#endif
