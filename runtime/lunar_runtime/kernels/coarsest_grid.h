/* The coarsest grid of a thin plate, solved by Cholesky's factor of its banded operator. */
#ifndef LUNAR_COARSEST_GRID_H
#define LUNAR_COARSEST_GRID_H

#include "plate_grids.h"

#include <math.h>

/* Where a node stands in the banded system: along the shorter side first. */
static inline ptrdiff_t place(const Grid *g, ptrdiff_t y, ptrdiff_t x) {
    return g->width <= g->height ? y * g->width + x : x * g->height + y;
}

static inline void add_square(Grids *all, int count, const ptrdiff_t at[], const double times[]) {
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            if (at[i] >= at[j])
                all->factor[at[i] * (all->band + 1) + at[j] - at[i] + all->band] +=
                    times[i] * times[j];
}

/* Cholesky's factor of the coarsest grid's operator; its least information keeps it regular. */
static inline void factorise(Grids *all) {
    const Grid *g = &all->grids[all->count - 1];
    ptrdiff_t height = g->height, width = g->width, n = nodes(g), band = all->band;
    double root = sqrt((double)g->stiffness), most = 0;
    const double straight[3] = {root, -2 * root, root};
    const double cross[4] = {sqrt(2.0) * root, -sqrt(2.0) * root, -sqrt(2.0) * root,
                             sqrt(2.0) * root};
    for (ptrdiff_t i = 0; i < n; i++)
        most = g->information[i] > most ? g->information[i] : most;
    double least = 1e-9 * (g->stiffness + most);
    for (ptrdiff_t y = 0; y < height; y++)
        for (ptrdiff_t x = 0; x < width; x++) {
            double known = g->information[y * width + x];
            all->factor[place(g, y, x) * (band + 1) + band] += known > least ? known : least;
            if (x > 0 && x < width - 1) {
                ptrdiff_t at[3] = {place(g, y, x - 1), place(g, y, x), place(g, y, x + 1)};
                add_square(all, 3, at, straight);
            }
            if (y > 0 && y < height - 1) {
                ptrdiff_t at[3] = {place(g, y - 1, x), place(g, y, x), place(g, y + 1, x)};
                add_square(all, 3, at, straight);
            }
            if (x < width - 1 && y < height - 1) {
                ptrdiff_t at[4] = {place(g, y, x), place(g, y, x + 1), place(g, y + 1, x),
                                   place(g, y + 1, x + 1)};
                add_square(all, 4, at, cross);
            }
        }
    for (ptrdiff_t i = 0; i < n; i++) {
        double *row = all->factor + i * (band + 1) + band - i; /* row[j]: j from i - band to i */
        for (ptrdiff_t j = i > band ? i - band : 0; j <= i; j++) {
            const double *other = all->factor + j * (band + 1) + band - j;
            double left = row[j];
            for (ptrdiff_t k = i > band ? i - band : 0; k < j; k++)
                left -= j - k <= band ? row[k] * other[k] : 0;
            row[j] = j < i ? left / other[j] : sqrt(left);
        }
    }
}

/* The coarsest grid's e for its residual. */
static inline void solve_coarsest(Grids *all) {
    const Grid *g = &all->grids[all->count - 1];
    ptrdiff_t n = nodes(g), band = all->band;
    double *column = all->column;
    for (ptrdiff_t y = 0; y < g->height; y++)
        for (ptrdiff_t x = 0; x < g->width; x++)
            column[place(g, y, x)] = g->residual[y * g->width + x];
    for (ptrdiff_t i = 0; i < n; i++) {
        const double *row = all->factor + i * (band + 1) + band - i;
        for (ptrdiff_t j = i > band ? i - band : 0; j < i; j++)
            column[i] -= row[j] * column[j];
        column[i] /= row[i];
    }
    for (ptrdiff_t i = n - 1; i >= 0; i--) {
        const double *row = all->factor + i * (band + 1) + band - i;
        column[i] /= row[i];
        for (ptrdiff_t j = i > band ? i - band : 0; j < i; j++)
            column[j] -= row[j] * column[i];
    }
    for (ptrdiff_t y = 0; y < g->height; y++)
        for (ptrdiff_t x = 0; x < g->width; x++)
            g->e[y * g->width + x] = (float)column[place(g, y, x)];
}

#endif
