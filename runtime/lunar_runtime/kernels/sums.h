/* Sums of double, and medians, in an order that is the same on every processor. */
#ifndef LUNAR_SUMS_H
#define LUNAR_SUMS_H

#include "kernels.h"

#include <math.h>

enum { SUMS = 8 };

static inline double sum_of(double sums[SUMS]) {
    for (int half = SUMS / 2; half; half /= 2)
        for (int k = 0; k < half; k++)
            sums[k] += sums[k + half];
    return sums[0];
}

static inline double product_of(const double *restrict a, const double *restrict b, ptrdiff_t n) {
    double sums[SUMS] = {0};
    ptrdiff_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++)
            sums[k] += a[i + k] * b[i + k];
    double total = sum_of(sums);
    for (; i < n; i++)
        total += a[i] * b[i];
    return total;
}

/* Of n numbers, which are moved; of an even number the larger of both in the middle.
 *
 * Pivots are from anywhere, the same ones every time: by the one in the middle, numbers that rise
 * and then fall took n² steps. */
static inline float middle(float *values, ptrdiff_t n) {
    ptrdiff_t low = 0, high = n - 1, at = n / 2;
    unsigned long long turn = 1;
    if (n < 1)
        return 0;
    while (low < high) {
        turn = turn * 6364136223846793005u + 1442695040888963407u;
        float pivot = values[low + (ptrdiff_t)((turn >> 33) % (size_t)(high - low + 1))];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i <= j) {
                float held = values[i];
                values[i++] = values[j];
                values[j--] = held;
            }
        }
        if (at <= j)
            high = j;
        else if (at >= i)
            low = i;
        else
            break;
    }
    return values[at];
}

/* Standard deviation around 0 that a minority of outliers cannot move; `work` has n places. */
static inline double robust_sigma(const double *restrict residual, ptrdiff_t n,
                                  float *restrict work) {
    for (ptrdiff_t i = 0; i < n; i++)
        work[i] = (float)fabs(residual[i]);
    return 1.4826 * middle(work, n);
}

#endif
