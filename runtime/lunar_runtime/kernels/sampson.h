/* Sampson distances of matched rays, and their derivative by the pose. */
#ifndef LUNAR_SAMPSON_H
#define LUNAR_SAMPSON_H

#include "kernels.h"

#include <math.h>

enum { STEPS = 5 };

/* Of both cameras, (n,) each; focal in pixels. */
typedef struct {
    const double *left[3], *right[3];
    double focal;
    ptrdiff_t n;
} Matches;

/* left, right: (3, n). */
static inline Matches matches_of(const double *left, const double *right, double focal,
                                 ptrdiff_t n) {
    return (Matches){{left, left + n, left + 2 * n}, {right, right + n, right + 2 * n}, focal, n};
}

/* Of the squared gradient. */
static const double LEAST = 1e-30;

/* Signed, pixels, of `count` matches from `start` on; E: (3, 3) essential matrix. */
static inline void distances(const Matches *of, const double *restrict E, ptrdiff_t start,
                             ptrdiff_t count, double *restrict found) {
    const double *restrict x = of->left[0] + start, *restrict y = of->left[1] + start;
    const double *restrict z = of->left[2] + start, *restrict u = of->right[0] + start;
    const double *restrict v = of->right[1] + start, *restrict w = of->right[2] + start;
    double focal = of->focal;
    for (ptrdiff_t i = 0; i < count; i++) {
        double a = E[0] * x[i] + E[1] * y[i] + E[2] * z[i];
        double b = E[3] * x[i] + E[4] * y[i] + E[5] * z[i];
        double c = E[6] * x[i] + E[7] * y[i] + E[8] * z[i];
        double d = E[0] * u[i] + E[3] * v[i] + E[6] * w[i];
        double e = E[1] * u[i] + E[4] * v[i] + E[7] * w[i];
        double square = (a * a + b * b) + (d * d + e * e);
        double algebraic = u[i] * a + v[i] * b + w[i] * c;
        found[i] = algebraic * (focal / sqrt(square > LEAST ? square : LEAST));
    }
}

/* Their change by the change D of E. */
static inline void derivative(const Matches *of, const double *restrict E, const double *restrict D,
                              ptrdiff_t start, ptrdiff_t count, double *restrict found) {
    const double *restrict x = of->left[0] + start, *restrict y = of->left[1] + start;
    const double *restrict z = of->left[2] + start, *restrict u = of->right[0] + start;
    const double *restrict v = of->right[1] + start, *restrict w = of->right[2] + start;
    double focal = of->focal;
    for (ptrdiff_t i = 0; i < count; i++) {
        double a = E[0] * x[i] + E[1] * y[i] + E[2] * z[i];
        double b = E[3] * x[i] + E[4] * y[i] + E[5] * z[i];
        double c = E[6] * x[i] + E[7] * y[i] + E[8] * z[i];
        double d = E[0] * u[i] + E[3] * v[i] + E[6] * w[i];
        double e = E[1] * u[i] + E[4] * v[i] + E[7] * w[i];
        double square = (a * a + b * b) + (d * d + e * e);
        square = square > LEAST ? square : LEAST;
        double algebraic = u[i] * a + v[i] * b + w[i] * c;
        double by_a = D[0] * x[i] + D[1] * y[i] + D[2] * z[i];
        double by_b = D[3] * x[i] + D[4] * y[i] + D[5] * z[i];
        double by_c = D[6] * x[i] + D[7] * y[i] + D[8] * z[i];
        double by_d = D[0] * u[i] + D[3] * v[i] + D[6] * w[i];
        double by_e = D[1] * u[i] + D[4] * v[i] + D[7] * w[i];
        double half = (a * by_a + b * by_b) + (d * by_d + e * by_e);
        double change = u[i] * by_a + v[i] * by_b + w[i] * by_c;
        found[i] = (change - algebraic / square * half) * (focal / sqrt(square));
    }
}

#endif
