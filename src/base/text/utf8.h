/* utf8.h - UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef WENGERT_BASE_UTF8_H
#define WENGERT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tells how many bytes, 1 to 4, the UTF-8 character at p has, where n > 0 bytes are left; 0 if there is none. */
size_t wg__utf8(const unsigned char *p, size_t n);
/* Writes a character, U+0000 to U+10FFFF, as UTF-8; returns how many bytes the character takes, 1 to 4. */
int wg__utf8_put(uint32_t character, char to[4]);
/* Tells whether a text is UTF-8 from its first byte to its last. */
bool wg__text_valid(const char *text);

/* Tells how many bytes, 1 to 4, the character at p has, where n > 0 bytes are left, if the character only shows
 * something; 0 for a control character (C0, DEL, C1), which may steer a terminal, and for what is no UTF-8. */
size_t wg__shown(const unsigned char *p, size_t n);
/* Writes \x1b for each byte of what wg__shown refuses, in place, or ? where `size` bytes have no room: names and texts
 * of files go into messages, and messages to terminals. */
void wg__printable(char *text, size_t size);

#endif
