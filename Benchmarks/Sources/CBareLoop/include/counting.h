#pragma once
#include <stdint.h>

/// Calls of malloc, calloc and realloc by this process so far. The program's own definitions stand before the C
/// library's and count.
uint64_t counting_allocations(void);
