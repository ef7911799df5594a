/* chains.h - chains of steps that the CPU computes in one pass over registers, with the bits of the steps one by one:
 * the updates of the solvers, which would otherwise go through the first-level cache at each step. An update is one
 * chain where nothing stands between its steps, else its parts are chains.
 *
 * A chain is a list: operands in the order in which the steps read them first, S(x) of one element and D(x) dense; then
 * steps ONE(kept, x, row, a) and TWO(kept, x, row, a, b), for rows of src/ops, where a and b are operands or earlier
 * steps. kept is 1 where the result may be read behind the chain. */
#ifndef WENGERT_CPU_CHAINS_H
#define WENGERT_CPU_CHAINS_H

/* The names, whole chains before their parts. */
#define WG__CHAIN_MAP(X) \
    X(adamw)             \
    X(adam)              \
    X(adam_behind)       \
    X(rmsprop_velocity)  \
    X(rmsprop)           \
    X(adagrad)           \
    X(adadelta)          \
    X(nesterov)          \
    X(momentum)          \
    X(add_square)        \
    X(add_scaled)        \
    X(sub_scaled)

/* clang-format off */

/* Steps that several chains have in common. */

#define WG__STEPS_mean_square(ONE, TWO, keep)                       \
    TWO(0, s0, mul, s, keep)                                        \
    ONE(0, gg, square, g)                                           \
    TWO(1, s1, add, s0, gg)

#define WG__STEPS_divide_by_root(ONE, TWO, above)                   \
    ONE(0, root, sqrt, s1)                                          \
    TWO(0, below, add, root, eps)                                   \
    TWO(0, move, div, above, below)

#define WG__STEPS_velocity(ONE, TWO)                                \
    TWO(0, v0, mul, v, keep)                                        \
    TWO(1, v1, add, v0, g)

#define WG__STEPS_first_moment(ONE, TWO)                            \
    TWO(0, m0, mul, m, beta1)                                       \
    TWO(1, m1, add, m0, g)

#define WG__STEPS_adam(ONE, TWO, from)                              \
    TWO(0, above, mul, alpha, m1)                                   \
    WG__STEPS_mean_square(ONE, TWO, beta2)                          \
    WG__STEPS_divide_by_root(ONE, TWO, above)                       \
    TWO(1, next, sub, from, move)

#define WG__STEPS_go(ONE, TWO, way)                                 \
    TWO(0, step, mul, rate, way)                                    \
    TWO(1, next, sub, p, step)

/* The chains. */

#define WG__CHAIN_adamw(S, D, ONE, TWO)                             \
    S(shrink) D(p) D(m) S(beta1) D(g) S(alpha) D(s) S(beta2) S(eps) \
    TWO(0, from, mul, shrink, p)                                    \
    WG__STEPS_first_moment(ONE, TWO)                                \
    WG__STEPS_adam(ONE, TWO, from)

#define WG__CHAIN_adam(S, D, ONE, TWO)                              \
    D(m) S(beta1) D(g) S(alpha) D(s) S(beta2) S(eps) D(p)           \
    WG__STEPS_first_moment(ONE, TWO)                                \
    WG__STEPS_adam(ONE, TWO, p)

/* Adam behind the first moment: a penalty stands between. */
#define WG__CHAIN_adam_behind(S, D, ONE, TWO)                       \
    S(alpha) D(m1) D(s) S(beta2) D(g) S(eps) D(p)                   \
    WG__STEPS_adam(ONE, TWO, p)

#define WG__CHAIN_rmsprop_velocity(S, D, ONE, TWO)                  \
    D(v) S(keep) D(s) S(rho) D(g) S(eps) S(rate) D(p)               \
    TWO(0, v0, mul, v, keep)                                        \
    WG__STEPS_mean_square(ONE, TWO, rho)                            \
    WG__STEPS_divide_by_root(ONE, TWO, g)                           \
    TWO(1, v1, add, v0, move)                                       \
    WG__STEPS_go(ONE, TWO, v1)

#define WG__CHAIN_rmsprop(S, D, ONE, TWO)                           \
    D(s) S(rho) D(g) S(eps) S(rate) D(p)                            \
    WG__STEPS_mean_square(ONE, TWO, rho)                            \
    WG__STEPS_divide_by_root(ONE, TWO, g)                           \
    WG__STEPS_go(ONE, TWO, move)

#define WG__CHAIN_adagrad(S, D, ONE, TWO)                           \
    D(g) D(s) S(eps) S(rate) D(p)                                   \
    ONE(0, gg, square, g)                                           \
    TWO(1, s1, add, s, gg)                                          \
    WG__STEPS_divide_by_root(ONE, TWO, g)                           \
    WG__STEPS_go(ONE, TWO, move)

#define WG__CHAIN_adadelta(S, D, ONE, TWO)                          \
    D(a) S(eps) D(s) S(rho) D(g) S(rate) D(p)                       \
    TWO(0, above, add, a, eps)                                      \
    WG__STEPS_mean_square(ONE, TWO, rho)                            \
    TWO(0, below, add, s1, eps)                                     \
    TWO(0, share, div, above, below)                                \
    ONE(0, root, sqrt, share)                                       \
    TWO(1, move, mul, root, g)                                      \
    WG__STEPS_go(ONE, TWO, move)

#define WG__CHAIN_nesterov(S, D, ONE, TWO)                          \
    D(v) S(keep) D(g) S(rate) D(p)                                  \
    WG__STEPS_velocity(ONE, TWO)                                    \
    TWO(0, ahead, mul, v1, keep)                                    \
    TWO(0, way, add, ahead, g)                                      \
    WG__STEPS_go(ONE, TWO, way)

#define WG__CHAIN_momentum(S, D, ONE, TWO)                          \
    D(v) S(keep) D(g) S(rate) D(p)                                  \
    WG__STEPS_velocity(ONE, TWO)                                    \
    WG__STEPS_go(ONE, TWO, v1)

#define WG__CHAIN_add_square(S, D, ONE, TWO)                        \
    D(s) S(rho) D(g)                                                \
    WG__STEPS_mean_square(ONE, TWO, rho)

#define WG__CHAIN_add_scaled(S, D, ONE, TWO)                        \
    D(x) S(factor) D(y)                                             \
    TWO(0, x0, mul, x, factor)                                      \
    TWO(1, z, add, x0, y)

#define WG__CHAIN_sub_scaled(S, D, ONE, TWO)                        \
    D(x) S(factor) D(y)                                             \
    TWO(0, x0, mul, x, factor)                                      \
    TWO(1, z, sub, y, x0)

/* clang-format on */

enum wg__chain_name {
#define X(name) WG__CHAIN_##name##_,
    WG__CHAIN_MAP(X)
#undef X
        WG__CHAINS
};
#endif
