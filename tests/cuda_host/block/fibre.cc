/* fibre.cc - switching stacks: by hand on x86-64, by ucontext elsewhere. */
#include "fibre.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cuda_host/inside.h"

#ifdef WG_SHIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace shim
{

#ifdef WG_SHIM_ASAN
static const size_t STACK = 256 << 10;
#else
static const size_t STACK = 64 << 10;
#endif

struct fibre {
    char *stack;
    void (*main)();
#ifdef __x86_64__
    void *sp;
#else
    ucontext_t context;
#endif
    void *fake; /* the sanitizer's own notes */
};

static fibre *running;
static fibre  scheduler;
#ifdef WG_SHIM_ASAN
static const void *scheduler_stack;
static size_t      scheduler_size;
#endif

fibre *fibre_running() { return running; }

/* ---- The switch ---- */

#ifdef __x86_64__
/* Keeps what a call must keep: rbx, rbp, r12..r15 and the stack pointer. */
extern "C" void wg_shim_switch(void **save, void *to);
asm(".text\n"
    ".globl wg_shim_switch\n"
    ".hidden wg_shim_switch\n"
    ".type wg_shim_switch, @function\n"
    "wg_shim_switch:\n"
    "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
    "    ret\n"
    ".size wg_shim_switch, .-wg_shim_switch\n"
    ".section .note.GNU-stack,\"\",@progbits\n"
    ".text\n");

static void switch_to(fibre *from, fibre *to) { wg_shim_switch(&from->sp, to->sp); }
#else
static void switch_to(fibre *from, fibre *to) { swapcontext(&from->context, &to->context); }
#endif

static void enter_main()
{
#ifdef WG_SHIM_ASAN
    __sanitizer_finish_switch_fiber(NULL, &scheduler_stack, &scheduler_size);
#endif
    running->main();
    abort();
}

void fibre_restart(fibre *f)
{
    f->fake = NULL;
#ifdef WG_SHIM_ASAN
    __asan_unpoison_memory_region(f->stack, STACK);
#endif
#ifdef __x86_64__
    /* As after a call: rsp + 8 is a multiple of 16 at the entry. */
    uintptr_t top = ((uintptr_t)f->stack + STACK) & ~(uintptr_t)15;
    void    **sp = (void **)top - 8;
    for (int i = 0; i < 6; i++) sp[i] = NULL;
    sp[6] = (void *)enter_main;
    sp[7] = NULL;
    f->sp = sp;
#else
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    f->context.uc_link = NULL;
    makecontext(&f->context, enter_main, 0);
#endif
}

fibre *fibre_new(void (*main)())
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char  *p =
        (char *)mmap(NULL, STACK + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        perror("shim: stack of a fibre");
        abort();
    }
    mprotect(p, page, PROT_NONE);
    fibre *f = new fibre();
    f->stack = p + page;
    f->main = main;
    fibre_restart(f);
    return f;
}

void fibre_enter(fibre *f)
{
    running = f;
#ifdef WG_SHIM_ASAN
    __sanitizer_start_switch_fiber(&scheduler.fake, f->stack, STACK);
#endif
    switch_to(&scheduler, f);
#ifdef WG_SHIM_ASAN
    __sanitizer_finish_switch_fiber(scheduler.fake, NULL, NULL);
#endif
    running = NULL;
}

void fibre_leave()
{
    fibre *f = running;
#ifdef WG_SHIM_ASAN
    __sanitizer_start_switch_fiber(&f->fake, scheduler_stack, scheduler_size);
#endif
    switch_to(f, &scheduler);
#ifdef WG_SHIM_ASAN
    __sanitizer_finish_switch_fiber(f->fake, &scheduler_stack, &scheduler_size);
#endif
}

} // namespace shim
