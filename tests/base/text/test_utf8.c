/* UTF-8 as RFC 3629 has it: each character in one way, surrogates in none. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/text/utf8.h"

/* Of a copy without a byte to spare, so that a reader past n is seen by the address sanitizer. */
static size_t size_of(const char *bytes, size_t n)
{
    unsigned char *p = malloc(n);
    cr_assert(p);
    memcpy(p, bytes, n);
    size_t size = wg__utf8(p, n);
    free(p);
    return size;
}

/* Writes c in n bytes, if they are enough or more than enough. */
static void put(char to[4], uint32_t c, size_t n)
{
    static const unsigned char lead[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(lead[n] | c);
}

Test(base_utf8, every_number_in_every_length)
{
    static const uint32_t end[] = {0, 0x80, 0x800, 0x10000, 0x200000}; /* what n bytes have bits for */
    for (size_t n = 1; n <= 4; n++)
        for (uint32_t c = 0; c < end[n]; c++) {
            char bytes[4];
            bool surrogate = c >= 0xd800 && c <= 0xdfff;
            put(bytes, c, n);
            size_t want = c < end[n - 1] || surrogate || c > 0x10ffff ? 0 : n;
            cr_assert_eq(wg__utf8((const unsigned char *)bytes, n), want, "U+%04X in %zu bytes", c, n);
        }
}

Test(base_utf8, boundaries)
{
    static const struct {
        const char *bytes;
        size_t      n, want;
    } cases[] = {
        {"\x00", 1, 1},
        {"\x7f", 1, 1},
        {"\xc2\x80", 2, 2},
        {"\xdf\xbf", 2, 2},
        {"\xe0\xa0\x80", 3, 3},
        {"\xed\x9f\xbf", 3, 3},
        {"\xee\x80\x80", 3, 3},
        {"\xef\xbf\xbf", 3, 3},
        {"\xf0\x90\x80\x80", 4, 4},
        {"\xf4\x8f\xbf\xbf", 4, 4},
        {"\xc3\xa9g", 3, 2}, /* what follows is not looked at */
        /* longer than need be */
        {"\xc0\x80", 2, 0},
        {"\xc1\xbf", 2, 0},
        {"\xe0\x9f\xbf", 3, 0},
        {"\xf0\x8f\xbf\xbf", 4, 0},
        /* surrogates, and past the end */
        {"\xed\xa0\x80", 3, 0},
        {"\xed\xbf\xbf", 3, 0},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf8\x88\x80\x80\x80", 5, 0},
        {"\xfe", 1, 0},
        {"\xff", 1, 0},
        /* a byte that begins none */
        {"\x80", 1, 0},
        {"\xbf\x80", 2, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(size_of(cases[i].bytes, cases[i].n), cases[i].want, "case %zu", i);
}

/* Cut off, or with a byte inside that cannot be there, it is no character. */
Test(base_utf8, every_byte_counts)
{
    static const char *const whole[] = {"\xc2\x80", "\xe1\x80\x80", "\xf1\x80\x80\x80"};
    for (size_t i = 0; i < 3; i++)
        for (size_t n = 1; n < strlen(whole[i]); n++) {
            static const char others[] = "\x7f\xc0 a\xff";
            char              bytes[5];
            cr_expect_eq(size_of(whole[i], n), 0, "%zu of %zu bytes", n, i + 2);
            for (size_t k = 0; k < sizeof others; k++) {
                strcpy(bytes, whole[i]);
                bytes[n] = others[k];
                cr_expect_eq(size_of(bytes, i + 2), 0, "0x%02x in place %zu of %zu", (unsigned char)others[k], n,
                             i + 2);
            }
        }
}

/* What is written as text by one is read by the other, and only what may steer a terminal or is no text is refused. */
Test(base_utf8, every_character_there_and_back)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char to[4];
        if (c >= 0xd800 && c <= 0xdfff) continue;
        size_t n = (size_t)wg__utf8_put(c, to);
        bool   control = c < 0x20 || (c >= 0x7f && c < 0xa0);
        cr_assert_eq(size_of(to, n), n, "U+%04X", c);
        cr_assert_eq(wg__shown((const unsigned char *)to, n), control ? 0 : n, "U+%04X", c);
    }
}

/* Each text in memory that just holds the readable form. */
Test(base_utf8, a_message_has_no_byte_that_steers)
{
    static const struct {
        const char *text, *shown;
    } rows[] = {{"caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac"},
                {"a\x1b[31m\n", "a\\x1b[31m\\x0a"},
                {"\x7f\t", "\\x7f\\x09"},
                {"\xc2\x9b"
                 "2J",
                 "\\xc2\\x9b2J"}, /* U+009B is CSI in one character */
                {"\xff\xc3", "\\xff\\xc3"},
                {"\xed\xa0\x80", "\\xed\\xa0\\x80"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t room = strlen(rows[i].shown) + 1;
        char  *text = malloc(room);
        cr_assert(text);
        strcpy(text, rows[i].text);
        wg__printable(text, room);
        cr_expect_str_eq(text, rows[i].shown);
        free(text);
    }
    char tight[] = "a\x1b\xc2\x9b";
    wg__printable(tight, sizeof tight);
    cr_expect_str_eq(tight, "a???", "no room for more");
}
