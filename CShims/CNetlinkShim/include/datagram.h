#pragma once
// Datagrams of VMs to the host's own sockets, by the interface that they came through. In C because control messages and
// the ICMPv6 filter are macros.
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct outrider_datagram {
    /// Interface index that it came through, or goes out by.
    int32_t index;
    /// UDP port of the other end, host order; 0 for ICMPv6.
    uint16_t port;
    /// Address of the other end, 4 or 16 bytes.
    uint8_t peer[16];
    /// Own address: that it came to, or is sent from.
    uint8_t local[16];
    /// As it arrived; -1 where it is not told (IPv4).
    int32_t hop_limit;
};

/// Makes a new UDP socket of `family` receive what comes to `port`. 0 or a negative errno.
int outrider_udp_serve(int fd, int family, uint16_t port);

/// Makes a new raw ICMPv6 socket receive router solicitations, and send with hop limit 255. 0 or a negative errno.
int outrider_icmp6_serve(int fd);

/// Takes the next datagram without waiting: its length, -EAGAIN when there is none, -EMSGSIZE when it is longer than
/// `capacity`, or another negative errno.
ssize_t outrider_datagram_receive(
    int fd, int family, uint8_t *bytes, size_t capacity, struct outrider_datagram *datagram);

/// Sends an IPv6 packet through a device to a link-layer address of six bytes, from a packet socket (packet(7); AF_PACKET,
/// SOCK_DGRAM), without waiting: no route, no filter and no neighbor has a say. 0 or a negative errno.
int outrider_packet_send(int fd, int32_t index, const uint8_t *link, const uint8_t *bytes, size_t count);

/// Sends without waiting. 0 or a negative errno.
int outrider_datagram_send(
    int fd, int family, const uint8_t *bytes, size_t count, const struct outrider_datagram *datagram);
