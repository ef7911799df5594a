/* Structs of options: a program that was compiled with other headers may know a shorter or longer struct. */
#include <stdio.h>
#include <string.h>

#include "graph/graph_impl.h"

bool wg__options_read(void *own, size_t size, const void *given, char why[static 160])
{
    size_t said = size;
    memset(own, 0, size);
    if (!given) return true;
    memcpy(&said, given, sizeof said);
    if (!said) said = size;
    if (said < sizeof said || said > size) {
        snprintf(why, 160,
                 "the options have a struct_size of %zu, where this library knows %zu bytes: it is wrong, or "
                 "the program was compiled with the headers of a later version",
                 said, size);
        return false;
    }
    memcpy(own, given, said);
    return true;
}

bool wg__say_misfit(size_t said, size_t size, char why[static 160])
{
    snprintf(why, 160,
             "a struct_size of %zu, not %zu: it is wrong, or the program was compiled with the headers of "
             "another version",
             said, size);
    return false;
}
