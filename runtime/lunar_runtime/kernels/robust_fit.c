/* Iteratively reweighted least squares under a Cauchy weight, and their normal equations: see
 * geometry/products.py. */
#include "sums.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, ROWS = 4 };

/* a · b of ROWS rows each, at once: what is loaded is used so many times. */
static void tile(const double *restrict a, const double *const b[ROWS], ptrdiff_t n,
                 double found[ROWS]) {
    const double *restrict p = b[0], *restrict q = b[1], *restrict r = b[2], *restrict s = b[3];
    double sums[ROWS][SUMS] = {{0}};
    ptrdiff_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++) {
            sums[0][k] += a[i + k] * p[i + k];
            sums[1][k] += a[i + k] * q[i + k];
            sums[2][k] += a[i + k] * r[i + k];
            sums[3][k] += a[i + k] * s[i + k];
        }
    for (int row = 0; row < ROWS; row++) {
        found[row] = sum_of(sums[row]);
        for (ptrdiff_t k = i; k < n; k++)
            found[row] += a[k] * b[row][k];
    }
}

/* A diag(weight) Aᵀ into product, (rows, rows), and A diag(weight) b into pull, (rows,). */
static void equations(const double *A, const double *b, const double *weight, ptrdiff_t rows,
                      ptrdiff_t n, double *product, double *pull) {
    double weighted[BLOCK], found[ROWS];
    memset(product, 0, (size_t)(rows * rows) * sizeof(double));
    memset(pull, 0, (size_t)rows * sizeof(double));
    for (ptrdiff_t start = 0; start < n; start += BLOCK) {
        ptrdiff_t count = n - start < BLOCK ? n - start : BLOCK;
        for (ptrdiff_t row = 0; row < rows; row++) {
            const double *restrict one = A + row * n + start;
            memcpy(weighted, one, (size_t)count * sizeof(double));
            if (weight)
                for (ptrdiff_t i = 0; i < count; i++)
                    weighted[i] *= weight[start + i];
            pull[row] += product_of(weighted, b + start, count);
            for (ptrdiff_t first = 0; first <= row; first += ROWS) {
                const double *others[ROWS];
                for (ptrdiff_t k = 0; k < ROWS; k++)
                    others[k] = A + (first + k <= row ? first + k : row) * n + start;
                tile(weighted, others, count, found);
                for (ptrdiff_t k = 0; k < ROWS && first + k <= row; k++)
                    product[row * rows + first + k] += found[k];
            }
        }
    }
    for (ptrdiff_t row = 0; row < rows; row++)
        for (ptrdiff_t other = row + 1; other < rows; other++)
            product[row * rows + other] = product[other * rows + row];
}

/* A: (rows, n); b: (n,); weight: (n,), or NULL for 1; product: (rows, rows); pull: (rows,). */
LUNAR_PUBLIC int lunar_normal_equations(const double *A, const double *b, const double *weight,
                                        ptrdiff_t rows, ptrdiff_t n, double *product,
                                        double *pull) {
    equations(A, b, weight, rows, n, product, pull);
    return DONE;
}

/* Solve product x = pull, both used up, by Cholesky's factor with pivots; x is 0 where nothing is
 * left to tell it: what a pivot has is below `least` of the first one. NaN where a pivot is. */
static void solve(double *product, double *pull, ptrdiff_t rows, double least, ptrdiff_t *order,
                  double *x) {
    double most = 0;
    ptrdiff_t rank = 0;
    for (ptrdiff_t k = 0; k < rows; k++)
        order[k] = k;
#define AT(i, j) product[order[i] * rows + order[j]]
    for (; rank < rows; rank++) {
        ptrdiff_t best = rank;
        for (ptrdiff_t k = rank + 1; k < rows; k++)
            if (AT(k, k) > AT(best, best))
                best = k;
        ptrdiff_t held = order[rank];
        order[rank] = order[best];
        order[best] = held;
        double pivot = AT(rank, rank);
        if (!rank)
            most = pivot;
        if (isnan(pivot)) {
            for (ptrdiff_t i = 0; i < rows; i++)
                x[i] = NAN;
            return;
        }
        if (!(pivot > least * most))
            break;
        double root = sqrt(pivot);
        AT(rank, rank) = root;
        for (ptrdiff_t i = rank + 1; i < rows; i++)
            AT(i, rank) /= root;
        for (ptrdiff_t i = rank + 1; i < rows; i++)
            for (ptrdiff_t j = rank + 1; j <= i; j++)
                AT(j, i) = AT(i, j) -= AT(i, rank) * AT(j, rank);
    }
    memset(x, 0, (size_t)rows * sizeof(double));
    for (ptrdiff_t i = 0; i < rank; i++) {
        for (ptrdiff_t k = 0; k < i; k++)
            pull[order[i]] -= AT(i, k) * pull[order[k]];
        pull[order[i]] /= AT(i, i);
    }
    for (ptrdiff_t i = rank - 1; i >= 0; i--) {
        double left = pull[order[i]];
        for (ptrdiff_t k = i + 1; k < rank; k++)
            left -= AT(k, i) * x[order[k]];
        x[order[i]] = left / AT(i, i);
    }
#undef AT
}

