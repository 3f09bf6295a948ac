/* What residuals of the brightness are worth: see refinement/match_noise.py. */
#include "sums.h"

#include <stdlib.h>

enum { KINDS = 3, BLOCK = 256 };

/* One over the variance of n residuals, less of an outlier (Geman and McClure).
 *
 * The variance is grey / contrast² + share + steep · change²; outlier: its square is where a
 * residual begins to be one, in variances; pixels share one value of the noise. */
LUNAR_PUBLIC int lunar_match_weight(const float *restrict residual, const float *restrict contrast,
                                    const float *restrict change, double grey, double share,
                                    double steep, double outlier, double pixels, ptrdiff_t n,
                                    float *restrict weight) {
    float g = (float)grey, s = (float)share, c = (float)steep, many = (float)pixels;
    float less = (float)(1 / (outlier * outlier));
    for (ptrdiff_t i = 0; i < n; i++) {
        float variance = c * (change[i] * change[i]) + s + g / (contrast[i] * contrast[i]);
        float outlying = 1 + less * (residual[i] * residual[i]) / variance;
        weight[i] = 1 / (outlying * outlying * variance * many);
    }
    return DONE;
}

/* Least squares of the squared residuals by three variances, each weighted by its inverse square;
 * what is `cut` variances and more is no noise, as `found` has them before. One number after the
 * other, none negative: least squares have one minimum. */
static void fit(const double *squares, const double *square, ptrdiff_t n, double cut, double least,
                double *found, ptrdiff_t sweeps) {
    double product[KINDS][KINDS] = {{0}}, pull[KINDS] = {0};
    double weight[BLOCK], weighted[BLOCK];
    for (ptrdiff_t start = 0; start < n; start += BLOCK) {
        ptrdiff_t count = n - start < BLOCK ? n - start : BLOCK;
        const double *restrict a = squares + start, *restrict b = squares + n + start;
        const double *restrict c = squares + 2 * n + start, *restrict of = square + start;
        for (ptrdiff_t i = 0; i < count; i++) {
            double variance = found[0] * a[i] + found[1] * b[i] + found[2] * c[i];
            variance = variance > least ? variance : least;
            weight[i] = (of[i] < cut * variance ? 1.0 : 0.0) / (variance * variance);
        }
        for (int row = 0; row < KINDS; row++) {
            const double *restrict one = squares + row * n + start;
            for (ptrdiff_t i = 0; i < count; i++)
                weighted[i] = one[i] * weight[i];
            for (int other = 0; other < KINDS; other++)
                product[row][other] += product_of(weighted, squares + other * n + start, count);
            pull[row] += product_of(weighted, of, count);
        }
    }
    for (ptrdiff_t sweep = 0; sweep < sweeps; sweep++)
        for (int row = 0; row < KINDS; row++) {
            if (!(product[row][row] > 0))
                continue;
            double rest = pull[row];
            for (int other = 0; other < KINDS; other++)
                rest -= product[row][other] * found[other];
            double next = found[row] + rest / product[row][row];
            found[row] = next > 0 ? next : 0;
        }
}

/* (3,) variances whose sum with (3, n) squares the (n,) squared residuals are.
 *
 * typical: of the squared residuals, where the fit starts; least: of a sum, of it. */
LUNAR_PUBLIC int lunar_variances(const double *squares, const double *square, ptrdiff_t n,
                                 double typical, double least, double cut, ptrdiff_t iterations,
                                 ptrdiff_t sweeps, double *found) {
    for (int k = 0; k < KINDS; k++)
        found[k] = 0;
    for (ptrdiff_t pass = 0; pass < iterations; pass++) {
        fit(squares, square, n, cut, pass ? least * typical : typical, found, sweeps);
    }
    return DONE;
}

/* What neighbours share of a noise, along one row in every `thin` and one column in every `thin`.
 *
 * noise: (height, width), clipped at limit. known: where it is any. found: (2, 4) for rows and for
 * columns: places, sum of squares, pairs of neighbours, sum of their products. */
LUNAR_PUBLIC int lunar_neighbours(const float *noise, const unsigned char *known, ptrdiff_t height,
                                  ptrdiff_t width, ptrdiff_t thin, double limit, double *found) {
    float most = (float)limit;
    float *row = malloc((size_t)(height > width ? height : width) * 2 * sizeof(float));
    if (!row)
        return NO_MEMORY;
    for (int down = 0; down < 2; down++) {
        ptrdiff_t length = down ? height : width, lines = down ? width : height;
        ptrdiff_t step = down ? width : 1, apart = down ? 1 : width;
        float *there = row + length;
        double places = 0, squares = 0, pairs = 0, products = 0;
        for (ptrdiff_t line = 0; line < lines; line += thin) {
            for (ptrdiff_t i = 0; i < length; i++) {
                ptrdiff_t at = line * apart + i * step;
                float value = noise[at] > most ? most : noise[at] < -most ? -most : noise[at];
                there[i] = known[at] ? 1.0f : 0.0f;
                row[i] = known[at] ? value : 0.0f;
            }
            places += dot(there, there, length);
            squares += dot(row, row, length);
            pairs += dot(there, there + 1, length - 1);
            products += dot(row, row + 1, length - 1);
        }
        double *of = found + 4 * down;
        of[0] = places;
        of[1] = squares;
        of[2] = pairs;
        of[3] = products;
    }
    free(row);
    return DONE;
}
