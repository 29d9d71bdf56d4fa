#define _GNU_SOURCE
#include "echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static struct sockaddr_in6 address(const uint8_t *bytes) {
    struct sockaddr_in6 result = {.sin6_family = AF_INET6};
    memcpy(&result.sin6_addr, bytes, sizeof result.sin6_addr);
    return result;
}

int outrider_echo_prepare(int fd, const uint8_t *source) {
    int on = 1;
    int probe = IPV6_PMTUDISC_PROBE;
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, &on, sizeof on) < 0) return -errno;
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof probe) < 0) return -errno;
    struct sockaddr_in6 own = address(source);
    return bind(fd, (struct sockaddr *)&own, sizeof own) < 0 ? -errno : 0;
}

int outrider_echo_send(int fd, const uint8_t *destination, uint16_t sequence, size_t length) {
    static const uint8_t zeros[65535];
    if (length < 48 || length > sizeof zeros) return -EINVAL;
    struct icmp6_hdr header = {.icmp6_type = ICMP6_ECHO_REQUEST};
    header.icmp6_seq = htons(sequence);
    struct sockaddr_in6 peer = address(destination);
    struct iovec parts[] = {
        {.iov_base = &header, .iov_len = sizeof header},
        {.iov_base = (void *)zeros, .iov_len = length - 40 - sizeof header},
    };
    struct msghdr message = {
        .msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;
    do { sent = sendmsg(fd, &message, MSG_DONTWAIT); } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

int outrider_echo_receive(int fd, uint8_t *source, uint16_t *sequence) {
    struct icmp6_hdr header;
    struct sockaddr_in6 peer;
    socklen_t size = sizeof peer;
    while (1) {
        ssize_t count = recvfrom(fd, &header, sizeof header, MSG_DONTWAIT, (struct sockaddr *)&peer, &size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -errno;
        if ((size_t)count < sizeof header || header.icmp6_type != ICMP6_ECHO_REPLY) continue;
        memcpy(source, &peer.sin6_addr, sizeof peer.sin6_addr);
        *sequence = ntohs(header.icmp6_seq);
        return 0;
    }
}
