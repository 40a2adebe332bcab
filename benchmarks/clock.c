/* A step that says when it began and when it ended, on CLOCK_MONOTONIC, in nanoseconds. */
#include <stdio.h>
#include <time.h>

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
    long long began = now();
    printf("%lld %lld\n", began, now());
    return 0;
}
