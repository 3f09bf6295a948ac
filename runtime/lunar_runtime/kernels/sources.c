/* Which sources a library was compiled from: the SHA-256 of all of them. */
#include "kernels.h"

LUNAR_PUBLIC const char lunar_sources[] = LUNAR_SOURCES;
