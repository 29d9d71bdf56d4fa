#pragma once
// The least that a program can do for the counters of all devices: what the product is measured against.
#include <stddef.h>
#include <stdint.h>

struct bare_row {
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
    uint32_t index;
};

/// Opens a route socket in the calling thread's namespace; negative errno on failure.
int bare_open(int ns_fd);
/// One RTM_GETSTATS dump by libmnl's own callbacks; returns the number of devices or a negative errno.
int bare_dump(int fd, struct bare_row *rows, size_t capacity);
