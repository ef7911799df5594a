#include <stdio.h>
int main(void) { return puts("wengert"), 0; }
