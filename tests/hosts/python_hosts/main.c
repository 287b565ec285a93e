/* Makes a Python of the program that freezes Python programs: the program contains Python, and its
   `main` runs a frozen program. This library starts the `main` of Python in its place. */
#define _GNU_SOURCE
#include <dlfcn.h>

typedef int main_function(int, char **, char **);
typedef int start_function(main_function *, int, char **, void (*)(void), void (*)(void),
                           void (*)(void), void *);

int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
    main_function *python = (main_function *)dlsym(RTLD_DEFAULT, "Py_BytesMain");
    start_function *start = (start_function *)dlsym(RTLD_NEXT, "__libc_start_main");
    return start(python ? python : main, argc, argv, init, fini, rtld_fini, stack_end);
}
