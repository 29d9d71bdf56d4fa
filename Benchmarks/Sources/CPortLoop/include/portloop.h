#pragma once
#include <stdint.h>

// What the kernel itself takes for a port: the fewest system calls that leave the same device up, one after the other.
// Each writes the microseconds of every port and returns 0 or a negative errno.

/// `count` persistent taps `bareXXXXXX` (from number `first`) in the namespace: made, and raised with address and MTU in
/// one message. With `serves` also what serves a VM there: the gateway's IPv6 address, and neighbor and route for each of
/// the VM's addresses, in one system call.
int portloop_taps(int ns_fd, uint32_t first, uint32_t count, int serves, double *microseconds);

/// Veth pairs whose other end, `peerXXXXXX`, is born in `peer_ns_fd`: made in one message, then each end raised.
int portloop_veths(int ns_fd, int peer_ns_fd, uint32_t first, uint32_t count, int serves, double *microseconds);

/// Moves taps that `portloop_taps` made in `source_ns_fd` to `ns_fd` as `moveXXXXXX`, renamed on the way, and raises them.
int portloop_moves(int source_ns_fd, int ns_fd, uint32_t first, uint32_t count, double *microseconds);
