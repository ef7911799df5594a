/* What a field of numbers may be: a number, or a word for one. */
#include <string.h>
#include <strings.h>

#include "base/number/number.h"
#include "data/csv/csv_impl.h"

_Static_assert((int)WG__CSV_BEHIND >= WG__NUMBER_BEHIND, "the bytes behind a field may be read");

static bool is_word(const char *p, size_t n, const char *word) { return strlen(word) == n && !strncasecmp(p, word, n); }

const char *wg__csv_number(const char *text, size_t n, wg_dtype t, double *value)
{
    const char *p = text, *end = text + n;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) end--;
    switch (wg__number_read(p, (size_t)(end - p), t == WG_F32, value)) {
    case WG__NUMBER: return NULL;
    case WG__NUMBER_TOO_LARGE: return "is too large for its dtype";
    case WG__NUMBER_NONE: break;
    }
    if (p == end) return "a number is missing";
    if (memchr(text, 0, n)) return "a zero byte in a number";
    bool yes = is_word(p, (size_t)(end - p), "true");
    if (!yes && !is_word(p, (size_t)(end - p), "false")) return "is not a number";
    *value = yes;
    return NULL;
}
