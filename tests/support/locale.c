#include "support/locale.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

static bool set_first_of(const char *const names[])
{
    for (int i = 0; names[i]; i++)
        if (setlocale(LC_ALL, names[i]) && localeconv()->decimal_point[0] == ',') return true;
    setlocale(LC_ALL, "C");
    return false;
}

/* Compiles de_DE; several tests at once may do so, hence a folder for each process. */
static bool compile_one(void)
{
    char        folder[400], command[1000];
    const char *build = getenv("BUILD");
    snprintf(folder, sizeof folder, "%s/tests/locale-XXXXXX", build ? build : "build");
    if (!mkdtemp(folder)) return false;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 --no-archive '%s/de_DE.UTF-8' > /dev/null 2>&1",
             folder);
    bool made = system(command) != -1 && setenv("LOCPATH", folder, 1) == 0;
    made = made && set_first_of((const char *const[]){"de_DE.UTF-8", NULL});
    snprintf(command, sizeof command, "rm -rf '%s'", folder); /* it is loaded */
    return system(command) == 0 && made;
}

bool use_comma_locale(void)
{
    static const char *const installed[] = {"de_DE.UTF-8", "de_DE.utf8",  "fr_FR.UTF-8", "it_IT.UTF-8",
                                            "es_ES.UTF-8", "ru_RU.UTF-8", NULL};
    return set_first_of(installed) || compile_one();
}
