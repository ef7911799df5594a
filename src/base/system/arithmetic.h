/* arithmetic.h - how the calling thread rounds while it computes.
 *
 * Kernels run with one setting, whatever the host program has chosen: to nearest, no trap, and subnormal numbers
 * flushed to the zero of their sign, as operands and as results. A subnormal operand costs some CPUs a hundred cycles
 * and more, and averages that decay, such as those of Adam, stay subnormal for ever where their smallest value times
 * 0.9 rounds back to itself. CPUs other than x86 with SSE and AArch64 keep the setting that they have. */
#ifndef WENGERT_BASE_ARITHMETIC_H
#define WENGERT_BASE_ARITHMETIC_H

#include <stdint.h>

#if defined(__SSE__)
/* MXCSR: all exceptions masked, and the two bits that flush results and operands. The low six bits note what happened;
 * they are set before it happens, since the first operation that has to set one waits (60 ns on an EPYC). */
enum { WG__ARITHMETIC = 0x1f80 | 0x8000 | 0x0040, WG__ARITHMETIC_NOTES = 0x3f };
static inline uint64_t wg__arithmetic_read(void) { return __builtin_ia32_stmxcsr(); }
static inline void     wg__arithmetic_write(uint64_t setting) { __builtin_ia32_ldmxcsr((uint32_t)setting); }
#elif defined(__aarch64__)
/* FPCR: flush to zero, which covers operands and results; FPSR has the notes. */
enum { WG__ARITHMETIC = 1 << 24, WG__ARITHMETIC_NOTES = 0 };
static inline uint64_t wg__arithmetic_read(void)
{
    uint64_t setting;
    __asm__ volatile("mrs %0, fpcr" : "=r"(setting));
    return setting;
}
static inline void wg__arithmetic_write(uint64_t setting) { __asm__ volatile("msr fpcr, %0" : : "r"(setting)); }
#else
enum { WG__ARITHMETIC = 0, WG__ARITHMETIC_NOTES = 0 };
static inline uint64_t wg__arithmetic_read(void) { return WG__ARITHMETIC; }
static inline void     wg__arithmetic_write(uint64_t setting) { (void)setting; }
#endif

static inline int wg__arithmetic_is_set(uint64_t setting)
{
    return (setting & ~(uint64_t)WG__ARITHMETIC_NOTES) == WG__ARITHMETIC;
}

/* Sets what kernels compute with, unless the thread has it already; returns what wg__arithmetic_leave takes. */
static inline uint64_t wg__arithmetic_enter(void)
{
    uint64_t host = wg__arithmetic_read();
    if (!wg__arithmetic_is_set(host)) wg__arithmetic_write(WG__ARITHMETIC | WG__ARITHMETIC_NOTES);
    return host;
}
static inline void wg__arithmetic_leave(uint64_t host)
{
    if (!wg__arithmetic_is_set(host)) wg__arithmetic_write(host);
}

#endif
