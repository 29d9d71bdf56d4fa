/* Leaf helpers of the test support library: what Swift cannot import (setns), and what is one line here and twenty
 * lines of pointer handling there (socket addresses, posix_spawn attributes). Never part of a shipped program.
 * Every function returns 0 or a positive result, or a negative errno. */
#ifndef OUTRIDER_CNAMESPACEKIT_H
#define OUTRIDER_CNAMESPACEKIT_H

#include <stddef.h>
#include <stdint.h>

/* Opens a socket inside the network namespace at `path`. The calling thread is back in its own namespace when this
 * returns; the socket keeps the namespace it was opened in. */
int nskit_socket(const char *path, int family, int type, int protocol);

/* Sends one datagram. `address` has 4 bytes (IPv4) or 16 (IPv6), network order; `port` host order, 0 for raw sockets.
 * `scope` is the interface index of a link-local IPv6 destination, else 0. */
int nskit_send(int fd, const uint8_t *address, size_t address_length, uint16_t port, uint32_t scope,
               const uint8_t *data, size_t length);

/* Waits up to `timeout_us` for one datagram. Returns its length (0 ... capacity), or -EAGAIN when none came.
 * `from` (16 bytes, may be NULL) receives the sender's address, `from_length` its length (4 or 16). */
int nskit_receive(int fd, uint8_t *buffer, size_t capacity, int64_t timeout_us, uint8_t *from, size_t *from_length);

/* Binds to `address` (0 length: any address of `family`) and `port`. */
int nskit_bind(int fd, int family, const uint8_t *address, size_t address_length, uint16_t port);
int nskit_listen(int fd);
/* Waits up to `timeout_us` for one connection; its descriptor. */
int nskit_accept(int fd, int64_t timeout_us);
/* Connects within `timeout_us`: 0, -ETIMEDOUT, -ECONNREFUSED, ... */
int nskit_connect(int fd, const uint8_t *address, size_t address_length, uint16_t port, int64_t timeout_us);

/* Sends one Ethernet frame as it is through interface `name`; `fd` is a packet socket of the interface's namespace. */
int nskit_send_frame(int fd, const char *name, const uint8_t *data, size_t length);

/* IP_HDRINCL / IPV6_HDRINCL: the caller writes the whole IP header, its source address included. */
int nskit_include_header(int fd, int family);
/* Joins one netlink multicast group and makes the receive buffer large. */
int nskit_join_group(int fd, unsigned group);
/* Waits until one of the descriptors is readable: 0, or -EAGAIN after the time. At most 64 descriptors. */
int nskit_wait_readable(const int *fds, size_t count, int64_t timeout_us);
int nskit_close(int fd);

/* Brings interface `name` up with its MTU, host addresses and default routes through gateways that are on the link.
 * Returns when packets can leave and are taken, as a guest that waits for its network does.
 * `fd` is a NETLINK_ROUTE socket of the namespace. Addresses are in network order. */
int nskit_configure(int fd, const char *name, uint32_t mtu, const uint8_t *ipv4, const uint8_t *gateway4,
                    const uint8_t *ipv6, const uint8_t *gateway6);

/* Starts a program in a process group of its own. `arguments` holds NUL-terminated strings one after the other;
 * standard output and error are appended to `output`, standard input is empty. Returns the process id. */
int nskit_spawn(const char *arguments, size_t length, const char *output);
/* -EAGAIN while the child runs (only when `block` is 0); else its exit code, or 128 + signal. */
int nskit_wait(int pid, int block);
int nskit_kill(int pid, int signal);

#endif
