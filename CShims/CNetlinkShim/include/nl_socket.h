#pragma once
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

/// Binds a netlink socket and turns on extended acknowledgement, capped acknowledgement and strict checking
/// (`strict_checking`), with buffers of at least `buffer_bytes` (SO_RCVBUFFORCE needs CAP_NET_ADMIN; without it the
/// limit of the system applies). In C because struct sockaddr_nl and the SOL_NETLINK options are not in Swift's Glibc.
int outrider_nl_prepare(int fd, int buffer_bytes, int strict_checking);

/// Joins a multicast group.
int outrider_nl_join(int fd, uint32_t group);

/// The socket's own port number, 0 when it is not a bound netlink socket. In C for sockaddr_nl.
uint32_t outrider_nl_port(int fd);

/// Index of a device in the socket's namespace, -ENODEV when there is none of that name (SIOCGIFINDEX of netdevice(7)).
/// In C because it is a variadic ioctl on a struct with a union.
int outrider_nl_device_index(int fd, const char *name);

/// Sends whole messages; EINTR is retried. In C for sockaddr_nl.
int outrider_nl_send(int fd, const void *data, size_t length);

/// Receives one datagram of the kernel; EINTR is retried, datagrams of other senders are thrown away. Returns its real
/// length, which is larger than `capacity` when it was cut (MSG_TRUNC). `wait_ms` 0 does not wait (-EAGAIN), negative
/// waits for ever. In C for sockaddr_nl.
int outrider_nl_receive(int fd, void *buffer, size_t capacity, int wait_ms);

/// One message header inside a datagram.
struct outrider_nl_header {
    uint32_t length, sequence, port;
    uint16_t type, flags;
};

/// Reads the header at `offset`; returns the offset of the next message, or -EBADMSG when the datagram is broken.
int outrider_nl_header_at(const void *datagram, size_t length, size_t offset, struct outrider_nl_header *header);

/// Writes sequence number and additional flags into a built message.
void outrider_nl_stamp(void *message, uint32_t sequence, uint16_t flags);

/// Content of an NLMSG_ERROR or NLMSG_DONE message.
struct outrider_nl_error {
    /// Positive errno, 0 for success.
    int32_t error;
    /// Offset of the attribute that the kernel objects to (NLMSGERR_ATTR_OFFS), 0 when it named none.
    uint32_t offset;
    /// NLMSGERR_ATTR_MSG, empty when there is none; cut at the end of the field.
    char text[128];
};

int outrider_nl_parse_error(const void *message, size_t length, struct outrider_nl_error *error);

/// Number of a generic netlink family, resolved by name over `fd` (libnl-genl-3); -ENOENT when the kernel lacks it.
int outrider_genl_resolve(int fd, const char *name);

/// Binds a packet socket (packet(7); AF_PACKET, SOCK_RAW, protocol 0) to what one device takes in from now on, of any
/// protocol and before any filter. What the device sends is left out (PACKET_IGNORE_OUTGOING, Linux 4.20), and the
/// receive buffer is the smallest there is: it still holds one frame. In C for struct sockaddr_ll and sock_fprog.
int outrider_frames_bind(int fd, int index);

/// Takes one frame off a socket of outrider_frames_bind: 1, or -EAGAIN when there is none, or -ENETDOWN once after the
/// device went down.
int outrider_frames_heard(int fd);
