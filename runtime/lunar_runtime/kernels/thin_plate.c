/* The thin plate by multigrid: see refinement/thin_plate.py for what is solved, and why so. */
#include "coarsest_grid.h"
#include "grids.h"
#include "plate_operator.h"

#include <string.h>

/* Of conjugate gradients on the finest grid, and on the others. What a cycle leaves is long waves:
 * after six cycles 2 and 8 leave 24 millionths where little was measured, 6 and 6 leave 41 in 1.2
 * times the time, 6 and 4 leave 127 (medians of ten sums of 256 × 256 px). */
static const int FINEST_ITERATIONS = 2, ITERATIONS = 8;
/* Of the stencil, away from the edges. */
static const float DIAGONAL = 20;

static void add(float *restrict to, float share, const float *restrict what, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] += share * what[i];
}

/* Take a share of q off the residual; rᵀ of what the diagonal makes of what is left. */
static double lessened(const Grid *g, float share) {
    float *restrict r = g->residual;
    const float *restrict inverse = g->inverse, *restrict q = g->q;
    ptrdiff_t n = nodes(g), i = 0;
    double total = 0;
    while (i + LANES <= n) {
        float lanes[LANES] = {0};
        ptrdiff_t end = i + 64 * LANES < n ? i + 64 * LANES : n;
        for (; i + LANES <= end; i += LANES)
            for (int k = 0; k < LANES; k++) {
                float left = r[i + k] - share * q[i + k];
                r[i + k] = left;
                lanes[k] += left * (inverse[i + k] * left);
            }
        total += sum_of_lanes(lanes);
    }
    for (; i < n; i++) {
        r[i] -= share * q[i];
        total += r[i] * (inverse[i] * r[i]);
    }
    return total;
}

/* Some steps of conjugate gradients for the grid's residual less a share of q, which are used up;
 * added to e. */
static void conjugate_gradients(const Grids *all, const Grid *g, float share, int iterations) {
    ptrdiff_t n = nodes(g);
    float *restrict p = g->p, *restrict e = g->e;
    const float *restrict inverse = g->inverse;
    const float *r = g->residual; /* which `lessened` changes */
    double size = lessened(g, share), first = size;
    for (ptrdiff_t i = 0; i < n; i++)
        p[i] = inverse[i] * r[i];
    for (int left = iterations - 1; left >= 0; left--) {
        if (!(size > 1e-10 * first) || !(size > 0))
            return;
        double energy = operator(all, g, p, g->q);
        if (!(energy > 0)) /* rounding is left */
            return;
        float step = (float)(size / energy);
        if (!left) {
            add(e, step, p, n);
            return;
        }
        double last = size;
        size = lessened(g, step);
        float turned = (float)(size / last);
        for (ptrdiff_t i = 0; i < n; i++) {
            e[i] += step * p[i];
            p[i] = inverse[i] * r[i] + turned * p[i];
        }
    }
}

/* An approximate solution for a grid's residual, which is used up, in its e. */
static void cycle(Grids *all, int at) {
    const Grid *g = &all->grids[at], *coarse = g + 1;
    ptrdiff_t n = nodes(g);
    if (at + 1 == all->count) {
        solve_coarsest(all);
        return;
    }
    gather(g->residual, coarse->height, coarse->width, coarse->residual, all->row);
    cycle(all, at + 1);
    spread(coarse->e, coarse->height, coarse->width, g->e, all->row);
    double energy = operator(all, g, g->e, g->q);
    float step = energy > 0 ? (float)(dot(g->e, g->residual, n) / energy) : 0;
    for (ptrdiff_t i = 0; i < n; i++)
        g->e[i] *= step;
    conjugate_gradients(all, g, step, at ? ITERATIONS : FINEST_ITERATIONS);
}

/* A field in units of the stiffness, on a grid that may be larger; what is beyond stays 0. */
static void pad(const float *values, ptrdiff_t height, ptrdiff_t width, float stiffness,
                ptrdiff_t wide, float *padded) {
    for (ptrdiff_t y = 0; y < height; y++)
        for (ptrdiff_t x = 0; x < width; x++)
            padded[y * wide + x] = values[y * width + x] / stiffness;
}

static void prepare(Grids *all, const float *information, ptrdiff_t height, ptrdiff_t width,
                    float stiffness) {
    pad(information, height, width, stiffness, all->grids[0].width, all->grids[0].information);
    for (int i = 0; i + 1 < all->count; i++) {
        Grid *g = &all->grids[i], *coarse = g + 1;
        float diagonal = DIAGONAL * g->stiffness;
        for (ptrdiff_t k = 0; k < nodes(g); k++)
            g->inverse[k] = 1 / (g->information[k] + diagonal);
        gather(g->information, coarse->height, coarse->width, coarse->information, all->row);
        for (ptrdiff_t k = 0; k < nodes(coarse); k++)
            coarse->information[k] = coarse->information[k] > 0 ? coarse->information[k] : 0;
    }
    factorise(all);
}

/* The surface that passes measurements as closely as they are worth, and bends little.
 *
 * information, pull: (height, width), sides of 3 and more; start: the same, or NULL for 0.
 * surface: what comes out. cycles: at most. */
LUNAR_PUBLIC int lunar_thin_plate(const float *information, const float *pull, const float *start,
                                  float *surface, ptrdiff_t height, ptrdiff_t width,
                                  double stiffness, ptrdiff_t cycles) {
    Grids all;
    if (height < 3 || width < 3)
        return TOO_SMALL;
    void *memory = grids_of(&all, height, width);
    const Grid *g = &all.grids[0];
    ptrdiff_t n = nodes(g);
    float *own = memory ? calloc((size_t)n, 4 * sizeof(float)) : NULL;
    if (!own) {
        free(memory);
        return NO_MEMORY;
    }
    float *e = own, *residual = own + n, *before = own + 2 * n, *p = own + 3 * n;
    prepare(&all, information, height, width, (float)stiffness);
    pad(pull, height, width, (float)stiffness, g->width, residual);
    if (start) {
        pad(start, height, width, 1, g->width, e);
        operator(&all, g, e, g->q);
        add(residual, -1, g->q, n);
    }
    double size = 1;
    for (ptrdiff_t left = cycles - 1; left >= 0; left--) {
        memcpy(g->residual, residual, (size_t)n * sizeof(float));
        cycle(&all, 0);
        const float *z = g->e;
        double along = dot(z, residual, n);
        /* Polak and Ribière: the preconditioner is not linear. */
        double turned = (along - dot(z, before, n)) / size;
        float share = turned > 0 ? (float)turned : 0;
        for (ptrdiff_t i = 0; i < n; i++)
            p[i] = z[i] + share * p[i];
        double energy = operator(&all, g, p, g->q);
        if (!(energy > 0))
            break;
        float step = (float)(dot(p, residual, n) / energy);
        add(e, step, p, n);
        if (left) {
            memcpy(before, residual, (size_t)n * sizeof(float));
            size = along > 1e-30 ? along : 1e-30;
            add(residual, -step, g->q, n);
        }
    }
    for (ptrdiff_t y = 0; y < height; y++)
        memcpy(surface + y * width, e + y * g->width, (size_t)width * sizeof(float));
    free(own);
    free(memory);
    return DONE;
}
