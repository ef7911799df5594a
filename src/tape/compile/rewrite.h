/* rewrite.h - the rewrite rules. */
#ifndef WENGERT_REWRITE_H
#define WENGERT_REWRITE_H

#include "ops/elementwise/stable.h"
#include "tape/tape_impl.h"

/* The rules of a tape beside wg__stable_rules; terminated by a rule without apply. */
extern const struct wg__rule wg__rules[];

/* Puts tensors one after the other that were put into zeros and added (pieces.c). */
wg_node *wg__rule_sum_of_pieces(const struct wg__match *m);

#endif
