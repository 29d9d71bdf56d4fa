#pragma once
#include <stddef.h>
#include <stdint.h>

/// A rtnetlink socket in the namespace of an open descriptor, large buffers; negative errno on failure.
int routeloop_open(int ns_fd);

/// The least that programming routes can cost: `count` routes of /28, the i-th at `base + 16 i` (host order) on nexthop
/// object `first + i % nexthops`, 256 messages per send, acknowledgement asked for the last of each. 0 or negative errno.
int routeloop_add(int fd, uint32_t base, uint32_t count, uint32_t first, uint32_t nexthops);

/// Sends `count` UDP datagrams of 18 bytes to an IPv4 address (host order), 64 per system call, from a socket of the
/// namespace. 0 or negative errno.
int routeloop_blast(int ns_fd, uint32_t destination, uint16_t port, uint32_t count);