static double largest(const double *restrict values, ptrdiff_t n) {
    double most[SUMS] = {0};
    ptrdiff_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++)
            most[k] = fabs(values[i + k]) > most[k] ? fabs(values[i + k]) : most[k];
    for (; i < n; i++)
        most[0] = fabs(values[i]) > most[0] ? fabs(values[i]) : most[0];
    for (int k = 1; k < SUMS; k++)
        most[0] = most[k] > most[0] ? most[k] : most[0];
    return most[0] > 1e-30 ? most[0] : 1e-30;
}

/* (rows,) coefficients that, times A, come to b.
 *
 * A, b: as above. weight: (n,) that every one has besides, or NULL for 1. solution: what comes out;
 * where `started`, the first weights are by what it leaves. width: of the Cauchy weight, in sigmas.
 * settled: relative change of sigma at which the fit ends. least: of a pivot, see solve. */
LUNAR_PUBLIC int lunar_robust_fit(const double *A, const double *b, const double *weight,
                                  ptrdiff_t rows, ptrdiff_t n, double *solution, ptrdiff_t started,
                                  ptrdiff_t iterations, double width, double settled,
                                  double least) {
    size_t small = (size_t)(rows * rows + 3 * rows);
    double *memory = malloc((small + 2 * (size_t)n) * sizeof(double) + (size_t)n * sizeof(float) +
                            (size_t)rows * sizeof(ptrdiff_t));
    if (!memory)
        return NO_MEMORY;
    double *product = memory, *pull = product + rows * rows, *size = pull + rows, *x = size + rows;
    double *residual = x + rows, *robust = residual + n, last = INFINITY;
    ptrdiff_t *order = (ptrdiff_t *)(robust + n);
    float *work = (float *)(order + rows);
    for (ptrdiff_t row = 0; row < rows; row++) {
        size[row] = largest(A + row * n, n);
    }
    for (ptrdiff_t pass = 0; pass < iterations; pass++) {
        const double *shares = weight;
        if (pass || started) {
            for (ptrdiff_t i = 0; i < n; i++)
                residual[i] = -b[i];
            for (ptrdiff_t row = 0; row < rows; row++) {
                const double *restrict of = A + row * n;
                double *restrict to = residual, share = solution[row];
                for (ptrdiff_t i = 0; i < n; i++)
                    to[i] += share * of[i];
            }
            double sigma = robust_sigma(residual, n, work) + 1e-30;
            if (fabs(sigma - last) < settled * sigma)
                break;
            last = sigma;
            for (ptrdiff_t i = 0; i < n; i++) {
                double one = residual[i] / (width * sigma);
                robust[i] = 1 / (1 + one * one);
            }
            if (weight)
                for (ptrdiff_t i = 0; i < n; i++)
                    robust[i] *= weight[i];
            shares = robust;
        }
        equations(A, b, shares, rows, n, product, pull);
        for (ptrdiff_t row = 0; row < rows; row++) {
            pull[row] /= size[row];
            for (ptrdiff_t other = 0; other < rows; other++)
                product[row * rows + other] /= size[row] * size[other];
        }
        solve(product, pull, rows, least, order, x);
        for (ptrdiff_t row = 0; row < rows; row++)
            solution[row] = x[row] / size[row];
    }
    free(memory);
    return DONE;
}
