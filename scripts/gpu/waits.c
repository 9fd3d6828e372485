/* Counts how often a program waits for the GPU. Load it with LD_PRELOAD, before libtorch's CUDA half.
 *
 * At its end each program writes `PROGRAM COUNT COUNT...` to the file `$WAITS/PID`, in the order of FUNCTIONS.
 * Libraries that carry their own CUDA runtime are not counted; libtorch, where a training step waits, uses the shared one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STREAM, EVENT, DEVICE, COPY, FUNCTIONS };

static atomic_ulong counts[FUNCTIONS];

/* cudaErrorUnknown */
static const int UNKNOWN = 999;

static int is_runtime(struct dl_phdr_info *library, size_t size, void *found) {
    (void)size;
    if (!strstr(library->dlpi_name, "libcudart.so")) return 0;
    *(const char **)found = library->dlpi_name;
    return 1;
}

/* RTLD_NEXT does not see the runtime, because it is loaded while the program runs. */
static void *in_runtime(const char *name) {
    const char *path = NULL;
    dl_iterate_phdr(is_runtime, &path);
    void *library = path ? dlopen(path, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    return library ? dlsym(library, name) : NULL;
}

#define COUNTED(which, name, parameters, arguments)       \
    int name parameters {                                 \
        atomic_fetch_add(&counts[which], 1);              \
        int(*real) parameters = in_runtime(#name);        \
        return real ? real arguments : UNKNOWN;           \
    }

COUNTED(STREAM, cudaStreamSynchronize, (void *stream), (stream))
COUNTED(EVENT, cudaEventSynchronize, (void *event), (event))
COUNTED(DEVICE, cudaDeviceSynchronize, (void), ())
COUNTED(COPY, cudaMemcpy, (void *to, const void *from, size_t bytes, int kind), (to, from, bytes, kind))

__attribute__((destructor)) static void report(void) {
    const char *folder = getenv("WAITS");
    char path[4096];
    if (!folder || snprintf(path, sizeof path, "%s/%d", folder, (int)getpid()) >= (int)sizeof path) return;
    FILE *file = fopen(path, "w");
    if (!file) return;
    fprintf(file, "%s", program_invocation_short_name);
    for (int which = 0; which < FUNCTIONS; which++) fprintf(file, " %lu", atomic_load(&counts[which]));
    fprintf(file, "\n");
    fclose(file);
}
