/* The thin plate by multigrid: see refinement/thin_plate.py for what is solved, and why so.
 *
 * Every grid is kept in units of the finest one's stiffness, so that float keeps its digits. */
#include "grids.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_GRIDS = 24 };

/* Pixels along the shorter side of the coarsest grid, at least. */
static const ptrdiff_t COARSEST = 8;
/* Of conjugate gradients on the finest grid, and on the others. What a cycle leaves is long waves:
 * after six cycles 2 and 8 leave 24 millionths where little was measured, 6 and 6 leave 41 in 1.2
 * times the time, 6 and 4 leave 127 (medians of ten sums of 256 × 256 px). */
static const int FINEST_ITERATIONS = 2, ITERATIONS = 8;
/* Of the stencil, away from the edges. */
static const float DIAGONAL = 20;

typedef struct {
    ptrdiff_t height, width;
    float stiffness;
    float *information, *inverse; /* of the diagonal */
    float *residual, *e, *p, *q;
} Grid;

typedef struct {
    Grid grids[MOST_GRIDS];
    int count;
    double *factor; /* of the coarsest grid's operator, banded: LLᵀ */
    ptrdiff_t band;
    double *column;
    float *row; /* three with a place more at both ends */
} Grids;

static ptrdiff_t nodes(const Grid *g) {
    return g->height * g->width;
}

static ptrdiff_t clamped(ptrdiff_t i, ptrdiff_t length) {
    return i < 0 ? 0 : i >= length ? length - 1 : i;
}

/* Sums of the steps from each node of a row to its four neighbours, ends repeated; from -1 on. */
static void laplacian(const float *p, ptrdiff_t height, ptrdiff_t width, ptrdiff_t y,
                      float *restrict found) {
    const float *restrict row = p + clamped(y, height) * width;
    const float *restrict above = p + clamped(y - 1, height) * width;
    const float *restrict below = p + clamped(y + 1, height) * width;
    for (ptrdiff_t x = 1; x < width - 1; x++)
        found[x] = ((above[x] - row[x]) + (below[x] - row[x])) +
                   ((row[x - 1] - row[x]) + (row[x + 1] - row[x]));
    ptrdiff_t end = width - 1;
    found[-1] = (above[0] - row[0]) + (below[0] - row[0]);
    found[0] = found[-1] + (row[1] - row[0]);
    found[width] = (above[end] - row[end]) + (below[end] - row[end]);
    found[end] = found[width] + (row[end - 1] - row[end]);
}

/* What the stiffness takes of a row near an edge that is free: fourth differences across it lack
 * what repeating its values adds. `share` is -2 of the edge itself, and 1 beside it. */
static void free_edge(const float *restrict edge, const float *restrict beside, float share,
                      ptrdiff_t width, float *restrict q) {
    for (ptrdiff_t x = 0; x < width; x++)
        q[x] += share * (edge[x] - beside[x]);
}

/* The operator of p, into q: information · p + stiffness · (second differences, and back); pᵀ q.
 *
 * The second is the Laplacian's square, by steps from node to node: of what is nearly a plane they
 * are small, and so is their rounding. */
static double operator(const Grids *all, const Grid *g, const float *p, float *q) {
    ptrdiff_t width = g->width, height = g->height, apart = width + 2;
    float stiffness = g->stiffness;
    double energy = 0;
    float *rows[3];
    for (int k = 0; k < 3; k++)
        rows[k] = all->row + 1 + k * apart;
    laplacian(p, height, width, -1, rows[0]);
    laplacian(p, height, width, 0, rows[1]);
    for (ptrdiff_t y = 0; y < height; y++) {
        laplacian(p, height, width, y + 1, rows[2]);
        const float *restrict above = rows[0], *restrict row = rows[1], *restrict below = rows[2];
        const float *restrict here = p + y * width;
        const float *restrict information = g->information + y * width;
        float *restrict out = q + y * width;
        for (ptrdiff_t x = 0; x < width; x++)
            out[x] = stiffness * (((above[x] - row[x]) + (below[x] - row[x])) +
                                  ((row[x - 1] - row[x]) + (row[x + 1] - row[x]))) +
                     information[x] * here[x];
        float first = stiffness * (here[0] - here[1]);
        float last = stiffness * (here[width - 1] - here[width - 2]);
        out[0] -= 2 * first;
        out[1] += first;
        out[width - 1] -= 2 * last;
        out[width - 2] += last;
        if (y < 2)
            free_edge(p, p + width, y ? stiffness : -2 * stiffness, width, out);
        if (y >= height - 2)
            free_edge(p + (height - 1) * width, p + (height - 2) * width,
                      y == height - 2 ? stiffness : -2 * stiffness, width, out);
        energy += dot(here, out, width);
        float *spare = rows[0];
        rows[0] = rows[1];
        rows[1] = rows[2];
        rows[2] = spare;
    }
    return energy;
}

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

/* Where a node stands in the banded system: along the shorter side first. */
static ptrdiff_t place(const Grid *g, ptrdiff_t y, ptrdiff_t x) {
    return g->width <= g->height ? y * g->width + x : x * g->height + y;
}

static void add_square(Grids *all, int count, const ptrdiff_t at[], const double times[]) {
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            if (at[i] >= at[j])
                all->factor[at[i] * (all->band + 1) + at[j] - at[i] + all->band] +=
                    times[i] * times[j];
}

/* Cholesky's factor of the coarsest grid's operator; its least information keeps it regular. */
static void factorise(Grids *all) {
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
static void solve_coarsest(Grids *all) {
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

/* The next place in a piece of memory; NULL while it is only measured how much there has to be. */
static void *room(char *start, size_t *used, size_t bytes) {
    void *found = start ? start + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return found;
}

/* Places for all grids; how many bytes they take. */
static size_t lay_out(Grids *all, char *start, ptrdiff_t height, ptrdiff_t width) {
    size_t used = 0;
    float stiffness = 1;
    for (int i = 0; i < all->count; i++, stiffness /= 4) {
        ptrdiff_t h = height >> i, w = width >> i;
        size_t bytes = (size_t)(h * w) * sizeof(float);
        all->grids[i] = (Grid){
            .height = h,
            .width = w,
            .stiffness = stiffness,
            .information = room(start, &used, bytes),
            .inverse = room(start, &used, bytes),
            .residual = room(start, &used, bytes),
            .e = room(start, &used, bytes),
            .p = room(start, &used, bytes),
            .q = room(start, &used, bytes),
        };
    }
    const Grid *last = &all->grids[all->count - 1];
    ptrdiff_t n = nodes(last);
    all->band = 2 * (last->width < last->height ? last->width : last->height);
    all->factor = room(start, &used, (size_t)(n * (all->band + 1)) * sizeof(double));
    all->column = room(start, &used, (size_t)n * sizeof(double));
    all->row = room(start, &used, (size_t)(3 * (width + 2)) * sizeof(float));
    return used;
}

/* Grids of half the sides each, empty, whose memory is to be freed; NULL = there is none. */
static void *grids_of(Grids *all, ptrdiff_t height, ptrdiff_t width) {
    ptrdiff_t block = 1, shorter = height < width ? height : width;
    all->count = 1;
    while (shorter / (2 * block) >= COARSEST && all->count < MOST_GRIDS) {
        block *= 2;
        all->count++;
    }
    height = (height + block - 1) / block * block;
    width = (width + block - 1) / block * block;
    char *memory = calloc(1, lay_out(all, NULL, height, width));
    if (memory)
        lay_out(all, memory, height, width);
    return memory;
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
