/* invariant.h - what holds here, said to the reader and to builds that check. */
#ifndef WENGERT_INVARIANT_H
#define WENGERT_INVARIANT_H

/* Ends the process where x is false in a build with a sanitizer or with -DWG__CHECKED; is nothing in a release.  Only
 * for what no caller and no file can bring about: bad input is an error with a message. */
#if defined WG__CHECKED || defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define WG__INVARIANT(x) ((x) ? (void)0 : __builtin_trap())
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WG__INVARIANT(x) ((x) ? (void)0 : __builtin_trap())
#endif
#endif
#ifndef WG__INVARIANT
#define WG__INVARIANT(x) ((void)sizeof((x) ? 1 : 0))
#endif

#endif
