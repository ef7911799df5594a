/* page.c - the page at /: a file of the source tree, taken into the program as
 * it is. */
#include <string.h>

#include "base/table.h"
#include "serve/server_impl.h"

/* clang-format off */
__asm__(".pushsection .rodata\n"
        ".global wg__page_begin, wg__page_end\n"
        ".hidden wg__page_begin, wg__page_end\n"
        "wg__page_begin:\n"
        ".incbin \"src/serve/http/page/index.html\"\n"
        "wg__page_end:\n"
        ".byte 0\n"
        ".popsection\n");
/* clang-format on */
extern const char wg__page_begin[], wg__page_end[];

/* Writes the hash of the page, in quotes; returns `to`. */
const char *wg__page_etag(char to[static 24])
{
    uint64_t h = wg__hash64(wg__page_begin, (size_t)(wg__page_end - wg__page_begin));
    snprintf(to, 24, "\"%016llx\"", (unsigned long long)h);
    return to;
}

void wg__page(struct wg__request *q)
{
    char        text[400];
    const char *known = q->header(q, "If-None-Match", sizeof text, text);
    q->etag = q->server->etag;
    q->type = "text/html; charset=utf-8";
    q->code = known && strstr(known, q->etag) ? 304 : 200;
    if (q->code == 200) wg__text_add(&q->text, wg__page_begin, (size_t)(wg__page_end - wg__page_begin));
}
