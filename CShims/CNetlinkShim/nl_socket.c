#define _GNU_SOURCE
#include "nl_socket.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

int outrider_nl_prepare(int fd, int buffer_bytes, int strict_checking) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return -errno;
    int on = 1;
    if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on) < 0) return -errno;
    // Without the cap every error carries the whole request back and fills the receive buffer.
    if (setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) < 0) return -errno;
    if (strict_checking && setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on) < 0) return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes) < 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes) < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer_bytes, sizeof buffer_bytes) < 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes) < 0)
        return -errno;
    return 0;
}

int outrider_nl_join(int fd, uint32_t group) {
    return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0 ? -errno : 0;
}

uint32_t outrider_nl_port(int fd) {
    struct sockaddr_nl address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 || address.nl_family != AF_NETLINK) return 0;
    return address.nl_pid;
}

int outrider_nl_device_index(int fd, const char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    // No device has a longer name.
    if (strlen(name) >= sizeof request.ifr_name) return -ENODEV;
    strcpy(request.ifr_name, name);
    return ioctl(fd, SIOCGIFINDEX, &request) < 0 ? -errno : request.ifr_ifindex;
}

int outrider_nl_send(int fd, const void *data, size_t length) {
    ssize_t sent;
    // The socket was bound without connect: an unconnected netlink socket sends to the kernel.
    do sent = send(fd, data, length, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) return -errno;
    return (size_t)sent == length ? 0 : -EIO;
}

int outrider_nl_receive(int fd, void *buffer, size_t capacity, int wait_ms) {
    for (;;) {
        struct sockaddr_nl sender;
        socklen_t sender_length = sizeof sender;
        memset(&sender, 0, sizeof sender);
        ssize_t length =
            recvfrom(fd, buffer, capacity, MSG_TRUNC | MSG_DONTWAIT, (struct sockaddr *)&sender, &sender_length);
        if (length >= 0) {
            if (sender.nl_family == AF_NETLINK && sender.nl_pid != 0) continue;
            return (int)length;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN || wait_ms == 0) return -errno;
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        int ready = poll(&poller, 1, wait_ms);
        if (ready == 0) return -ETIMEDOUT;
        if (ready < 0 && errno != EINTR) return -errno;
    }
}

int outrider_nl_header_at(const void *datagram, size_t length, size_t offset, struct outrider_nl_header *header) {
    if (offset >= length || length - offset < sizeof(struct nlmsghdr)) return -EBADMSG;
    struct nlmsghdr raw;
    memcpy(&raw, (const char *)datagram + offset, sizeof raw);
    if (raw.nlmsg_len < sizeof raw || raw.nlmsg_len > length - offset) return -EBADMSG;
    header->length = raw.nlmsg_len;
    header->sequence = raw.nlmsg_seq;
    header->port = raw.nlmsg_pid;
    header->type = raw.nlmsg_type;
    header->flags = raw.nlmsg_flags;
    size_t next = offset + NLMSG_ALIGN(raw.nlmsg_len);
    return (int)(next < length ? next : length);
}

void outrider_nl_stamp(void *message, uint32_t sequence, uint16_t flags) {
    struct nlmsghdr raw;
    memcpy(&raw, message, sizeof raw);
    raw.nlmsg_seq = sequence;
    raw.nlmsg_flags |= flags;
    memcpy(message, &raw, sizeof raw);
}

static void parse_extended(const char *data, size_t length, struct outrider_nl_error *error) {
    while (length >= sizeof(struct nlattr)) {
        struct nlattr attribute;
        memcpy(&attribute, data, sizeof attribute);
        if (attribute.nla_len < sizeof attribute || attribute.nla_len > length) return;
        size_t payload = attribute.nla_len - sizeof attribute;
        const char *value = data + sizeof attribute;
        switch (attribute.nla_type & NLA_TYPE_MASK) {
        case NLMSGERR_ATTR_MSG: {
            size_t count = payload < sizeof error->text - 1 ? payload : sizeof error->text - 1;
            memcpy(error->text, value, count);
            break;
        }
        case NLMSGERR_ATTR_OFFS:
            if (payload == sizeof error->offset) memcpy(&error->offset, value, payload);
            break;
        }
        size_t step = NLA_ALIGN(attribute.nla_len);
        if (step >= length) return;
        data += step;
        length -= step;
    }
}

int outrider_nl_parse_error(const void *message, size_t length, struct outrider_nl_error *error) {
    memset(error, 0, sizeof *error);
    struct nlmsghdr raw;
    if (length < sizeof raw) return -EBADMSG;
    memcpy(&raw, message, sizeof raw);
    const char *body = (const char *)message + NLMSG_HDRLEN;
    size_t left = length - NLMSG_HDRLEN;
    int32_t code = 0;
    if (left < sizeof code) return raw.nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
    memcpy(&code, body, sizeof code);
    error->error = -code;
    if (!(raw.nlmsg_flags & NLM_F_ACK_TLVS)) return 0;
    size_t head;
    if (raw.nlmsg_type == NLMSG_DONE) {
        head = sizeof code;
    } else {
        struct nlmsgerr content;
        if (left < sizeof content) return -EBADMSG;
        memcpy(&content, body, sizeof content);
        head = sizeof content;
        if (!(raw.nlmsg_flags & NLM_F_CAPPED)) head += NLMSG_ALIGN(content.msg.nlmsg_len) - sizeof content.msg;
    }
    if (head < left) parse_extended(body + head, left - head, error);
    return 0;
}
