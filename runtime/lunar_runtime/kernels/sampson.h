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

/* Of one match (x, y, z), (u, v, w): what a 3 x 3 matrix makes of the left ray, the first two of
 * what its transpose makes of the right one, and both rays' product through it. */
typedef struct {
    double a, b, d, e, product;
} Lines;

static inline Lines lines_of(const double *restrict E, double x, double y, double z, double u,
                             double v, double w) {
    double a = E[0] * x + E[1] * y + E[2] * z;
    double b = E[3] * x + E[4] * y + E[5] * z;
    double c = E[6] * x + E[7] * y + E[8] * z;
    double d = E[0] * u + E[3] * v + E[6] * w;
    double e = E[1] * u + E[4] * v + E[7] * w;
    return (Lines){a, b, d, e, u * a + v * b + w * c};
}

static inline double square_of(Lines of) {
    double square = (of.a * of.a + of.b * of.b) + (of.d * of.d + of.e * of.e);
    return square > LEAST ? square : LEAST;
}

/* Signed, pixels, of `count` matches from `start` on; E: (3, 3) essential matrix. */
static inline void distances(const Matches *of, const double *restrict E, ptrdiff_t start,
                             ptrdiff_t count, double *restrict found) {
    const double *restrict x = of->left[0] + start, *restrict y = of->left[1] + start;
    const double *restrict z = of->left[2] + start, *restrict u = of->right[0] + start;
    const double *restrict v = of->right[1] + start, *restrict w = of->right[2] + start;
    double focal = of->focal;
    for (ptrdiff_t i = 0; i < count; i++) {
        Lines lines = lines_of(E, x[i], y[i], z[i], u[i], v[i], w[i]);
        found[i] = lines.product * (focal / sqrt(square_of(lines)));
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
        Lines lines = lines_of(E, x[i], y[i], z[i], u[i], v[i], w[i]);
        Lines by = lines_of(D, x[i], y[i], z[i], u[i], v[i], w[i]);
        double square = square_of(lines);
        double half = (lines.a * by.a + lines.b * by.b) + (lines.d * by.d + lines.e * by.e);
        found[i] = (by.product - lines.product / square * half) * (focal / sqrt(square));
    }
}

#endif
