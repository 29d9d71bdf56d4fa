#pragma once
#include <stddef.h>
#include <stdint.h>

// ICMPv6 echo (RFC 4443 section 4) on a ping socket: datagram, IPPROTO_ICMPV6. In C for sockaddr_in6 and for the option
// IPV6_DONTFRAG, which is not in Swift's Glibc.

/// Binds to an address and forbids fragments, so that a packet that is too long for the path is an error or is lost.
int outrider_echo_prepare(int fd, const uint8_t *source);

/// One echo request; the whole IPv6 packet has `length` bytes (at least 48, at most 65535). Does not wait.
int outrider_echo_send(int fd, const uint8_t *destination, uint16_t sequence, size_t length);

/// One queued echo reply, without waiting: -EAGAIN when there is none. `source` gets 16 bytes.
int outrider_echo_receive(int fd, uint8_t *source, uint16_t *sequence);
