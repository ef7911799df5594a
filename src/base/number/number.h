/* number.h - one number from a text and into a text, whatever the locale. */
#ifndef WENGERT_BASE_NUMBER_H
#define WENGERT_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- In (number.c) ---- */

enum wg__number { WG__NUMBER, WG__NUMBER_NONE, WG__NUMBER_TOO_LARGE };

/* Reads the number that all n bytes of a text are:
 * [+-] digits [. digits] [e [+-] digits], with a digit on one side of the
 * point, or inf, infinity or nan in any case with or without a sign.  Rounded once, to the nearest double or, with
 * narrow, float; infinite where the number is too large.  WG__NUMBER_BEHIND bytes behind the text may be read, and the
 * first of them is no digit. */
enum { WG__NUMBER_BEHIND = 8 };
enum wg__number wg__number_read(const char *text, size_t n, bool narrow, double *v);

/* Tells whether a text of n bytes, at least one, is digits alone and a number up to `most`, which is then *v. */
bool wg__count_read(const char *text, size_t n, uint64_t most, uint64_t *v);

/* ---- Out (shortest.c) ---- */

/* Writes the fewest digits that read back as the same value of the same type, always with a point or an exponent:
 * at most 24 characters without a zero at the end; returns how many.  v is finite. */
int wg__shortest_float(float v, char to[static 32]);
int wg__shortest_double(double v, char to[static 32]);

#endif
