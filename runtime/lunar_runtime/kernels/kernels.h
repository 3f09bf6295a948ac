/* What the kernels share. Fields are rows of float, one after the other.
 *
 * Sums are made in LANES partial ones, so that a compiler may use vectors of any length and every
 * processor gets the same bits; multiplications and additions are not fused for the same reason. */
#ifndef LUNAR_KERNELS_H
#define LUNAR_KERNELS_H

#include <stddef.h>

#define LUNAR_PUBLIC __attribute__((visibility("default")))
#define LANES 16

/* A loop over rows: within a larger function its pointers may be told apart no longer, and then it
 * is done number by number. */
#define LUNAR_LOOP __attribute__((noinline)) static void

enum { DONE = 0, NO_MEMORY = 1, TOO_SMALL = 2 };

static inline double sum_of_lanes(float lanes[LANES]) {
    for (int half = LANES / 2; half; half /= 2)
        for (int k = 0; k < half; k++)
            lanes[k] += lanes[k + half];
    return lanes[0];
}

/* Of the products of n numbers each. */
static inline double dot(const float *restrict a, const float *restrict b, ptrdiff_t n) {
    double total = 0;
    ptrdiff_t i = 0;
    while (i + LANES <= n) {
        float lanes[LANES] = {0};
        ptrdiff_t end = i + 64 * LANES < n ? i + 64 * LANES : n; /* so that none grows long */
        for (; i + LANES <= end; i += LANES)
            for (int k = 0; k < LANES; k++)
                lanes[k] += a[i + k] * b[i + k];
        total += sum_of_lanes(lanes);
    }
    for (; i < n; i++)
        total += a[i] * b[i];
    return total;
}

#endif
